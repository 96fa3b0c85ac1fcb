"""``paramsearch trace``: the tensors of a model, their roles and groups."""

from pathlib import Path
from typing import Annotated

import typer

from paramsearch.cli.dot import dot_text
from paramsearch.cli.engine_options import Set, settings
from paramsearch.cli.failures import plain_failures
from paramsearch.cli.output import Json, show
from paramsearch.cli.trace_table import render_trace
from paramsearch.discovery.files import write_text
from paramsearch.discovery.folder import check_file
from paramsearch.jobs.checks import check_axis, from_file
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import load_arch
from paramsearch.tracing.trace import trace


def command(
    arch: Annotated[str, typer.Argument(help="Architecture, by name or path.")],
    axis: Annotated[str | None, typer.Option(help="An axis that must scale something.")] = None,
    task: Annotated[str | None, typer.Option(help="Task; default: the architecture's.")] = None,
    dot: Annotated[
        Path | None, typer.Option(help="Also write the graph for Graphviz to this file.")
    ] = None,
    set_: Set = None,
    as_json: Json = False,
) -> None:
    """Trace a model into a graph of parameter tensors, and group them."""
    with plain_failures():
        model = load_arch(arch, settings(set_))
        if axis is not None:
            model = check_axis(model, axis)
        if dot is not None:
            check_file("--dot", dot)
        with from_file(arch):
            traced = trace(model, axis=axis, task=load_task(task or model.task))
        if dot is not None:
            dot.parent.mkdir(parents=True, exist_ok=True)
            write_text(dot, dot_text(traced))
        show(traced.to_json(), as_json, render_trace(traced))
