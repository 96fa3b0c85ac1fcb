"""``paramsearch search``: discover a parameterization."""

from pathlib import Path
from typing import Annotated

import typer

from paramsearch.cli.engine_options import (
    Backend,
    By,
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
from paramsearch.cli.tables import search_line, search_table
from paramsearch.jobs.search import search


def command(
    arch: Annotated[str, typer.Argument(help="Architecture, by name or path.")],
    axis: Annotated[
        str,
        typer.Option(
            help="Axis of the rule, also batch or steps; or several, width,depth. "
            "width=ARGUMENT declares one."
        ),
    ] = "width",
    optimizer: Annotated[str, typer.Option(help="Optimizer, by name or as module:Class.")] = "adam",
    task: Annotated[str | None, typer.Option(help="Task; default: the architecture's.")] = None,
    space: Annotated[str | None, typer.Option(help="Free exponents; default: as the axis.")] = None,
    by: By = "role",
    objective: Annotated[
        str | None, typer.Option(help="Objective; default: transfer, or losses.")
    ] = None,
    budget: Annotated[
        str, typer.Option(help="Candidates to propose; or all to spend: 2e6steps, 90s, 5min, 1h.")
    ] = "96",
    seed: Annotated[int, typer.Option(help="One seed, one result.")] = 0,
    device: Annotated[str, typer.Option(help="Device: cpu, cuda or cuda:N.")] = "cpu",
    out: Annotated[Path | None, typer.Option(help="Run folder; default: a new runs/NAME.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in the folder.")
    ] = False,
    blind: Annotated[bool, typer.Option("--blind", help="See no published rule.")] = False,
    suggest: Annotated[
        list[str] | None, typer.Option(help="Rule to try first, by name or path; may be repeated.")
    ] = None,
    prefer: Annotated[
        str | None,
        typer.Option(help="limit: features learn at every scale; or loss, the lowest found."),
    ] = None,
    target_ratio: Annotated[
        float | None, typer.Option(help="Ratio up to which the rule must hold; default: 256.")
    ] = None,
    sampler: Annotated[str, typer.Option(help="Sampler, by nevergrad's name.")] = "LargeDiagCMA",
    patience: Annotated[
        int | None,
        typer.Option(help="Generations without a better candidate before the sampler stops."),
    ] = None,
    solve: Annotated[
        bool, typer.Option("--solve/--no-solve", help="Start where the update probes point.")
    ] = True,
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
    """Discover, by experiment, the rule that keeps hyperparameters right along an axis."""
    with plain_failures():
        console = errors()
        with shown(console, "trials") as listen:
            result = search(
                arch,
                axis=axis,
                optimizer=optimizer,
                task=task,
                space=space,
                by=by,
                objective=objective,
                budget=budget,
                seed=seed,
                device=device,
                out=out,
                resume=resume,
                blind=blind,
                suggest=suggest or (),
                prefer=prefer,
                target_ratio=target_ratio,
                sampler=sampler,
                patience=patience,
                solve=solve,
                options=settings(set_),
                backend=backend,
                precision=precision,
                compile=compile_,
                command=command_,
                command_timeout=command_timeout,
                jobs=jobs,
                yes=yes,
                listen=listen,
            )
        content = {**result.summary, "timing": result.timing, "folder": str(result.folder)}
        show(
            content,
            as_json,
            search_table(result.summary),
            search_line(result.summary, result.folder),
        )
