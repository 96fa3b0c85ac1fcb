"""The simplest rule that the slopes cannot tell from the solution.

Two are offered: the point of a lattice that the linear model around the solution puts first, and
the solution rounded exponent by exponent. The first knows what exponents do together, the second
does not lean on a Jacobian, which small steps may belie: with the readout's init at m^-1.12 an mlp
under SGD with momentum no longer felt it, and at m^-1 its slopes were half of what was foretold.
What is measured of both on fresh seeds decides.
"""

from collections.abc import Callable, Sequence
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from paramsearch.discovery.solver.certainty import RISE, distances
from paramsearch.discovery.solver.gauss_newton import Values
from paramsearch.discovery.solver.linear_model import Bounds, LinearModel
from paramsearch.rules.gauge import tidy
from paramsearch.rules.variable import Variable

Array = NDArray[np.float64]

FRACTIONS = (0.5, 0.25)
"""Steps of simple exponents, the simplest first."""

RELUCTANCE = RISE
"""Rise of F, per unit of an exponent, that leaving the start must be worth: what chance alone may
bring about is not."""

CHANCE = 0.9973
"""Probability of three standard deviations. Errors are known from some four seeds, with which two
are exceeded too often: the rise at the exact exponents was above 14.3, the 95.4 % point, in one of
24 solves of an mlp (16.2), and below 12 in the others."""


def simplest(model: LinearModel, values: Values, variables: Sequence[Variable]) -> Values:
    """Find the multiples of 1/2, or else of 1/4, that fit the slopes best.

    Of all points of the lattice the one with the smallest F counts: exponents that act alike are
    rounded together, not each by itself. Where F hardly tells them apart, exponents stay as near to
    their start as they can. It is taken if F rises by no more than chance allows (the
    99.7 % point of chi-squared with as many degrees as exponents).

    Args:
        model: The slopes around the solution.
        values: The solution.
        variables: The free exponents.

    Returns:
        Exponents that the slopes cannot tell from the solution; its own, to 1/100, where even
        multiples of 1/4 can be told from it.
    """
    x, bounds = np.array(values), distances(values, variables)
    start = np.array([variable.start for variable in variables])
    allowed = model.misfit(model.best(bounds)) + rise_by_chance(len(values))

    def height(d: Array) -> float:
        return model.misfit(d) + RELUCTANCE * float(np.abs(x + d - start).sum())

    for fraction in FRACTIONS:
        d = _nearest(height, x, bounds, fraction)
        if model.misfit(d) <= allowed:
            return tuple(tidy(round(float(value), 6)) for value in x + d)
    return tuple(tidy(round(value, 2)) for value in values)


def rounded(values: Values, variables: Sequence[Variable]) -> Values:
    """Round every exponent by itself to multiples of 1/2.

    Args:
        values: The solution.
        variables: The free exponents, whose bounds hold.
    """
    low, high = distances(values, variables)
    x = np.array(values)
    found = np.clip(np.round(x / FRACTIONS[0]) * FRACTIONS[0], x + low, x + high)
    return tuple(tidy(round(float(value), 6)) for value in found)


def chosen(
    offered: Sequence[Values], squares: Array, variables: Sequence[Variable]
) -> tuple[Values, bool]:
    """Choose among simple rules by what was measured of them on seeds that offered none.

    Args:
        offered: Exponents of each.
        squares: Of the slopes of the solution and of each of them in units of their spread, which
            F is the sum of, (1 + offered, slopes); inf where it did not train.
        variables: The free exponents.

    Returns:
        Of those that fit as well as the solution, as far as chance lets one tell, one on the
        coarsest lattice with the smallest F, reluctance counted, and True; the first and False if
        none does.
    """
    wrong = squares.sum(axis=1)
    allowed = wrong[0] + rise_by_chance(squares.shape[1])
    start = np.array([variable.start for variable in variables])
    fitting = [
        k for k in range(len(offered)) if wrong[1 + k] <= allowed and np.isfinite(wrong[1 + k])
    ]

    def place(k: int) -> tuple[bool, float]:
        x = np.array(offered[k])
        fine = bool(np.abs(x / FRACTIONS[0] - np.round(x / FRACTIONS[0])).max() > 1e-6)
        return fine, float(wrong[1 + k] + RELUCTANCE * np.abs(x - start).sum())

    return (offered[min(fitting, key=place)], True) if fitting else (offered[0], False)


def rise_by_chance(count: int) -> float:
    """Give the rise of F that chance allows when so many numbers are fixed.

    Example:
        >>> round(rise_by_chance(1), 2)
        9.0
    """
    chi2: Any = stats.chi2  # has no types
    return float(chi2.ppf(CHANCE, count))


def _nearest(height: Callable[[Array], float], x: Array, bounds: Bounds, fraction: float) -> Array:
    """Find the lowest lattice point: round, then move by one or two exponents at a time."""

    def on_lattice(d: Array) -> Array:
        return np.clip(np.round((x + d) / fraction) * fraction - x, *bounds)

    d = on_lattice(np.zeros_like(x))
    unit = np.eye(len(x)) * fraction
    signs = (-1.0, 1.0)
    moves = [sign * way for sign, way in product(signs, unit)]
    moves += [a * p + b * q for p, q in combinations(unit, 2) for a, b in product(signs, signs)]
    while True:
        near = [np.clip(d + move, *bounds) for move in moves]
        best = min(near, key=height, default=d)
        if height(best) >= height(d) - 1e-9:
            return d
        d = best
