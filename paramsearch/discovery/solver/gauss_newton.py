"""Damped Gauss-Newton on the slopes of the update probes.

Each exponent moves the probes of its own group and of the groups behind it, nearly linearly: a
power of the ratio in the learning rate is a power of the ratio in the update. So a few Jacobians
by finite differences lead from the standard parameterization to the answer, with no other knowledge
than what was measured. All rules of one measurement train as one population per scale.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from paramsearch.discovery.solver.least_squares import step
from paramsearch.discovery.solver.readings import Readings, size
from paramsearch.rules.variable import Variable

Array = NDArray[np.float64]
Values = tuple[float, ...]
"""One exponent per variable, not necessarily on the grid."""

Measure = Callable[[Sequence[Values]], Readings]
"""Reads the probes of rules given by their exponents."""

Told = Callable[[float], None]
"""Hears after each round the sum of the squared slopes."""

DIFFERENCE = 0.25
"""Change of an exponent in a finite difference: well above the noise of short runs."""

DAMPINGS = (0.01, 0.1, 1.0)
"""Levenberg dampings tried in every round of the approach, in units of squared slope per exponent;
afterwards the first alone, as long as it helps."""

NEAR = 1.0
"""Change of the slopes, as a norm, over which a Jacobian is not measured again: exponents may have
moved far where the slopes hardly feel it."""

REACH = 1.0
"""Largest change of an exponent in one round."""

ROUNDS = 4
"""Steps at most that are made with one measured Jacobian."""

JACOBIANS = 3
"""Jacobians at most that are followed by steps."""

CLOSE = 0.1
"""Squared slopes at which the approach is done."""

GAIN = 0.01
"""Fall of the squared slopes for which no other step is made."""

SHARE = 0.3
"""The same in the approach, as a share of them."""


@dataclass(frozen=True)
class Bend:
    """The slopes at one point and how exponents change them.

    Attributes:
        values: The exponents x.
        here: Readings at x, of one rule.
        moved: Readings with one exponent changed, one rule per variable.
        there: Readings before those changes, at x or near it.
        steps: The changes, (variables,).
    """

    values: Values
    here: Readings
    moved: Readings
    there: Readings
    steps: Array

    def linear(
        self, scales: Sequence[int] | None = None, seeds: Sequence[int] | None = None
    ) -> tuple[Array, Array]:
        """Give the slopes (quantities,) and their Jacobian (quantities, variables).

        Args:
            scales: Which scales count; all by default.
            seeds: Which seeds count, of those at x; all by default. Where the Jacobian was measured
                with fewer, these take turns.
        """
        few = self.moved.logs.shape[-1]
        turns = None if seeds is None else [seed % few for seed in seeds]
        moved, there = (of.slopes(scales, turns) for of in (self.moved, self.there))
        return self.here.slopes(scales, seeds)[0], ((moved - there) / self.steps[:, None]).T


@dataclass(frozen=True)
class Along:
    """Where an iteration stands.

    Attributes:
        values: The exponents x.
        here: Readings at x, of one rule.
        jacobian: Of the slopes, (quantities, variables), as Broyden's updates leave it.
    """

    values: Values
    here: Readings
    jacobian: Array

    @property
    def slopes(self) -> Array:
        """The slopes at x, (quantities,)."""
        return self.here.slopes()[0]

    @property
    def wrong(self) -> float:
        """What is wrong with them, ``|r|^2``."""
        return size(self.slopes, self.here.one_sided)


def bend(measure: Measure, variables: Sequence[Variable], values: Values) -> Bend:
    """Measure slopes and Jacobian at one point, as one population per scale.

    Args:
        measure: Reads rules.
        variables: The free exponents, whose bounds hold.
        values: The point x.
    """
    x, low, high = np.array(values), *_bounds(variables)
    # Towards the farther bound, and not beyond it.
    up = high - x >= x - low
    steps = np.where(up, np.minimum(DIFFERENCE, high - x), -np.minimum(DIFFERENCE, x - low))
    moved = [_values(x + np.eye(len(x))[k] * steps[k]) for k in range(len(x))]
    readings = measure([values, *moved])
    rest = Readings(readings.names, readings.one_sided, readings.ratios, readings.logs[1:])
    here = readings.rule(0)
    return Bend(values, here, rest, here, steps)


def approach(measure: Measure, variables: Sequence[Variable], start: Values, told: Told) -> Along:
    """Come near the exponents at which the slopes are smallest, with one measured Jacobian or two.

    Args:
        measure: Reads rules, possibly less well and cheaper than for ``gauss_newton``.
        variables: The free exponents.
        start: Where to begin.
        told: Hears after each round ``|r|^2``.

    Returns:
        The best exponents seen, and what is known of the Jacobian there.
    """
    at = bend(measure, variables, start)
    found = _descent(_measured(at), measure, variables, told, DAMPINGS, SHARE)
    if found.wrong >= CLOSE:
        at = bend(measure, variables, found.values)
        found = _descent(_measured(at), measure, variables, told, DAMPINGS, SHARE)
    return found


def descend(measure: Measure, variables: Sequence[Variable], found: Along, told: Told) -> Values:
    """Go on from an approach with the Jacobian it has left, measuring rules well now.

    A Jacobian takes one rule per exponent, a step takes one: the next Jacobian is measured where
    the slopes are small already.

    Args:
        measure: Reads rules as for ``gauss_newton``.
        variables: The free exponents.
        found: What the approach came to.
        told: Hears after each round ``|r|^2``.

    Returns:
        The best exponents seen.
    """
    here = replace(found, here=measure([found.values]))
    return _descent(here, measure, variables, told, DAMPINGS[:1], SHARE).values


def gauss_newton(
    measure: Measure, variables: Sequence[Variable], start: Values, told: Told
) -> Bend:
    """Find exponents x at which the slopes r(x) of the update probes are smallest.

    Every round makes the step ``-(J'J + damping I)^-1 J' r``, within the bounds, with little
    damping and, where that leads nowhere, with more. J is measured, and for a few rounds follows
    Broyden (1965), ``J += (dr - J dx) dx' / dx'dx``; then it is measured again, unless it was
    measured near by.

    Args:
        measure: Reads rules; all that one call is given train as one population per scale.
        variables: The free exponents.
        start: Where to begin.
        told: Hears after each round ``|r|^2``.

    Returns:
        Slopes at the exponents with the smallest ``|r|`` seen, and a Jacobian measured where they
        differ by ``NEAR`` at most.
    """
    for _ in range(JACOBIANS):
        at = bend(measure, variables, start)
        found = _descent(_measured(at), measure, variables, told, DAMPINGS[:1], 0.0)
        if found.values == at.values and found.wrong > CLOSE:
            found = _descent(found, measure, variables, told, DAMPINGS[1:], 0.0)
        start = found.values
        if np.linalg.norm(found.slopes - at.here.slopes()[0]) <= NEAR:
            return replace(at, values=start, here=found.here)
    return bend(measure, variables, start)


def _measured(at: Bend) -> Along:
    """Stand where a Jacobian was measured."""
    return Along(at.values, at.here, at.linear()[1])


def _descent(
    at: Along,
    measure: Measure,
    variables: Sequence[Variable],
    told: Told,
    dampings: Sequence[float],
    share: float,
) -> Along:
    """Make steps with a Jacobian that follows Broyden, until one gains too little."""
    one_sided = at.here.one_sided
    for _ in range(ROUNDS):
        reach = _reach(at.values, variables)
        moves = [step(at.slopes, at.jacobian, one_sided, d, bounds=reach) for d in dampings]
        tried = [_values(np.array(at.values) + move) for move in moves]
        readings = measure(tried)
        found = readings.slopes()
        best = min(range(len(moves)), key=lambda k: size(found[k], one_sided))
        gain = at.wrong - size(found[best], one_sided)
        told(min(at.wrong, size(found[best], one_sided)))
        if gain <= 0:
            break
        enough = max(GAIN, share * at.wrong)
        move, change = moves[best], found[best] - at.slopes
        jacobian = at.jacobian + np.outer(change - at.jacobian @ move, move) / (move @ move)
        at = Along(tried[best], readings.rule(best), jacobian)
        if gain < enough:
            break
    return at


def _reach(values: Values, variables: Sequence[Variable]) -> tuple[Array, Array]:
    """Give the smallest and largest moves of one round."""
    x, low, high = np.array(values), *_bounds(variables)
    return np.maximum(low - x, -REACH), np.minimum(high - x, REACH)


def _bounds(variables: Sequence[Variable]) -> tuple[Array, Array]:
    low = np.array([variable.low for variable in variables])
    high = np.array([variable.high for variable in variables])
    return low, high


def _values(x: Array) -> Values:
    return tuple(round(float(value), 6) for value in x)
