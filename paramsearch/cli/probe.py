"""``paramsearch probe``: measure a model under a rule, one measurement a command."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from paramsearch.cli.engine_options import Backend, Precision, Set, settings
from paramsearch.cli.failures import plain_failures
from paramsearch.cli.output import Json, errors, show
from paramsearch.cli.progress import shown
from paramsearch.cli.words import whole_numbers
from paramsearch.jobs.coords import check_coordinates
from paramsearch.train.recipe import Engine

app = typer.Typer(no_args_is_help=True, help="Measure a model under a rule.")

EXPECTED = (
    "Flat: a slope within {tolerance:g} of 0. A readout that shrinks at the start is expected "
    "under muP, where it starts near 0; what counts is how far it moves."
)


@app.command("coords")
def coords(
    arch: Annotated[str, typer.Argument(help="Architecture, by name or path.")],
    rule: Annotated[str, typer.Option(help="Rule by name or path, or run folder.")] = "mup",
    axis: Annotated[str | None, typer.Option(help="Axis; default: the rule's only one.")] = None,
    scales: Annotated[
        str | None, typer.Option(help="Sizes, as in 32,64,128; default: 1, 2, 4, 8 x base.")
    ] = None,
    steps: Annotated[int, typer.Option(help="Updates.")] = 4,
    lr: Annotated[
        float | None, typer.Option(help="Base learning rate; default: 0.001, and 0.1 for SGD.")
    ] = None,
    optimizer: Annotated[
        str | None, typer.Option(help="Form of a published rule; default: the rule's own.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Task; default: the architecture's.")] = None,
    seeds: Annotated[int, typer.Option(help="Training runs per scale.")] = 4,
    seed: Annotated[int, typer.Option(help="One seed, one result.")] = 0,
    device: Annotated[str, typer.Option(help="Device: cpu, cuda or cuda:N.")] = "cpu",
    out: Annotated[Path | None, typer.Option(help="Picture: .png, .svg or .pdf.")] = None,
    set_: Set = None,
    backend: Backend = "auto",
    precision: Precision = "float32",
    as_json: Json = False,
) -> None:
    """Coordinate check: sizes of outputs and updates by scale; exit code 1 when one is not flat."""
    with plain_failures():
        with shown(errors(), "scales") as listen:
            result = check_coordinates(
                arch,
                rule,
                axis=axis,
                scales=None if scales is None else whole_numbers("--scales", scales),
                steps=steps,
                lr=lr,
                optimizer=optimizer,
                task=task,
                seeds=seeds,
                seed=seed,
                device=device,
                options=settings(set_),
                engine=Engine(backend, precision),
                out=out,
                listen=listen,
            )
        lines = [
            EXPECTED.format(**result.content),
            result.sentence,
            *([f"picture in {out}"] if out else []),
        ]
        show(result.content, as_json, coords_table(result.content), *lines)
    raise typer.Exit(0 if result.passed else 1)


def coords_table(content: Mapping[str, Any]) -> Table:
    """Give the slopes of every layer, at the start and after the first and the last step.

    Args:
        content: As ``probe coords --json`` prints it.
    """
    steps, scales = content["steps"], content["scales"]
    title = f"{content['rule']} on {content['arch']}, {content['optimizer']} at {content['lr']:g}: "
    title += f"log-log slopes over {content['axis']} {scales[0]} to {scales[-1]}"
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    table.add_column("layer", overflow="fold")
    heads = ["output\nat start", "change,\n1 step"]
    heads += [f"change,\n{steps} steps"] * (steps > 1)
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    styles = {"flat": "green", "none": "dim"}
    for layer in content["layers"]:
        slopes = [layer["start"], layer["moves"][0], layer["moves"][-1]][: len(heads)]
        word = "fixed" if layer["word"] == "none" else layer["word"]
        verdict = Text(word, style=styles.get(layer["word"], "red"))
        table.add_row(Text(layer["name"]), *map(_slope, slopes), verdict)
    return table


def _slope(slope: Mapping[str, float | None]) -> str:
    value = slope["slope"]
    if value is None:
        return "none"
    return f"{round(value, 2) + 0.0:+.2f} ± {slope['spread']:.2f}"  # without a negative zero
