"""``paramsearch list``: the names that other commands understand, and what they stand for."""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast

import typer
import yaml
from rich.table import Table

from paramsearch import catalog
from paramsearch.cli.failures import plain_failures
from paramsearch.cli.list_archs import adapters, arch_details, arch_lines
from paramsearch.cli.list_tasks import task_details, task_lines
from paramsearch.cli.list_text import blocks, first_sentence
from paramsearch.cli.output import Json, in_terminal, show
from paramsearch.errors import unknown_name
from paramsearch.tasks.catalog import described_tasks
from paramsearch.train.optimizers.table import OPTIMIZERS

Details = Mapping[str, Mapping[str, Any]]


def _nothing() -> Details:
    return {}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of thing that has names.

    Attributes:
        sentences: Gives name -> what it is; quick.
        details: Gives name -> more about it, as JSON-able values; may build models.
        lines: Lays out one thing's details: label -> line.
    """

    sentences: Callable[[], Mapping[str, str]]
    details: Callable[[], Details] = _nothing
    lines: Callable[[Mapping[str, Any]], Mapping[str, str]] = lambda _: {}


def _of_files(kind: str) -> dict[str, str]:
    return {name: _of_file(kind, name) for name in catalog.names(kind)}


def _of_file(kind: str, name: str) -> str:
    path = catalog.find(kind, name)
    text = path.read_text(encoding="utf-8")
    try:
        if path.suffix == ".py":
            return first_sentence(ast.get_docstring(ast.parse(text)))
        content = cast(dict[str, Any], yaml.safe_load(text))
    except (SyntaxError, yaml.YAMLError):
        return "cannot be read"
    optimizer = f"[{content['optimizer']}] " if "optimizer" in content else ""
    return optimizer + first_sentence(content.get("description"))


KINDS = {
    "archs": Kind(lambda: {**_of_files("architecture"), **adapters()}, arch_details, arch_lines),
    "spaces": Kind(lambda: _of_files("space")),
    "objectives": Kind(lambda: _of_files("objective")),
    "rules": Kind(lambda: _of_files("rule")),
    "optimizers": Kind(lambda: dict.fromkeys(sorted(OPTIMIZERS), "")),
    "tasks": Kind(
        lambda: {name: first_sentence(text) for name, text in described_tasks().items()},
        task_details,
        task_lines,
    ),
}


def command(
    kind: Annotated[str | None, typer.Argument(help=f"{' | '.join(KINDS)}; default: all.")] = None,
    as_json: Json = False,
) -> None:
    """List what exists: names, and in a terminal what they stand for."""
    with plain_failures():
        if kind is not None and kind not in KINDS:
            raise unknown_name("kind", kind, KINDS)
        found = {name: KINDS[name].sentences() for name in ([kind] if kind else KINDS)}
        names = {name: list(entries) for name, entries in found.items()}
        if kind and as_json:
            show({**names, "about": _about(found[kind], KINDS[kind].details())}, True)
        elif in_terminal():
            details = KINDS[kind].details() if kind else _nothing()
            show(names, as_json, *[_table(name, found[name], details) for name in found])
        elif kind:
            show(names, as_json, *names[kind])
        else:
            show(names, as_json, *[f"{k} {name}" for k, some in names.items() for name in some])


def _about(sentences: Mapping[str, str], details: Details) -> dict[str, dict[str, Any]]:
    return {
        name: {"description": sentence, **details.get(name, {})}
        for name, sentence in sentences.items()
    }


def _table(kind: str, sentences: Mapping[str, str], details: Details) -> Table:
    lines = {name: KINDS[kind].lines(found) for name, found in details.items()}
    return blocks(kind, {name: (text, lines.get(name, {})) for name, text in sentences.items()})
