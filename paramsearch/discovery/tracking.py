"""The optimum of a loss-versus-learning-rate curve from few points: bracket it, then refine.

Points lie on a grid that is evenly spaced in log LR and are named by their index, so that curves of
different rules and scales have learning rates in common. What a curve needs next depends on its
lowest point:

- every point diverged: points below;
- it is the first or last: a point beyond it, no farther off than the others reach, and none where
  the curve is flat;
- it has no neighbour on some side: the vertex of the parabola through it and the points beside it,
  then points half-way to those;
- the two points on a side are not known to be worse beyond the spread: the second of them.

A point is worse beyond the spread when the paired difference ``d`` of the losses over n seeds has
``mean(d) > std(d) / sqrt(n)``, and a thousandth of the loss at least.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Known = Mapping[int, Array]
"""Grid index -> losses of the seeds, inf where diverged."""

Train = Callable[[Sequence[tuple[int, int]]], Array]
"""Gives losses (points, seeds) of points (rule, grid index), trained as one population."""

REACH = 4
"""Grid points by which a curve is extended at most in a round, and over which flat is flat."""

_TIE = 1e-3  # of the loss; a smaller difference is none, whatever the seeds say


def track(train: Train, first: Sequence[Collection[int]], limits: range) -> list[dict[int, Array]]:
    """Measure the curves of all rules around their optima, one population per round.

    Args:
        train: Called once per round, with points that it was not called with before.
        first: For each rule the points of its first round; those outside the grid are moved to
            its end.
        limits: The grid.

    Returns:
        For each rule grid index -> losses (seeds,), by increasing index.

    Example:
        >>> def parabola(points):
        ...     return np.array([[2 ** (0.1 * (k - 4.2) ** 2)] for _, k in points])
        >>> [curve] = track(parabola, [around(0)], range(-10, 11))
        >>> list(curve)
        [-1, 0, 1, 3, 4, 5]
    """
    known: list[dict[int, Array]] = [{} for _ in first]
    wanted = [sorted({min(max(k, limits[0]), limits[-1]) for k in points}) for points in first]
    while any(wanted):
        points = [(rule, k) for rule, some in enumerate(wanted) for k in some]
        for (rule, k), losses in zip(points, train(points), strict=True):
            known[rule][k] = losses
        wanted = [missing(curve, limits) for curve in known]
    return [dict(sorted(curve.items())) for curve in known]


def around(guess: int, jump: float = 2.0) -> list[int]:
    """Give the points of a first round where the optimum of the next smaller scale is known.

    They are a point apart after a doubling of the scale, two after more. Well above the optimum
    curves are ragged, and three neighbours may lie in a dip: over jumps of 4 to 16 times (mlp,
    Adam, digits and teacher; 24 curves, four choices of three seeds) that led astray 14 times of
    96, and wider points 3 times.

    Args:
        guess: The point nearest to that optimum.
        jump: Scale over the next smaller one.

    Example:
        >>> around(5), around(5, jump=8)
        ([4, 5, 6], [3, 5, 7])
    """
    apart = 1 if jump < 2 * 2**0.5 else 2
    return [guess - apart, guess, guess + apart]


def across(limits: range) -> list[int]:
    """Give the points of a first round where nothing is known: the grid in coarse steps.

    Example:
        >>> across(range(0, 11))
        [0, 4, 8, 10]
    """
    return sorted({*limits[::REACH], limits[-1]})


def missing(known: Known, limits: range) -> list[int]:
    """Give the points that a curve needs next, none when it is done.

    Args:
        known: What is measured of the curve, at least one point.
        limits: The grid.

    Returns:
        Grid indices that are not measured yet, increasing.

    Example:
        >>> missing({k: np.array([abs(k - 4.0)]) for k in (0, 1, 2)}, range(11))
        [4]
    """
    heights = _heights(known)
    best = min(heights, key=lambda k: heights[k])  # of equals, the lowest
    if not np.isfinite(heights[best]):
        return _fresh({min(known) - REACH}, known, limits)
    lower = max((k for k in known if k < best), default=None)
    upper = min((k for k in known if k > best), default=None)
    ends = {-1: lower is None and best > limits[0], 1: upper is None and best < limits[-1]}
    if any(ends.values()):
        beyond = {_beyond(heights, best, side) for side, is_open in ends.items() if is_open}
        return [] if _flat(known, best) else _fresh(beyond, known, limits)
    beside = [k for k in (lower, upper) if k is not None]
    vertex = _vertex(heights, [best, *beside])
    if vertex is not None and round(vertex) not in known:
        return [round(vertex)]
    halves = {best + int((k - best) / 2) for k in beside}  # towards the best
    return _fresh(halves, known, limits) or _fresh(_unsure(known, best), known, limits)


def _heights(known: Known) -> dict[int, float]:
    """Mean losses by increasing index, inf where a seed diverged."""
    means = {k: float(known[k].mean()) for k in sorted(known)}
    return {k: mean if np.isfinite(mean) else np.inf for k, mean in means.items()}


def _fresh(points: Collection[int], known: Known, limits: range) -> list[int]:
    """Points moved into the grid, without those that are known."""
    return sorted({min(max(k, limits[0]), limits[-1]) for k in points} - set(known))


def _beyond(heights: Mapping[int, float], best: int, side: int) -> int:
    """Give a point beyond the last: where the vertex is, but no farther off than the others are."""
    span = min(REACH, max(1, max(heights) - min(heights)))
    vertex = _vertex(heights, sorted(heights, key=lambda k: abs(k - best))[:3])
    step = span if vertex is None else min(max(side * (round(vertex) - best), 1), span)
    return best + side * step


def _vertex(heights: Mapping[int, float], points: Sequence[int]) -> float | None:
    """Lowest point of the parabola through three points, in log loss; None where there is none."""
    y = np.array([heights[k] for k in points])
    if len(points) < 3 or not np.isfinite(y).all():
        return None
    y = np.log(y) if y.min() > 0 else y
    (x0, x1, x2), (y0, y1, y2) = points, y.tolist()
    left, right = (y1 - y0) / (x1 - x0), (y2 - y0) / (x2 - x0)  # slopes of chords from x0
    curvature = (left - right) / (x1 - x2)
    slope = left - curvature * (x1 - x0)
    return x0 - slope / (2 * curvature) if curvature > 1e-12 else None


def _flat(known: Known, best: int) -> bool:
    """Say whether the best is tied with the nearest of the points ``REACH`` and more away."""
    far = [k for k in known if abs(k - best) >= REACH]
    return bool(far) and not _worse(known, min(far, key=lambda k: abs(k - best)), best)


def _unsure(known: Known, best: int) -> set[int]:
    """Give the second points on the sides where no point up to there is worse than the best."""
    return {
        best + 2 * side
        for side in (-1, 1)
        if not any(_worse(known, k, best) for k in (best + side, best + 2 * side) if k in known)
    }


def _worse(known: Known, point: int, best: int) -> bool:
    """Say whether a point is worse than the best beyond the spread of the difference."""
    gaps = known[point] - known[best]
    if not np.isfinite(gaps).all():
        return True
    error = float(gaps.std(ddof=1)) / len(gaps) ** 0.5 if len(gaps) > 1 else 0.0
    return float(gaps.mean()) > max(error, _TIE * abs(float(known[best].mean())))
