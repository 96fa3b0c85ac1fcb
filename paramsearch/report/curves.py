"""Curves with their spread over seeds, as panels of both figures draw them."""

# pyright: reportUnknownMemberType=false
# (matplotlib leaves the types of its keyword arguments open)

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from paramsearch.report.canvas import GUIDE, Colour
from paramsearch.report.schema import Seeds

Values = NDArray[np.float64]


def _array(values: Sequence[float] | Sequence[Sequence[float]]) -> Values:
    return np.array(values, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Curve:
    """A measured curve: the mean over seeds, and the lowest and highest seed.

    Attributes:
        x: (points,)
        mean: (points,); nan where any seed diverged, so that nothing is drawn there.
        low: (points,)
        high: (points,)
    """

    x: Values
    mean: Values
    low: Values
    high: Values

    @classmethod
    def of(cls, x: Sequence[float], per_seed: Sequence[Seeds]) -> "Curve":
        """Make a curve from one list of seeds per point, ``None`` for a diverged one.

        Example:
            >>> Curve.of([1, 2], [[3.0, 5.0], [None, 1.0]]).mean
            array([ 4., nan])
        """
        if not per_seed:
            return cls(*[_array([])] * 4)
        rows = _array([[np.nan if v is None else v for v in seeds] for seeds in per_seed])
        return cls(_array(x), rows.mean(axis=1), rows.min(axis=1), rows.max(axis=1))

    def at(self, x: float) -> float:
        """Mean at x, interpolated in log x; nan beside a diverged point."""
        height: Values = np.interp(np.log([x]), np.log(self.x), self.mean)
        return float(height[0])


def draw(axes: Axes, curve: Curve, colour: Colour | str, label: str) -> None:
    """Draw a curve and its spread over seeds as a band.

    Args:
        axes: The panel.
        curve: The curve.
        colour: Of the line; the band is the same, paler.
        label: For the legend.
    """
    axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.18, linewidth=0)
    axes.plot(curve.x, curve.mean, color=colour, label=label, linewidth=1.6, marker=".", ms=4)


def lr_panel(
    axes: Axes,
    curves: Mapping[int, Curve],
    optima: Mapping[int, float | None],
    base_lr: float,
    palette: Mapping[int, Colour],
) -> None:
    """Draw loss against learning rate, one curve per scale, their optima and the base optimum.

    Args:
        axes: The panel.
        curves: Scale -> loss over learning rate.
        optima: Scale -> best learning rate, None where it lies outside the grid.
        base_lr: The learning rate to transfer, as a vertical line.
        palette: Scale -> colour.
    """
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    for scale, curve in sorted(curves.items()):
        draw(axes, curve, palette[scale], str(scale))
        optimum = optima.get(scale)
        if optimum is not None:
            place, colour = (optimum, curve.at(optimum)), palette[scale]
            axes.plot(*place, "o", color=colour, ms=8, mec="white", mew=1.2, zorder=5)
    axes.axvline(base_lr, color=GUIDE, linewidth=1.1, linestyle="--", zorder=1, label="base LR")
    plain_log(axes)


def frame(axes: Axes, curves: Sequence[Curve]) -> None:
    """Set the limits of a panel of losses, and of those that share its axes.

    Args:
        axes: The panel.
        curves: All curves of all panels that share its axes.
    """
    lrs = np.concatenate([curve.x for curve in curves])
    axes.set_xlim(lrs.min() / 2**0.3, lrs.max() * 2**0.3)
    limits = loss_limits(curves)
    if limits:
        axes.set_ylim(*limits)


def loss_limits(curves: Sequence[Curve]) -> tuple[float, float] | None:
    """Limits of the loss that show the valleys: up to what the smallest learning rates leave.

    A run on the edge of divergence ends anywhere above; it would squeeze everything else.

    Args:
        curves: All curves that share the axis.

    Returns:
        Lowest and highest loss to show; None where everything diverged.
    """
    finite = [curve.mean[~np.isnan(curve.mean)] for curve in curves]
    finite = [mean for mean in finite if len(mean)]
    if not finite:
        return None
    low, high = min(mean.min() for mean in finite), max(mean[0] for mean in finite)
    room = max(high / low, 1.1) ** 0.07
    return float(low / room), float(max(high, 1.1 * low) * room)


def _plain(value: float, position: int | None) -> str:
    return f"{value:g}"


def plain_log(axes: Axes) -> None:
    """Label a log axis of y with plain numbers, also between the powers of ten.

    Args:
        axes: The panel; its limits are final.
    """
    low, high = axes.get_ylim()
    decades = np.log10(high / low)
    steps = (
        (1, 1.5, 2, 3, 5, 7)
        if decades < 0.7
        else (1, 2, 3, 5)
        if decades < 1.2
        else (1, 2, 5)
        if decades < 3
        else (1,)
    )
    axes.yaxis.set_major_locator(LogLocator(base=10, subs=steps, numticks=20))
    axes.yaxis.set_major_formatter(FuncFormatter(_plain))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
