"""``paramsearch list``: the names that other commands understand."""

import ast
from collections.abc import Callable
from typing import Annotated, Any, cast

import typer
import yaml
from rich.table import Table

from paramsearch import catalog
from paramsearch.cli.failures import plain_failures
from paramsearch.cli.output import Json, in_terminal, show
from paramsearch.errors import unknown_name
from paramsearch.tasks.catalog import described_tasks
from paramsearch.train.optimizers.table import OPTIMIZERS


def _of_files(kind: str) -> dict[str, str]:
    return {name: _first_sentence(kind, name) for name in catalog.names(kind)}


def _first_sentence(kind: str, name: str) -> str:
    path = catalog.find(kind, name)
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return _line(ast.get_docstring(ast.parse(text)))
    content = cast(dict[str, Any], yaml.safe_load(text))
    optimizer = f"[{content['optimizer']}] " if "optimizer" in content else ""
    return optimizer + _line(content.get("description"))


def _line(text: str | None) -> str:
    """Give the first sentence of a text."""
    return " ".join((text or "").split()).split(". ")[0].rstrip(".")


KINDS: dict[str, Callable[[], dict[str, str]]] = {
    "archs": lambda: _of_files("architecture"),
    "spaces": lambda: _of_files("space"),
    "objectives": lambda: _of_files("objective"),
    "rules": lambda: _of_files("rule"),
    "optimizers": lambda: dict.fromkeys(sorted(OPTIMIZERS), ""),
    "tasks": lambda: {name: _line(text) for name, text in described_tasks().items()},
}


def command(
    kind: Annotated[str | None, typer.Argument(help=f"{' | '.join(KINDS)}; default: all.")] = None,
    as_json: Json = False,
) -> None:
    """List what exists: names, and in a terminal what they stand for."""
    with plain_failures():
        if kind is not None and kind not in KINDS:
            raise unknown_name("kind", kind, KINDS)
        found = {name: KINDS[name]() for name in ([kind] if kind else KINDS)}
        names = {name: list(entries) for name, entries in found.items()}
        if in_terminal():
            show(names, as_json, *[_table(name, entries) for name, entries in found.items()])
        elif kind:
            show(names, as_json, *names[kind])
        else:
            show(names, as_json, *[f"{k} {name}" for k, some in names.items() for name in some])


def _table(kind: str, entries: dict[str, str]) -> Table:
    table = Table(kind, "", box=None, header_style="bold", pad_edge=False)
    table.columns[0].no_wrap = True
    table.columns[0].min_width = 14
    for name, words in entries.items():
        table.add_row(name, words.replace("[", r"\["), style="")
    return table
