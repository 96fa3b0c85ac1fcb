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
from paramsearch.errors import ParamsearchError, unknown_name
from paramsearch.jobs.checks import check_axis, from_file
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import load_arch
from paramsearch.tracing.axes import declared
from paramsearch.tracing.trace import GRANULARITIES, trace


def command(
    arch: Annotated[str, typer.Argument(help="Architecture, by name, path or module:function.")],
    axis: Annotated[
        str | None,
        typer.Option(
            help="Axis that must scale something, batch or steps; width=ARGUMENT declares one."
        ),
    ] = None,
    task: Annotated[str | None, typer.Option(help="Task; default: the architecture's.")] = None,
    by: Annotated[str, typer.Option(help="Groups to show: role, module or tensor.")] = "role",
    dot: Annotated[
        Path | None, typer.Option(help="Also write the graph for Graphviz to this file.")
    ] = None,
    png: Annotated[
        Path | None, typer.Option(help="Also draw the graph to this file, .png, .svg or .pdf.")
    ] = None,
    set_: Set = None,
    as_json: Json = False,
) -> None:
    """Trace a model into a graph of parameter tensors, and group them."""
    with plain_failures():
        if by not in GRANULARITIES:
            raise unknown_name("--by", by, GRANULARITIES)
        names, declaring = declared(axis) if axis is not None else ("", {})
        model = load_arch(arch, {**(settings(set_) or {}), **declaring})
        axes = [name for name in names.split(",") if name]
        for name in axes:
            model = check_axis(model, name, task or model.task, steps=1)
        for option, file in (("--dot", dot), ("--png", png)):
            if file is not None:
                check_file(option, file)
        if png is not None:
            _check_picture(png)
        with from_file(arch):
            loaded = load_task(task or model.task)
            traced = [trace(model, axis=name, task=loaded) for name in axes or [None]][-1]
        if dot is not None:
            dot.parent.mkdir(parents=True, exist_ok=True)
            write_text(dot, dot_text(traced))
        if png is not None:
            from paramsearch.report.trace_figure import trace_figure  # matplotlib is slow to import

            png.parent.mkdir(parents=True, exist_ok=True)
            trace_figure(traced, png)
        where = ", ".join(str(file) for file in (dot, png) if file is not None)
        drawn = [f"graph in {where}"] if where else []
        show(traced.to_json(), as_json, render_trace(traced, by), *drawn)


def _check_picture(path: Path) -> None:
    from paramsearch.report.canvas import SUFFIXES  # matplotlib is slow to import

    if path.suffix not in SUFFIXES:
        raise ParamsearchError(
            f"--png: received '{path}'; allowed: a file that ends in {', '.join(SUFFIXES)}"
        )
