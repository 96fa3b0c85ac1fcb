"""The picture of two honest answers: transferred loss against limit behaviour, and the front."""

# pyright: reportUnknownMemberType=false
# (matplotlib leaves the types of its keyword arguments open)

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, cast

import numpy as np
from matplotlib.axes import Axes

from paramsearch.report.canvas import GUIDE, INK, canvas, dress, headline, save

_ZONE = 0.25  # slope from which features freeze, or blow up
_ROOM = 1.3  # times the lowest loss: what lies above stands at the upper edge
_WIDEST = 1.6  # slope up to which dots are shown
_BLUE, _GREY = "#0072b2", "#a5a5a5"
_FILL: dict[bool, dict[str, Any]] = {  # of a dot, by whether the rule holds
    True: {},
    False: {"markerfacecolor": "white"},
}


class Dot(TypedDict):
    """One rule, as ``summary.json`` holds it."""

    name: str
    loss: float
    against_limit: Mapping[str, Any]
    slope: float
    spread: float
    growth: float
    holds_to: float | None
    front: bool


def front_figure(summary: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Draw all rules by slope of their feature change and by loss, the front as a line.

    The ends of the front, the recommended rule and all rules with a name are named. Rules that do
    not hold up to the target are hollow.

    Args:
        summary: With ``front``, ``choice``, ``arch``, ``task`` and ``optimizer``, as
            ``summary.json`` holds them; more keys do no harm.
        path: Where to; ends in .png, .svg or .pdf.

    Raises:
        ParamsearchError: The path has another ending, or its folder does not exist.
    """
    dots = cast(Sequence[Dot], summary["front"]["entries"])
    choice = cast(Mapping[str, Any], summary["choice"])
    figure = canvas(10.4, 6.2)
    axes = figure.add_subplot()
    top = _limits(axes, dots)
    _zones(axes)
    others = [dot for dot in dots if not dot["front"]]
    target = cast(float, choice["target_ratio"])
    for holds in (False, True):
        shown = [d for d in others if _height(d) <= top and _holds(d, target) == holds]
        _plot(axes, shown, "o", **_FILL[holds], color=_GREY, ms=4.5)
    _plot(axes, [d for d in others if d["name"] and _height(d) <= top], "s", color=INK, ms=6)
    members = [dot for dot in dots if dot["front"]]
    _plot(axes, members, "-", color=_BLUE, linewidth=1.6)
    for dot in members:
        bar: dict[str, Any] = {"ecolor": _BLUE, "elinewidth": 1.0, "capsize": 2.5}
        error = _height(dot) * dot["against_limit"]["error"]
        look: dict[str, Any] = {**bar, **_FILL[_holds(dot, target)], "color": _BLUE, "ms": 7}
        axes.errorbar(_slope(dot), _height(dot), error, dot["spread"], "o", **look)
    best = _entry(dots, choice["recommended"])
    _plot(axes, [best], "o", color="none", markeredgecolor=GUIDE, markeredgewidth=2.2, ms=15)
    _names(axes, dots, choice, top)
    _legend(axes, dots, target)
    title = "Every dot is a rule: lower is better now, nearer to slope 0 is better at any scale"
    slope = "slope of the feature change, as a power of the ratio"
    dress(axes, title, slope, "transferred loss / reference (bars: paired, against the limit end)")
    what = best["name"] or {"limit": "the limit end", "loss": "the loss end"}.get(
        choice["recommended_end"], "a rule between the ends"
    )
    names = f"{summary['arch']} on {summary['task']}, {summary['optimizer']}"
    headline(figure, f"{names}: recommended is {what}")
    save(figure, path)


def _holds(dot: Dot, target: float) -> bool:
    """Say whether nothing ends a rule before the target ratio."""
    return dot["holds_to"] is None or dot["holds_to"] >= target


def _legend(axes: Axes, dots: Sequence[Dot], target: float) -> None:
    """Say what filled and hollow dots are, where there are both."""
    if len({_holds(dot, target) for dot in dots}) < 2:
        return
    words = {True: f"holds up to ratio {target:g}", False: "freezes, grows or overshoots before"}
    for holds, text in words.items():
        axes.plot([], [], "o", label=text, **_FILL[holds], color=_GREY, ms=4.5)
    axes.legend(loc="upper right", fontsize=9, edgecolor="none", framealpha=0.85)


def _slope(dot: Dot) -> float:
    """Give the slope that departs farther from 0: that of freezing or that of growing."""
    return dot["growth"] if dot["growth"] > -dot["slope"] else dot["slope"]


def _height(dot: Dot) -> float:
    return float(np.exp(dot["loss"]))


def _plot(axes: Axes, dots: Sequence[Dot], style: str, **look: Any) -> None:
    axes.plot([_slope(dot) for dot in dots], [_height(dot) for dot in dots], style, **look)


def _limits(axes: Axes, dots: Sequence[Dot]) -> float:
    """Show the front and what is not far above it; give the height of the upper edge."""
    low = min(map(_height, dots))
    members = [_height(dot) for dot in dots if dot["front"]]
    near = [h for h in map(_height, dots) if h <= _ROOM * low]
    high = max(members + near)
    room = 0.1 * (high - low) + 0.01 * low
    axes.set_ylim(low - room, high + room)
    slopes = [_slope(dot) for dot in dots if dot["name"] or _height(dot) <= high]
    axes.set_xlim(
        max(min([*slopes, -0.35]) - 0.08, -_WIDEST), min(max([*slopes, 0.35]) + 0.08, _WIDEST)
    )
    return high + room


def _zones(axes: Axes) -> None:
    """Shade where features freeze and where they blow up."""
    left, right = axes.get_xlim()
    across = axes.get_xaxis_transform()  # y in parts of the panel
    for start, end, text in ((left, -_ZONE, "features freeze"), (_ZONE, right, "blows up")):
        axes.axvspan(start, end, color="#f4f1ec", zorder=0)
        middle = (start + end) / 2
        axes.text(middle, 0.015, text, transform=across, fontsize=9, color="#8a7f6c", **_BOTTOM)
    axes.axvline(0, color="#999999", linewidth=1.0, linestyle=(0, (4, 2)), zorder=1)


_BOTTOM: dict[str, Any] = {"ha": "center", "va": "bottom"}


def _entry(dots: Sequence[Dot], named: Mapping[str, Any]) -> Dot:
    """Find the entry of the front's list that the choice speaks of."""
    return min(
        dots,
        key=lambda dot: (
            dot["name"] != named["name"],
            abs(dot["loss"] - named["loss"]) + abs(dot["slope"] - named["slope"]),
        ),
    )


def _names(axes: Axes, dots: Sequence[Dot], choice: Mapping[str, Any], top: float) -> None:
    """Write names beside the panel, in the order of their dots, with a line to each."""
    parts: dict[int, list[str]] = {}
    titles = {"limit": "limit end", "loss": "loss end", "recommended": "recommended"}
    for end, title in titles.items():
        parts.setdefault(dots.index(_entry(dots, choice[end])), []).append(title)
    for index, dot in enumerate(dots):
        if dot["name"]:
            parts.setdefault(index, []).insert(0, dot["name"])
    order = sorted(parts, key=lambda index: _height(dots[index]))
    low = axes.get_ylim()[0]
    edge = top - 0.02 * (top - low)
    spots = {i: (_slope(dots[i]), min(_height(dots[i]), edge)) for i in order}
    wanted = [(spots[index][1] - low) / (top - low) for index in order]
    for index, place in zip(order, _apart(wanted, 0.045), strict=True):
        text = ": ".join([parts[index][0], ", ".join(parts[index][1:])]).removesuffix(": ")
        if _height(dots[index]) > top:
            text = f"{text} (above, at {_height(dots[index]):.3g})"
            look: dict[str, Any] = {"color": INK, "ms": 7, "clip_on": False}
            axes.plot(*spots[index], "^", **look)
        axes.annotate(
            text,
            spots[index],
            (1.02, place),
            textcoords="axes fraction",
            fontsize=9,
            color=GUIDE if "recommended" in parts[index] else INK,
            va="center",
            arrowprops={"arrowstyle": "-", "color": "#d4d4d4", "lw": 0.8, "shrinkB": 6},
        )


def _apart(places: Sequence[float], least: float) -> list[float]:
    """Move increasing places apart where they are too close, as little as a sweep up needs.

    Example:
        >>> [round(place, 2) for place in _apart([0.1, 0.12, 0.5], 0.05)]
        [0.1, 0.15, 0.5]
    """
    found: list[float] = []
    for place in places:
        found.append(max(place, found[-1] + least) if found else place)
    over = max(0.0, found[-1] - 1.0) if found else 0.0
    return [place - over for place in found]
