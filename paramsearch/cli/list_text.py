"""How ``paramsearch list`` lays out what it says of something that has several sides."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text


def first_sentence(text: str | None) -> str:
    """Give the first sentence of a docstring or a description, without its full stop.

    Example:
        >>> first_sentence("Maps inputs to logits (He et al. 2016, ResNet). More.")
        'Maps inputs to logits (He et al. 2016, ResNet)'
    """
    words = " ".join((text or "").split())
    return words.replace("et al. ", "et al.\0").split(". ")[0].replace("\0", " ").rstrip(".")


def named(values: Mapping[str, object]) -> str:
    """Write names and values in a row; a value that is left open is not written.

    Example:
        >>> named({"width": 32, "folder": "", "edges": None})
        'width 32, folder, edges'
    """
    return ", ".join(
        key if value in (None, "") else f"{key} {value}" for key, value in values.items()
    )


def blocks(kind: str, entries: Mapping[str, tuple[str, Mapping[str, str]]]) -> Table:
    """Lay out names with a sentence and labelled lines each, for a terminal of any width.

    Args:
        kind: What they are.
        entries: Name -> the sentence, and label -> line; empty lines are left out.

    Returns:
        The table.
    """
    table = Table(kind, "", box=None, header_style="bold", pad_edge=False)
    table.columns[0].min_width = 14
    table.columns[0].no_wrap = True
    for name, (sentence, lines) in entries.items():
        below = Table.grid(padding=(0, 1))
        below.add_column(style="dim", no_wrap=True)
        below.add_column()
        for label, line in lines.items():
            if line:
                below.add_row(label, Text(line, style="red" if label == "error" else ""))
        body = Group(Text(sentence), below, "") if below.row_count else Text(sentence)
        table.add_row(Text(name), body)
    return table


def plain_value(value: object) -> str:
    """Write a value as it is written on the command line: ``true``, ``none``, ``rms``.

    Example:
        >>> plain_value(True), plain_value(None), plain_value(0.01)
        ('true', 'none', '0.01')
    """
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def extra(name: str, library: str) -> dict[str, Any]:
    """Say whether an extra is installed, without importing what it installs.

    Args:
        name: Of the extra.
        library: Which it installs.

    Returns:
        ``extra``, its name, and ``installed``.

    Example:
        >>> extra("none", "no_such_library")
        {'extra': 'none', 'installed': False}
    """
    return {"extra": name, "installed": find_spec(library) is not None}


def extra_line(details: Mapping[str, Any]) -> str:
    """Write what `extra` found, with the way to get what is missing.

    Example:
        >>> extra_line({"extra": "hf", "installed": False})
        "hf, not installed: pip install 'paramsearch[hf]'"
    """
    name: str = details["extra"]
    return f"{name}, " + (
        "installed" if details["installed"] else f"not installed: pip install 'paramsearch[{name}]'"
    )
