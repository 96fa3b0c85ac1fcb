"""``paramsearch verify``: prove a rule at scales that the search never saw."""

from pathlib import Path
from typing import Annotated

import typer

from paramsearch.cli.engine_options import (
    Backend,
    Command,
    CommandTimeout,
    Compile,
    Jobs,
    Precision,
    Set,
    Yes,
    settings,
)
from paramsearch.cli.failures import plain_failures
from paramsearch.cli.output import Json, errors, show
from paramsearch.cli.progress import shown
from paramsearch.cli.tables import certificate_table
from paramsearch.cli.words import axis_sizes, whole_numbers, words
from paramsearch.jobs.verify import verify
from paramsearch.train.recipe import Engine


def command(
    target: Annotated[str, typer.Argument(help="Run folder, or rule by name or path.")],
    scales: Annotated[str, typer.Option(help="Held-out sizes, for instance 512,1024.")],
    baselines: Annotated[
        str, typer.Option(help="Rules to compare with, by name or path.")
    ] = "sp,mup",
    arch: Annotated[str | None, typer.Option(help="Architecture; default: the run's.")] = None,
    axis: Annotated[
        str | None, typer.Option(help="Axis, or width=ARGUMENT; default: the run's or rule's.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="Task; default: the run's or architecture's.")
    ] = None,
    objective: Annotated[str | None, typer.Option(help="Objective; default: the run's.")] = None,
    seeds: Annotated[int, typer.Option(help="Runs per rule and learning rate.")] = 3,
    seed: Annotated[int, typer.Option(help="One seed, one result.")] = 0,
    device: Annotated[str, typer.Option(help="Device: cpu, cuda or cuda:N.")] = "cpu",
    out: Annotated[
        Path | None, typer.Option(help="Folder; default: the run's, or a new one.")
    ] = None,
    with_: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="AXIS=SIZE",
            help="Size of another axis at every scale beyond the base; may be repeated.",
        ),
    ] = None,
    allow_searched: Annotated[
        bool, typer.Option("--allow-searched", help="Accept scales of the search.")
    ] = False,
    dense_lr: Annotated[
        bool, typer.Option("--dense-lr", help="A full grid of learning rates at every scale.")
    ] = False,
    set_: Set = None,
    backend: Backend = "auto",
    precision: Precision = "float32",
    compile_: Compile = None,
    command_: Command = None,
    command_timeout: CommandTimeout = None,
    jobs: Jobs = 1,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Compare a rule with baselines at held-out scales; exit code 1 when the verdict fails."""
    with plain_failures():
        sizes = whole_numbers("--scales", scales)
        console = errors()
        with shown(console, "scales") as listen:
            result = verify(
                target,
                sizes,
                words(baselines),
                arch=arch,
                axis=axis,
                task=task,
                objective=objective,
                seeds=seeds,
                seed=seed,
                device=device,
                out=out,
                held=axis_sizes("--with", with_),
                allow_searched=allow_searched,
                dense=dense_lr,
                options=settings(set_),
                engine=Engine(backend, precision, compile_),
                command=command_,
                command_timeout=command_timeout,
                jobs=jobs,
                yes=yes,
                listen=listen,
            )
        content = {**result.certificate, "folder": str(result.folder)}
        files = f"certificate.json, certificate.png in {result.folder}"
        show(content, as_json, certificate_table(result.certificate), result.sentence, files)
    raise typer.Exit(0 if result.passed else 1)
