"""``paramsearch export``: a rule in another form or gauge."""

from pathlib import Path
from typing import Annotated

import typer

from paramsearch.cli.engine_options import Set, settings
from paramsearch.cli.failures import plain_failures
from paramsearch.cli.output import Json
from paramsearch.discovery.files import write_text
from paramsearch.discovery.folder import check_file
from paramsearch.jobs.export import export


def command(
    target: Annotated[str, typer.Argument(help="Run folder, or rule by name or path.")],
    to: Annotated[
        str, typer.Option(help="Form: yaml, json, markdown, python, mup or optax.")
    ] = "yaml",
    gauge: Annotated[
        str | None,
        typer.Option(help="no-multipliers or unit-init; default: as the rule is written."),
    ] = None,
    optimizer: Annotated[
        str | None, typer.Option(help="Form of a published rule: sgd, adam or adamw.")
    ] = None,
    arch: Annotated[
        str | None,
        typer.Option(help="Architecture for python, mup and optax; default: the run's."),
    ] = None,
    axis: Annotated[
        str | None, typer.Option(help="The one axis to speak of; default: all of the rule.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="Task; default: the run's or architecture's.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File; default: stdout.")] = None,
    set_: Set = None,
    as_json: Json = False,
) -> None:
    """Write a rule in another form, or in another gauge: the same training runs, other numbers."""
    with plain_failures():
        if out is not None:
            check_file("--out", out)
        text = export(
            target,
            "json" if as_json else to,
            gauge=gauge,
            optimizer=optimizer,
            arch=arch,
            options=settings(set_),
            axis=axis,
            task=task,
        )
        if out is None:
            typer.echo(text, nl=False)
            return
        out.parent.mkdir(parents=True, exist_ok=True)
        write_text(out, text)
        typer.echo(f"wrote {out}", err=True)
