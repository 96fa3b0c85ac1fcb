"""More seeds at the solution, until chance no longer moves its slopes by more than size does.

Where probes scatter widely, as those of small transformers and convnets do, the few seeds with
which a Jacobian is measured do not pin the exponents down. One rule at more seeds costs little
beside it. With the slopes averaged over all seeds, the exponents make one more step with the
Jacobian that is there, to where the weighted squares of the slopes are smallest.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from paramsearch.discovery.solver.certainty import RESOLUTION, distances, resampled, weighted
from paramsearch.discovery.solver.gauss_newton import Bend, Values
from paramsearch.discovery.solver.readings import Readings
from paramsearch.rules.variable import Variable

ROUNDS = 2
"""Times that the seeds are doubled at most."""

ENOUGH = 4
"""Seeds whose scatter tells how far chance moves a slope: two are off by half."""

Read = Callable[[Values, Sequence[int]], Readings]
"""Reads the probes of one rule with some seeds."""


def refined(bend: Bend, variables: Sequence[Variable], read: Read, seeds: Sequence[int]) -> Bend:
    """Give the solution with more seeds, as many as its slopes need.

    Args:
        bend: The solution.
        variables: The free exponents, whose bounds hold.
        read: Measures it with other seeds.
        seeds: Those to take, in order; as many as the solution has, times 1, 2, 4, ... minus 1.
    """
    left = list(seeds)
    for _ in range(ROUNDS):
        count = bend.here.logs.shape[-1]
        settled = count >= ENOUGH and chance(bend.here) <= RESOLUTION
        if settled or len(left) < count:
            break
        more, left = read(bend.values, left[:count]), left[count:]
        bend = _moved(_pooled(bend, more), variables)
    return bend


def chance(readings: Readings) -> float:
    """Give the standard error of one rule's slopes over seeds, root mean square; inf with one seed.

    Example:
        >>> logs, ratios = np.array([[[[0.0, 0.0], [1.0, 3.0]]]]), np.array([1.0, 2.0])
        >>> chance(Readings(("signal/hidden",), np.array([False]), ratios, logs))
        1.0
    """
    count = readings.logs.shape[-1]
    if count < 2:
        return float("inf")
    each = np.stack([readings.slopes(seeds=[seed])[0] for seed in range(count)])
    return float(np.sqrt(np.square(each.std(axis=0, ddof=1)).mean() / count))


def _pooled(bend: Bend, more: Readings) -> Bend:
    logs = np.concatenate([bend.here.logs, more.logs], axis=-1)
    return replace(bend, here=replace(bend.here, logs=logs))


def _moved(bend: Bend, variables: Sequence[Variable]) -> Bend:
    """Move to the best point of the linear model, with the readings that it foretells there."""
    bounds = distances(bend.values, variables)
    model = weighted(bend, resampled(bend), bounds)
    move = model.best(bounds)
    octaves = np.log2(bend.here.ratios)
    change = (model.jacobian @ move)[None, :, None, None] * octaves[None, None, :, None]
    values = tuple(round(x + float(d), 6) for x, d in zip(bend.values, move, strict=True))
    return replace(bend, values=values, here=replace(bend.here, logs=bend.here.logs + change))
