"""Where words go: one JSON object or a table on stdout, everything else on stderr."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType

from paramsearch.discovery.files import plain

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


def errors() -> Console:
    """Give the console for everything that is not the result."""
    return Console(stderr=True)


def in_terminal() -> bool:
    """Say whether people read stdout, not a pipe or a file."""
    return Console().is_terminal


def show(result: Mapping[str, Any], as_json: bool, *tables: RenderableType) -> None:
    """Print a result.

    Args:
        result: The result as data, for ``--json``.
        as_json: Whether it was asked for.
        tables: The result for people.

    Example:
        >>> show({"loss": float("inf")}, True)
        {"loss": null}
    """
    if as_json:
        typer.echo(json.dumps(plain(result), allow_nan=False))
        return
    console = Console()
    for table in tables:
        text = isinstance(table, str)
        # a pipe gets sentences and names as they are, and breaks lines as it likes
        whole = text and not console.is_terminal
        console.print(table, soft_wrap=whole, markup=not text, highlight=not text)
