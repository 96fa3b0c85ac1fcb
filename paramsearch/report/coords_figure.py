"""The picture of a coordinate check: per layer, the size of its output and change over scales."""

# pyright: reportUnknownMemberType=false
# (matplotlib leaves the types of its keyword arguments open)

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MultipleLocator, NullLocator

from paramsearch.report.canvas import GUIDE, INK, Colour, canvas, colours, dress, headline, save
from paramsearch.report.curves import Curve, draw
from paramsearch.report.schema import Seeds, Verdict

_ACROSS = 4  # panels in a row at most
_LEAST = 1.2  # octaves that a panel shows at least, either side: flat should look flat


class SlopeJson(TypedDict):
    """A slope and its standard error; ``None`` where it cannot be told."""

    slope: float | None
    spread: float | None


class LayerJson(TypedDict):
    """One layer; ``size`` is (scales, steps + 1, seeds), ``change`` (scales, steps, seeds)."""

    name: str
    role: str
    size: list[list[Seeds]]
    change: list[list[Seeds]]
    start: SlopeJson
    moves: list[SlopeJson]
    word: str


class CoordsJson(TypedDict):
    """The part of what ``probe coords --json`` prints that is drawn."""

    arch: str
    task: str
    axis: str
    rule: str
    optimizer: str
    lr: float
    steps: int
    scales: list[int]
    layers: list[LayerJson]
    verdict: Verdict


def coords_figure(content: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Draw a panel per layer: a line for its output at the start, and one for its change per step.

    Args:
        content: A ``CoordsJson``; more keys do no harm.
        path: Where to; ends in .png, .svg or .pdf.

    Raises:
        ParamsearchError: The path has another ending, or its folder does not exist.
    """
    data = cast(CoordsJson, content)
    count = len(data["layers"])
    across = min(count, _ACROSS)
    down = math.ceil(count / across)
    figure = canvas(max(3.1 * across, 6.4), 2.5 * down + 1.3)
    palette = colours(range(1, data["steps"] + 1))
    for place, layer in enumerate(data["layers"]):
        axes = figure.add_subplot(down, across, place + 1)
        _panel(axes, data, layer, palette)
        axes.set_xlabel(data["axis"] if place >= count - across else "", fontsize=9.5)
        axes.set_ylabel("root mean square" if place % across == 0 else "", fontsize=9.5)
    _legend(figure, data, palette)
    headline(figure, data["verdict"]["sentence"], INK if data["verdict"]["passed"] else GUIDE)
    save(figure, path)


def _panel(axes: Axes, data: CoordsJson, layer: LayerJson, palette: Mapping[int, Colour]) -> None:
    scales = data["scales"]
    axes.set_xscale("log", base=2)
    curves = [_log2(scales, [steps[0] for steps in layer["size"]])]
    draw(axes, curves[0], INK, "start")
    for step, colour in palette.items():
        curves.append(_log2(scales, [steps[step - 1] for steps in layer["change"]]))
        draw(axes, curves[-1], colour, str(step))
    dress(axes, "", "", "")
    wrong = layer["word"] not in ("flat", "none")
    title = f"{layer['name']}\n{_slopes(layer)}"
    axes.set_title(title, fontsize=9.5, color=GUIDE if wrong else INK, loc="left")
    axes.set_xticks(scales, [str(scale) for scale in scales])
    axes.xaxis.set_minor_locator(NullLocator())
    _limits(axes, curves)


def _log2(scales: Sequence[int], per_seed: Sequence[Seeds]) -> Curve:
    """Give a curve of log2 values; what is 0 or diverged is left out."""
    logs = [[math.log2(v) if v else None for v in seeds] for seeds in per_seed]
    return Curve.of(scales, logs)


def _slopes(layer: LayerJson) -> str:
    start, last = layer["start"]["slope"], layer["moves"][-1]["slope"]
    cells = ["none" if s is None else f"{round(s, 2) + 0.0:+.2f}" for s in (start, last)]
    return f"slope: start {cells[0]}, change {cells[1]}"


def _limits(axes: Axes, curves: Sequence[Curve]) -> None:
    """Show whole octaves, and enough of them that what is flat looks flat."""
    values = np.concatenate([curve.mean for curve in curves])
    values = values[np.isfinite(values)]
    if len(values):
        middle = (values.max() + values.min()) / 2
        half = max((values.max() - values.min()) / 2 + 0.6, _LEAST)
        axes.set_ylim(middle - half, middle + half)
        axes.yaxis.set_major_locator(MultipleLocator(max(1, round(half / 2.5))))
    axes.yaxis.set_major_formatter(FuncFormatter(_power))


def _power(value: float, position: int | None) -> str:
    return f"$2^{{{value:g}}}$"


def _legend(figure: Figure, data: CoordsJson, palette: Mapping[int, Colour]) -> None:
    words = {"output at the start": INK, "change of the output after 1 step": palette[1]}
    words |= {str(step): colour for step, colour in palette.items() if step > 1}
    lines = [Line2D([], [], color=c, marker=".", label=word) for word, c in words.items()]
    title = f"{data['arch']} on {data['task']}, {data['optimizer']} at learning rate {data['lr']:g}"
    figure.legend(
        handles=lines,
        title=title,
        loc="outside lower center",
        ncols=min(len(lines), 6),
        frameon=False,
        fontsize=9,
        title_fontsize=9,
    )
