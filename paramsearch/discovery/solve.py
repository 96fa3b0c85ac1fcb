"""Solve for exponents: where the slopes of the update probes vanish, by damped Gauss-Newton.

Each exponent moves the probes of its own group and of the groups behind it, nearly linearly: a
power of the ratio in the learning rate is a power of the ratio in the update. So a few Jacobians
by finite differences lead from the standard parameterization close to the answer, with no other
knowledge than what was measured. The search then refines it on whole curves.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from paramsearch.discovery.evaluation import Evaluation
from paramsearch.rules.encoding import Variable

Array = NDArray[np.float64]
Values = tuple[float, ...]
"""One exponent per variable, not necessarily on the grid."""

Measure = Callable[[Sequence[Values], int], list[Evaluation]]
"""Evaluates rules given by their exponents, for a round."""

DIFFERENCE = 0.25
"""Change of an exponent in a finite difference: well above the noise of short runs."""

DAMPINGS = (0.003, 0.03, 0.3)
"""Levenberg dampings tried in every round, in units of squared slope per exponent."""

REACH = 1.0
"""Largest change of an exponent in one round."""

ROUNDS = 4
"""Jacobians at most."""


def solve(measure: Measure, variables: Sequence[Variable], rounds: int = ROUNDS) -> Values:
    """Find exponents x at which the slopes r(x) of the update probes are smallest.

    Every round measures the Jacobian J by one-sided differences and tries the steps
    ``-(J'J + damping I)^-1 J' r`` of several dampings, within the bounds; it ends when none of
    them makes ``|r|`` smaller.

    Args:
        measure: Evaluates rules; all that one call is given train as one population.
        variables: The free exponents; the search starts at their ``start``.
        rounds: Jacobians at most.

    Returns:
        The exponents with the smallest ``|r|`` seen.
    """
    low = np.array([variable.low for variable in variables])
    high = np.array([variable.high for variable in variables])
    x = np.array([variable.start for variable in variables])
    slopes = _slopes(measure([_values(x)], 0)[0])
    for number in range(1, rounds + 1):
        if not slopes.any():
            break
        # Towards the farther bound, and not beyond it.
        up = high - x >= x - low
        steps = np.where(up, np.minimum(DIFFERENCE, high - x), -np.minimum(DIFFERENCE, x - low))
        moved = [_values(x + np.eye(len(x))[k] * steps[k]) for k in range(len(x))]
        columns = [_slopes(evaluation) for evaluation in measure(moved, number)]
        jacobian = np.stack(
            [(column - slopes) / step for column, step in zip(columns, steps, strict=True)], axis=1
        )
        square = jacobian.T @ jacobian
        tries: list[Array] = []
        for damping in DAMPINGS:
            step = np.linalg.solve(square + damping * np.eye(len(x)), -jacobian.T @ slopes)
            inside = np.clip(x + np.clip(step, -REACH, REACH), low, high)
            tries.append(inside.astype(np.float64))
        found = [_slopes(evaluation) for evaluation in measure([_values(t) for t in tries], number)]
        best = min(range(len(tries)), key=lambda k: _size(found[k]))
        if _size(found[best]) >= _size(slopes):
            break
        x, slopes = tries[best], found[best]
    return _values(x)


def _slopes(evaluation: Evaluation) -> Array:
    return np.array([evaluation.slopes[name] for name in sorted(evaluation.slopes)], dtype=float)


def _size(slopes: Array) -> float:
    return float(np.square(slopes).sum())


def _values(x: Array) -> Values:
    return tuple(round(float(value), 6) for value in x)
