"""What the slopes determine: an interval for every exponent, and directions left open.

The slopes at the solution scatter over seeds and bend over scales, and at finite sizes they are
never quite what they are in the limit. So with the Jacobian J measured there,

    F(d) = sum_i (r_i + (J d)_i)^2 / sigma_i^2,   sigma_i^2 = s^2 (var_i + RESOLUTION^2),

where ``var_i`` is the variance of slope i over resamples of seeds and scales, and ``s^2 >= 1`` is
the misfit that stays at the minimum, per degree of freedom. An exponent's interval holds the values
that keep F within ``RISE`` of its minimum when all others follow (the profile), and the central
90 % of what the resamples lead to (the bootstrap).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from paramsearch.discovery.solver.gauss_newton import Bend, Values
from paramsearch.discovery.solver.linear_model import Bounds, LinearModel
from paramsearch.discovery.solver.readings import Readings
from paramsearch.rules.variable import Variable

Array = NDArray[np.float64]

RESOLUTION = 0.05
"""A slope of which finite sizes keep us from saying that it is zero: 15 % over a factor of 16."""

RISE = 4.0
"""Rise of F that is still as good: two standard deviations of one exponent."""

RESAMPLES = 200
PERCENT = (5.0, 95.0)

_POINTS = 65  # of a profile, across the bounds


@dataclass(frozen=True)
class Open:
    """A direction in which exponents can move together without a visible change of the slopes.

    Attributes:
        weights: How much each exponent moves, the largest by 1, (variables,).
        low: How far it may go backwards.
        high: How far it may go forwards.
    """

    weights: Array
    low: float
    high: float


@dataclass(frozen=True)
class Certainty:
    """What is known about the exponents at a solution.

    Attributes:
        model: The slopes around it.
        low: Lower ends of the intervals, (variables,).
        high: Upper ends.
        open: Directions left open.
    """

    model: LinearModel
    low: Array
    high: Array
    open: tuple[Open, ...]


def certainty(bend: Bend, variables: Sequence[Variable], seed: int = 0) -> Certainty:
    """Say what the slopes around a solution determine.

    Args:
        bend: Slopes and Jacobian at the solution.
        variables: The free exponents, whose bounds hold.
        seed: Of the resamples.
    """
    x, bounds = np.array(bend.values), distances(bend.values, variables)
    samples = resampled(bend, seed)
    model = weighted(bend, samples, bounds)
    by_chance = np.percentile(
        [replace(model, slopes=r, jacobian=j).best(bounds) for r, j in samples], PERCENT, axis=0
    )
    profiles = [_profile(model, k, bounds) for k in range(len(x))]
    low = np.minimum(by_chance[0], [ends[0] for ends in profiles])
    high = np.maximum(by_chance[1], [ends[1] for ends in profiles])
    low, high = np.clip(low, bounds[0], 0.0), np.clip(high, 0.0, bounds[1])
    return Certainty(model, x + low, x + high, _open(model, bounds))


def weighted(bend: Bend, samples: Sequence[tuple[Array, Array]], bounds: Bounds) -> LinearModel:
    """Give the linear model around a solution, its slopes weighted by how they scatter.

    Args:
        bend: Slopes and Jacobian at the solution.
        samples: The same of resamples.
        bounds: Between which the exponents may move.
    """
    spread = np.std([slopes for slopes, _ in samples], axis=0)
    model = LinearModel(*bend.linear(), bend.here.one_sided, np.hypot(spread, RESOLUTION))
    freedom = max(model.jacobian.shape[0] - model.jacobian.shape[1], 1)
    misfit = max(1.0, model.misfit(model.best(bounds)) / freedom)
    return replace(model, sigma=model.sigma * np.sqrt(misfit))


def distances(values: Values, variables: Sequence[Variable]) -> Bounds:
    """Give how far each exponent is from its bounds."""
    x = np.array(values)
    low = np.array([variable.low for variable in variables])
    high = np.array([variable.high for variable in variables])
    return low - x, high - x


def resampled(bend: Bend, seed: int = 0) -> list[tuple[Array, Array]]:
    """Give slopes and Jacobian of resamples of scales and seeds."""
    return [bend.linear(*sample) for sample in _samples(bend.here, seed)]


def _samples(readings: Readings, seed: int) -> list[tuple[list[int], list[int]]]:
    """Draw scales and seeds: all scales or all but one, seeds with replacement."""
    generator = np.random.default_rng(seed)
    scales, seeds = range(len(readings.ratios)), range(readings.logs.shape[-1])
    some = [list(scales)]
    if len(scales) > 2:
        some += [[scale for scale in scales if scale != left_out] for left_out in scales]
    which = generator.integers(len(some), size=RESAMPLES)
    drawn = generator.integers(len(seeds), size=(RESAMPLES, len(seeds)))
    return [(some[int(k)], [int(s) for s in row]) for k, row in zip(which, drawn, strict=True)]


def _profile(model: LinearModel, index: int, bounds: Bounds) -> tuple[float, float]:
    """Give how far one exponent can go on either side while the others follow."""
    grid: Array = np.linspace(bounds[0][index], bounds[1][index], _POINTS, dtype=np.float64)
    heights = np.array([model.misfit(model.best(bounds, {index: t})) for t in grid.tolist()])
    least = min(float(heights.min()), model.misfit(model.best(bounds)))
    good = np.flatnonzero(heights <= least + RISE)
    if not len(good):
        return 0.0, 0.0
    return float(grid[good[0]]), float(grid[good[-1]])


def _open(model: LinearModel, bounds: Bounds) -> tuple[Open, ...]:
    """List the singular directions along which a whole unit of exponents is not seen."""
    active = ~model.one_sided | (model.slopes > 0)
    scaled = model.jacobian[active] / model.sigma[active, None]
    _, sizes, directions = np.linalg.svd(scaled, full_matrices=True)
    sizes = np.concatenate([sizes, np.zeros(len(directions) - len(sizes))])
    result: list[Open] = []
    for seen, direction in zip(sizes, directions, strict=True):
        weights = direction / direction[np.abs(direction).argmax()]
        if seen * np.linalg.norm(weights) >= RISE**0.5:
            continue
        least, reach = (
            model.misfit(np.zeros(len(weights))),
            [4 * k / (_POINTS - 1) - 2 for k in range(_POINTS)],
        )
        good = [
            t
            for t in reach
            if model.misfit(t * weights) <= least + RISE
            and (t * weights >= bounds[0]).all()
            and (t * weights <= bounds[1]).all()
        ]
        result.append(Open(weights, min(good, default=0.0), max(good, default=0.0)))
    return tuple(result)
