"""Damped Gauss-Newton on the slopes of the update probes.

Each exponent moves the probes of its own group and of the groups behind it, nearly linearly: a
power of the ratio in the learning rate is a power of the ratio in the update. So a few Jacobians
by finite differences lead from the standard parameterization to the answer, with no other knowledge
than what was measured. All rules of one measurement train as one population per scale.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paramsearch.discovery.solver.least_squares import step
from paramsearch.discovery.solver.readings import Readings, size
from paramsearch.rules.encoding import Variable

Array = NDArray[np.float64]
Values = tuple[float, ...]
"""One exponent per variable, not necessarily on the grid."""

Measure = Callable[[Sequence[Values]], Readings]
"""Reads the probes of rules given by their exponents."""

DIFFERENCE = 0.25
"""Change of an exponent in a finite difference: well above the noise of short runs."""

DAMPINGS = (0.003, 0.03, 0.3)
"""Levenberg dampings tried in every round, in units of squared slope per exponent."""

REACH = 1.0
"""Largest change of an exponent in one round."""

ROUNDS = 4
"""Steps at most that are made with one measured Jacobian."""

JACOBIANS = 3
"""Jacobians at most that are followed by steps."""

GAIN = 0.01
"""Fall of the squared slopes for which no other step is made."""

CLOSE = 0.02
"""Change of the exponents after which no other step is made."""


@dataclass(frozen=True)
class Bend:
    """The slopes at one point and how exponents change them.

    Attributes:
        values: The exponents x.
        here: Readings at x, of one rule.
        moved: Readings with one exponent changed, one rule per variable.
        steps: The changes, (variables,).
    """

    values: Values
    here: Readings
    moved: Readings
    steps: Array

    def linear(
        self, scales: Sequence[int] | None = None, seeds: Sequence[int] | None = None
    ) -> tuple[Array, Array]:
        """Give the slopes (quantities,) and their Jacobian (quantities, variables).

        Args:
            scales: Which scales count; all by default.
            seeds: Which seeds count; all by default.
        """
        slopes = self.here.slopes(scales, seeds)[0]
        moved = self.moved.slopes(scales, seeds)
        return slopes, ((moved - slopes) / self.steps[:, None]).T


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
    return Bend(values, readings.rule(0), rest, steps)


def gauss_newton(
    measure: Measure,
    variables: Sequence[Variable],
    start: Values,
    told: Callable[[int, float], None] = lambda number, wrong: None,
) -> Bend:
    """Find exponents x at which the slopes r(x) of the update probes are smallest.

    Every round tries the steps ``-(J'J + damping I)^-1 J' r`` of several dampings, within the
    bounds. J is measured, and for a few rounds follows Broyden (1965), ``J += (dr - J dx) dx' /
    dx'dx``; then it is measured again, until it promises no more. On four optimizers measuring J in
    every round took half as many steps again and led to the same exponents within 0.03.

    Args:
        measure: Reads rules; all that one call is given train as one population per scale.
        variables: The free exponents.
        start: Where to begin.
        told: Hears after each round its number and ``|r|^2``.

    Returns:
        Slopes and a freshly measured Jacobian at the exponents with the smallest ``|r|`` seen.
    """
    at, number = bend(measure, variables, start), 0
    for _ in range(JACOBIANS):
        if _promised(at, variables) < GAIN:
            break
        values, number = _descent(at, measure, variables, number, told)
        if values == at.values:
            break
        at = bend(measure, variables, values)
    return at


def _descent(
    at: Bend,
    measure: Measure,
    variables: Sequence[Variable],
    number: int,
    told: Callable[[int, float], None],
) -> tuple[Values, int]:
    """Make steps with a Jacobian that follows Broyden; gives the best point, and counts on."""
    slopes, jacobian = at.linear()
    values, one_sided = at.values, at.here.one_sided
    for _ in range(ROUNDS):
        reach = _reach(values, variables)
        moves = [step(slopes, jacobian, one_sided, d, bounds=reach) for d in DAMPINGS]
        found = measure([_values(np.array(values) + move) for move in moves]).slopes()
        best = min(range(len(moves)), key=lambda k: size(found[k], one_sided))
        wrong = size(slopes, one_sided)
        number += 1
        told(number, min(size(found[best], one_sided), wrong))
        if size(found[best], one_sided) >= wrong:
            break
        move, change = moves[best], found[best] - slopes
        values, slopes = _values(np.array(values) + move), found[best]
        jacobian = jacobian + np.outer(change - jacobian @ move, move) / (move @ move)
        if np.abs(move).max() < CLOSE:
            break
    return values, number


def _promised(at: Bend, variables: Sequence[Variable]) -> float:
    """Give by how much ``|r|^2`` should fall in the next step, if the slopes were linear."""
    (slopes, jacobian), one_sided = at.linear(), at.here.one_sided
    move = step(slopes, jacobian, one_sided, DAMPINGS[1], bounds=_reach(at.values, variables))
    return size(slopes, one_sided) - size(slopes + jacobian @ move, one_sided)


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
