"""The picture of a search: curves under the start rule above those under the found rule."""

# pyright: reportUnknownMemberType=false
# (matplotlib leaves the types of its keyword arguments open)

import os
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from paramsearch.report.canvas import INK, Colour, canvas, colours, dress, headline, save
from paramsearch.report.curves import Curve, draw, frame, lr_panel, plain_log
from paramsearch.report.schema import Candidate, ScaleCurves, SearchSummary
from paramsearch.score.curve import optimum
from paramsearch.score.stage import WHOLE

NEAR = 8.0
"""Multiple of the best score up to which others are in the picture."""


def search_figure(summary: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Draw loss and critical sharpness per scale before and after, and the score over the trials.

    Sharpness has no panels where it was not measured.

    Args:
        summary: A ``SearchSummary``, as ``summary.json`` holds it; more keys do no harm.
        path: Where to; ends in .png, .svg or .pdf.

    Raises:
        ParamsearchError: The path has another ending, or its folder does not exist.
    """
    data = cast(SearchSummary, summary)
    both = {"Start rule": data["curves"]["start"], "Found rule": data["curves"]["found"]}
    palette = colours([cell["scale"] for cells in both.values() for cell in cells])
    sharp = any(cell["sharpness"] for cells in both.values() for cell in cells)
    figure = canvas(14 if sharp else 10, 7.4)
    layout, widths = ("LSH\nlsH", [1.15, 1.0, 0.8]) if sharp else ("LH\nlH", [1.15, 0.8])
    panels = figure.subplot_mosaic(layout, width_ratios=widths)
    for (name, cells), (left, middle) in zip(both.items(), ("LS", "ls"), strict=True):
        _losses(panels[left], name, cells, data["base"]["optimum"], palette)
        if sharp:
            _sharpness(panels[middle], name, cells, palette)
    for upper, lower in ("Ll", "Ss") if sharp else ("Ll",):
        panels[lower].sharex(panels[upper])
        panels[lower].sharey(panels[upper])
    frame(panels["L"], [_loss(cell) for cells in both.values() for cell in cells])
    for key in "LlSs" if sharp else "Ll":
        plain_log(panels[key])
    parts = {"proposals": data["candidates"], "climb and polish, other seeds": data["polished"]}
    # Behind the solver the climb comes first.
    order = parts if data["solution"] is None else reversed(parts)
    _history(panels["H"], {name: parts[name] for name in order if parts[name]})
    panels["L"].legend(title=data["axis"], fontsize=8.5, title_fontsize=9, frameon=False)
    names = f"{data['arch']} on {data['task']}, {data['optimizer']}, scaled in {data['axis']}"
    headline(figure, f"{names}: under a good rule the curves of all scales coincide")
    save(figure, path)


def _loss(cell: ScaleCurves) -> Curve:
    return Curve.of(cell["lrs"], cell["losses"])


def _losses(
    axes: Axes,
    name: str,
    cells: Sequence[ScaleCurves],
    base_lr: float,
    palette: Mapping[int, Colour],
) -> None:
    curves = {cell["scale"]: _loss(cell) for cell in cells}
    optima = {cell["scale"]: _optimum(cell) for cell in cells}
    lr_panel(axes, curves, optima, base_lr, palette)
    found = [np.log2(lr) for lr in optima.values() if lr is not None]
    told = f": the best LR drifts {max(found) - min(found):.2f} octaves" if found else ""
    if all(len(cell["lrs"]) == 1 for cell in cells):
        told = ": loss at the base's best LR on the grid"
    dress(axes, f"{name}{told}", "base learning rate", "loss at the end")


def _optimum(cell: ScaleCurves) -> float | None:
    best = optimum(cell["lrs"], np.array(cell["losses"], dtype=float))  # None becomes nan
    return None if best is None else best.lr


def _sharpness(
    axes: Axes, name: str, cells: Sequence[ScaleCurves], palette: Mapping[int, Colour]
) -> None:
    axes.set_yscale("log")
    for cell in sorted(cells, key=lambda cell: cell["scale"]):
        curve = Curve.of(cell["sharpness_steps"], cell["sharpness"])
        draw(axes, curve, palette[cell["scale"]], str(cell["scale"]))
    dress(axes, f"{name}: sharpness along the update", "step", r"critical sharpness 2/$\eta_c$")


def _history(axes: Axes, parts: Mapping[str, Sequence[Candidate]]) -> None:
    """Scores in order, pale where they are bounds or estimates; a line for the best so far.

    The line begins anew with each part, whose seeds are others.
    """
    dress(axes, "Best score so far: lower is better", "candidate", "score")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    best: list[float] = []
    before = 0
    for number, (name, rows) in enumerate(parts.items()):
        best += _drawn(axes, rows, 1 + before)
        if before:
            axes.axvline(before + 0.5, color=INK, linewidth=0.8, linestyle=":")
        words: dict[str, Any] = {"ha": "left", "va": "top", "fontsize": 8.5, "color": INK}
        place, frame_of = (before + 0.5, 1.0), axes.get_xaxis_transform()
        axes.annotate(
            name, place, (4, -3 - 12 * number), frame_of, textcoords="offset points", **words
        )
        before += len(rows)
    if not best:
        return
    low, high = min(best), max(best)
    if low <= 0:
        room = 0.1 * (high - low) + 1e-3
        axes.set_ylim(low - room, high + 2 * room)
        return
    # Candidates that diverged score far above; what one wants to see is near the line.
    every = [row["score"] for rows in parts.values() for row in rows]
    near = [score for score in every if low <= score <= NEAR * low]
    high = max(high, *near)
    room = (high / low) ** 0.1 * 1.05
    axes.set_yscale("log")
    axes.set_ylim(low / room, high * room)
    plain_log(axes)


def _drawn(axes: Axes, candidates: Sequence[Candidate], first: int) -> list[float]:
    """Draw the scores of a part of the search; gives the best ones on the way."""
    rows = list(enumerate(candidates, first))
    partial = [(at, row["score"]) for at, row in rows if row["stage"] != WHOLE]
    whole = [(at, row["score"]) for at, row in rows if row["stage"] == WHOLE]
    for some, colour in ((partial, "#d9d9d9"), (whole, "#8f8f8f")):
        if some:
            axes.plot(*zip(*some, strict=True), ".", color=colour, ms=5)
    if not whole:
        return []
    best = list(accumulate((score for _, score in whole), min))
    ends = [at for at, _ in whole] + [rows[-1][0]]
    axes.step(ends, [*best, best[-1]], where="post", color=INK, linewidth=1.7)
    axes.plot(ends[-1], best[-1], "o", color=INK, ms=6)
    place: dict[str, Any] = {"textcoords": "offset points", "ha": "right", "color": INK}
    axes.annotate(f"{best[-1]:.3g}", (ends[-1], best[-1]), (0, -16), **place)
    return best
