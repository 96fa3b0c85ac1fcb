"""Steps that several exponents take together, foretold from the steps that they take alone.

Where rules form a family (a branch multiplier against learning rates, a readout's init against its
learning rate), only several exponents together lead from one member to the next: every step alone
throws the probes off. Let s be the slopes of the probes at a point, and s + a_j those at its
neighbour by step j. The score is ``w mean |s|`` and a rest r, which step j changes by b_j. If both
are linear, steps J together have the score

    r + sum_J b_j + w mean |s + sum_J a_j|.

Around the ends of recorded climbs (resmlp, mlp, uv) what this foretells to be lower was lower, or
nothing was and the end was the best rule known.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from paramsearch.discovery.encoding import Point
from paramsearch.discovery.evaluation import Evaluation
from paramsearch.probes.quantities import may_fall

Array = NDArray[np.float64]

KEPT = 512
"""Sets of steps that are extended by one more; with up to 5 exponents, all of them."""


class _Parts(NamedTuple):
    """Sums that are linear in the steps: of slopes, (sets, probes), and of the rest, (sets,)."""

    slopes: Array
    rest: Array


def foretold(
    point: Point, here: Evaluation, near: Mapping[Point, Evaluation], weight: float, count: int
) -> list[Point]:
    """Give points several steps away whose score is foretold to be lower than here.

    Args:
        point: Where the steps begin.
        here: Its evaluation.
        near: Its neighbours, each with one exponent moved; those without probes tell nothing.
        weight: w, of the mean absolute slope in the score.
        count: How many to give at most.

    Returns:
        The lowest first.

    Example:
        >>> def read(a, b):  # one probe, which two steps together leave as it is
        ...     score = abs(a + b) + 0.1 * a
        ...     return Evaluation(score, 0.0, (score,), {}, [], {"update_share/w": a + b})
        >>> near = {(a, b): read(a, b) for a, b in ((1, 0), (-1, 0), (0, 1), (0, -1))}
        >>> foretold((0, 0), read(0, 0), near, 1.0, 4)
        [(-1, 1)]
    """
    names = sorted(here.slopes)
    points = [p for p, e in near.items() if e.slopes.keys() >= here.slopes.keys()]
    falls = np.array([may_fall(name) for name in names], dtype=bool)

    def size(slopes: Array) -> Array:
        wrong = np.abs(np.where(falls, np.maximum(slopes, 0.0), slopes))
        return weight * wrong.mean(axis=1) if names else np.zeros(len(slopes))

    every = [here, *(near[p] for p in points)]
    slopes = np.array([[e.slopes[name] for name in names] for e in every]).reshape(len(every), -1)
    rest = np.array([np.mean(e.per_seed) for e in every]) - size(slopes)
    start = _Parts(slopes[:1], rest[:1])
    steps = _Parts(slopes[1:] - slopes[0], rest[1:] - rest[0])
    moves = np.array(points, dtype=int).reshape(len(points), len(point)) - np.array(point)

    found: dict[Point, float] = {}
    sets, parts = np.zeros((1, len(point)), dtype=int), start
    for number in range(1, len(point) + 1):
        sets, parts = _extended(sets, parts, moves, steps)
        scores = parts.rest + size(parts.slopes)
        best = np.argsort(scores, kind="stable")[:KEPT]
        sets, parts = sets[best], _Parts(parts.slopes[best], parts.rest[best])
        if number > 1:
            ends = (tuple((np.array(point) + move).tolist()) for move in sets)
            found |= zip(ends, scores[best].tolist(), strict=True)
    now = float(np.mean(here.per_seed))
    return [p for p in sorted(found, key=lambda p: found[p]) if found[p] < now][:count]


def _extended(sets: Array, parts: _Parts, moves: Array, steps: _Parts) -> tuple[Array, _Parts]:
    """Add to every set one step of an exponent that it leaves alone; each new set once."""
    free = (sets[:, None] * moves[None]).any(axis=2) == 0
    old, step = np.nonzero(free)
    _, first = np.unique(sets[old] + moves[step], axis=0, return_index=True)
    old, step = old[first], step[first]
    slopes, rest = parts.slopes[old] + steps.slopes[step], parts.rest[old] + steps.rest[step]
    return sets[old] + moves[step], _Parts(slopes, rest)
