"""Write a rule as YAML that a person would write: one line per quantity, nothing half-written."""

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from paramsearch.errors import ParamsearchError

WIDTH = 90
_LISTS = ("groups", "sites")


def rule_text(rule: Mapping[str, Any]) -> str:
    """Give the text of a rule file.

    Args:
        rule: The rule as plain data, without what is left at its default.

    Returns:
        YAML; reading it gives the same data.

    Example:
        >>> group = {"match": {"role": "hidden"}, "lr": {"width": -1.0}}
        >>> print(rule_text({"axes": ("width",), "groups": [group]}), end="")
        axes: [width]
        groups:
          - match: {role: hidden}
            lr: {width: -1}
    """
    lines = [_entry(key, value) for key, value in rule.items() if key not in _LISTS]
    for key in _LISTS:
        if key in rule:
            lines += [f"{key}:\n", *_listed(rule[key])]
    return "".join(lines)


def _listed(groups: Iterable[Mapping[str, Any]]) -> list[str]:
    lines: list[str] = []
    for group in groups:
        entries = "".join(_entry(key, value) for key, value in group.items()).splitlines(True)
        lines += ["  - " + entries[0], *("    " + entry for entry in entries[1:])]
    return lines


def _entry(key: str, value: Any) -> str:
    plain = _plain(value)
    if isinstance(plain, str):
        return yaml.safe_dump({key: plain}, allow_unicode=True, width=WIDTH)
    flow = yaml.safe_dump(plain, default_flow_style=True, sort_keys=False, width=10**6)
    return f"{key}: {flow.removesuffix('...' + chr(10)).rstrip()}\n"


def _plain(value: Any) -> Any:
    """Turn tuples into lists and whole floats into integers, which YAML prints without a point."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}  # pyright: ignore
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]  # pyright: ignore
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there either whole or not at all.

    Args:
        path: Where; missing folders are made.
        text: What, written as UTF-8.

    Raises:
        ParamsearchError: It cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ParamsearchError(f"{path}: cannot be written: {error}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
