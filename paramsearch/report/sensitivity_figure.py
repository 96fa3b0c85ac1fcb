"""The picture of which exponents matter: what is lost when one is off by a quarter."""

# pyright: reportUnknownMemberType=false
# (matplotlib leaves the types of its keyword arguments open)

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, cast

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from paramsearch.report.canvas import INK, canvas, dress, headline, save
from paramsearch.report.schema import by_axis

_SIDES = {"below": ("#56b4e9", -0.19), "above": ("#e69f00", 0.19)}  # colour, place in the row
_LINEAR = 0.1  # score up to which the axis is linear; beyond, a decade takes as much room
_TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_QUANTITIES = {"lr": "LR"}
_LOST = {
    "score": "score lost",
    "loss": "log loss over the ratios searched; below 0 it is lower there",
}


class Size(TypedDict):
    """Mean and standard error of what is lost, or of what that is at least."""

    mean: float
    error: float
    estimated: bool


class Row(TypedDict):
    """One exponent, as ``summary.json`` holds it."""

    group: str
    quantity: str
    axis: str
    value: float
    offset: float
    below: Size | None
    above: Size | None
    matters: bool


def sensitivity_figure(summary: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Draw a pair of bars per exponent, the exponents that matter most on top; a panel per axis.

    Args:
        summary: With ``sensitivity`` (of several axes in ``along``), ``axis``, ``arch``, ``task``
            and ``optimizer``, as ``summary.json`` holds them; more keys do no harm.
        path: Where to; ends in .png, .svg or .pdf.

    Raises:
        ParamsearchError: The path has another ending, or its folder does not exist.
    """
    parts = list(by_axis(summary).values())
    panels = [cast(Sequence[Row], part["sensitivity"]) for part in parts]
    heights = [1.1 + 0.46 * max(len(rows), 2) for rows in panels]
    figure = canvas(8.6, 0.8 + sum(heights))
    grid = figure.add_gridspec(len(parts), 1, height_ratios=heights)
    for number, (part, rows) in enumerate(zip(parts, panels, strict=True)):
        axes = figure.add_subplot(grid[number])
        axes.set_xscale("symlog", linthresh=_LINEAR)
        for place, row in enumerate(rows):
            for side in _SIDES:
                _bar(axes, place, row, side)
        _frame(axes, rows, part.get("sensitivity_in", "score"))
    everything = [row for rows in panels for row in rows]
    count = sum(row["matters"] for row in everything)
    names = f"{summary['arch']} on {summary['task']}, {summary['optimizer']}"
    headline(figure, f"{names}: {count} of {len(everything)} exponents matter beyond the spread")
    save(figure, path)


def _bar(axes: Axes, place: int, row: Row, side: str) -> None:
    """Draw what one exponent costs on one side, with its standard error."""
    colour, shift = _SIDES[side]
    size = row["below"] if side == "below" else row["above"]
    if size is None:
        words: dict[str, Any] = {"fontsize": 7.5, "color": "#8a8a8a", "va": "center"}
        # From 0 in points: at a fixed value of x it could lie outside of the panel.
        at, beside = (0, place + shift), (4, 0)
        axes.annotate("not within the bounds", at, beside, textcoords="offset points", **words)
        return
    axes.barh(
        place + shift,
        size["mean"],
        height=0.34,
        color=colour,
        alpha=1.0 if row["matters"] else 0.45,
        xerr=size["error"],
        error_kw={"ecolor": INK, "elinewidth": 1.0, "capsize": 2.0},
    )


def _frame(axes: Axes, rows: Sequence[Row], lost: str) -> None:
    """Name the rows, and give the axis its ticks and room."""
    sizes = [size for row in rows for size in (row["below"], row["above"]) if size]
    high = max((size["mean"] + size["error"] for size in sizes), default=0.0)
    low = min((size["mean"] - size["error"] for size in sizes), default=0.0)
    reach = max(1.3 * high, -1.3 * low, 2 * _TICKS[0])
    left, right = min(1.3 * low, -0.15 * reach), max(1.3 * high, 0.3 * reach)
    axes.set_xlim(left, right)
    large = [t for t in _TICKS if t >= min(reach, _LINEAR) / 6]  # smaller ones would touch
    ticks = [t for t in (*(-t for t in large), 0, *large) if left <= t <= right]
    axes.set_xticks(ticks, minor=False)
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter(FuncFormatter(_plainly))
    axes.set_yticks(range(len(rows)), [_label(row) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    offsets = sorted({row["offset"] for row in rows})
    by = f"{offsets[0]:g}" if len(offsets) == 1 else "a quarter"
    for side, sign in (("below", "lower"), ("above", "higher")):
        axes.barh(0, 0, color=_SIDES[side][0], label=f"exponent {by} {sign}")
    unit = _LOST[lost]
    unit += f" (logarithmic beyond {_LINEAR:g})" * (high > _LINEAR)
    unit += ", estimated at the first stages" * any(size["estimated"] for size in sizes)
    dress(axes, "What is lost when one exponent is off, the others held", unit, "")
    axes.grid(False, axis="y")
    axes.axvline(0, color=INK, linewidth=1.0)
    axes.legend(fontsize=8.5, frameon=False, loc="lower right")


def _plainly(value: float, place: int | None) -> str:
    del place
    return f"{value:g}"


def _label(row: Row) -> str:
    quantity = _QUANTITIES.get(row["quantity"], row["quantity"].replace("_", " "))
    return f"{row['group']} {quantity} ∝ {row['axis']}^{row['value']:g}"
