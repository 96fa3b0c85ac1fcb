"""``paramsearch list``: the names that other commands understand."""

from collections.abc import Callable
from typing import Annotated

import typer

from paramsearch import catalog
from paramsearch.cli.failures import plain_failures
from paramsearch.cli.output import Json, show
from paramsearch.errors import unknown_name
from paramsearch.tasks.catalog import task_names
from paramsearch.train.optimizers import OPTIMIZERS

KINDS: dict[str, Callable[[], list[str]]] = {
    "archs": lambda: catalog.names("architecture"),
    "spaces": lambda: catalog.names("space"),
    "objectives": lambda: catalog.names("objective"),
    "rules": lambda: catalog.names("rule"),
    "optimizers": lambda: sorted(OPTIMIZERS),
    "tasks": task_names,
}


def command(
    kind: Annotated[str, typer.Argument(help=" | ".join(KINDS))],
    as_json: Json = False,
) -> None:
    """List what exists of one kind."""
    with plain_failures():
        if kind not in KINDS:
            raise unknown_name("kind", kind, KINDS)
        names = KINDS[kind]()
        show({kind: names}, as_json, *names)
