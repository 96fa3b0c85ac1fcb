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
        # sentences and names as they are: a reader, or a pipe, breaks lines as it likes
        text = isinstance(table, str)
        console.print(table, soft_wrap=text, markup=not text, highlight=not text)
