"""``paramsearch solve``: the exponents at which the update probes stand still, in seconds."""

from pathlib import Path
from typing import Annotated

import typer

from paramsearch.cli.engine_options import Backend, By, Compile, Precision, Set, Yes, settings
from paramsearch.cli.failures import plain_failures
from paramsearch.cli.output import Json, errors, show
from paramsearch.cli.progress import shown
from paramsearch.cli.solve_table import open_lines, solve_line, solve_table
from paramsearch.cli.words import whole_numbers
from paramsearch.jobs.solve import solve


def command(
    arch: Annotated[str, typer.Argument(help="Architecture, by name or path.")],
    axis: Annotated[
        list[str], typer.Option(help="Axis along which the rule is to hold; may be repeated.")
    ] = ["width"],  # noqa: B006 - typer reads it
    optimizer: Annotated[str, typer.Option(help="Optimizer, by name or as module:Class.")] = "adam",
    task: Annotated[str | None, typer.Option(help="Task; default: the architecture's.")] = None,
    space: Annotated[str | None, typer.Option(help="Free exponents; default: as the axes.")] = None,
    by: By = "role",
    ratios: Annotated[str, typer.Option(help="Scales relative to the base.")] = "1,2,4",
    seeds: Annotated[int, typer.Option(help="Initial parameters per rule.")] = 6,
    steps: Annotated[
        int | None, typer.Option(help="Updates per run; default: until learning has begun.")
    ] = None,
    lr: Annotated[
        float | None, typer.Option(help="Learning rate at the base; default: half of its best.")
    ] = None,
    seed: Annotated[int, typer.Option(help="One seed, one result.")] = 0,
    device: Annotated[str, typer.Option(help="Device: cpu, cuda or cuda:N.")] = "cpu",
    out: Annotated[Path | None, typer.Option(help="Write the rule to this file.")] = None,
    blind: Annotated[
        bool, typer.Option("--blind", help="Name no published rule; solving never sees one.")
    ] = False,
    set_: Set = None,
    backend: Backend = "auto",
    precision: Precision = "float32",
    compile_: Compile = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Find exponents along an axis from short runs alone: a search's starting point."""
    with plain_failures():
        with shown(errors(), "rounds") as listen:
            result = solve(
                arch,
                axis=axis,
                optimizer=optimizer,
                task=task,
                space=space,
                by=by,
                ratios=whole_numbers("--ratios", ratios),
                seeds=seeds,
                steps=steps,
                lr=lr,
                seed=seed,
                device=device,
                blind=blind,
                options=settings(set_),
                backend=backend,
                precision=precision,
                compile=compile_,
                yes=yes,
                listen=listen,
            )
        if out is not None:
            result.rule.save(out)
        content = result.content
        tables = (solve_table(content), *open_lines(content), solve_line(content, out))
        show(content, as_json, *tables)
