"""From the best of the search to a local optimum, what the data determine of it, and fractions.

All comparisons are paired: the same seeds for every candidate, so that what the seeds share
cancels. With ``d`` the per-seed differences of two scores over n seeds, one candidate is better
when ``mean(d) < -2 se(d)``, where ``se(d) = std(d) / sqrt(n)``: with one standard error, some of
the many neighbours of a point are better by chance alone, and the climb wanders; for the few points
that were foretold to be better, one is enough. A candidate is tied with the best when ``mean(d) <=
max(spread, min(se(d), 2 spread))``, where ``spread`` is the standard error of the best one's own
score: the bound by 2 spread is there because a candidate that fails with a single seed has
``mean(d) = se(d)`` however large the failure is.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from paramsearch.discovery.encoding import Point
from paramsearch.discovery.evaluation import Evaluation
from paramsearch.discovery.foretold import foretold
from paramsearch.discovery.paired import SURE, gap, mean_of

JOINT = 4
"""Points in a round of the climb that take several steps at once, at most."""

LOOKS = 2
"""Rounds of fresh seeds on which the end of a climb is held against the rule before, at most."""


class Measure(Protocol):
    """Evaluates grid points on the seeds of the polish, for a stage and round.

    Of points that do not look better than a rival, an estimate may be given.
    """

    def __call__(
        self, points: Sequence[Point], stage: str, number: int, rival: Point | None = None
    ) -> list[Evaluation]:
        """Give the evaluations in order."""
        ...


@dataclass(frozen=True, slots=True)
class Polished:
    """A local optimum with the box of values that the data cannot tell from it.

    Attributes:
        point: Grid indices.
        evaluation: On the seeds of the polish.
        low: For each exponent, the lowest index that is tied, the others held.
        high: The highest.
    """

    point: Point
    evaluation: Evaluation
    low: Point
    high: Point


def is_better(a: Evaluation, b: Evaluation) -> bool:
    """Say whether a beats b by more than two standard errors of their paired difference."""
    difference = gap(a.per_seed, b.per_seed)
    return difference.mean < -SURE * difference.error


def is_tied(a: Evaluation, best: Evaluation) -> bool:
    """Say whether a is no worse than the best within the spread."""
    difference = gap(a.per_seed, best.per_seed)
    return difference.mean <= max(best.spread, min(difference.error, 2 * best.spread))


def climb(
    measure: Measure,
    counts: Sequence[int],
    starts: Sequence[Point],
    rounds: int,
    weight: float = 0.0,
    reach: Sequence[int] = (1,),
) -> tuple[Point, Point]:
    """Walk from the best of some points, step by grid step, until no point around is better.

    The first of the starts is held against the others. Each round measures every neighbour one step
    away as one population, the first round those farther away, too; then points that take several
    of these steps and are foretold to be lower, and moves to the best of all. Where slopes do not
    count, that is the one point which takes all improving steps at once.

    Args:
        measure: Evaluates points on common seeds.
        counts: Grid sizes.
        starts: Points to choose the beginning from, the likeliest first.
        rounds: Moves at most.
        weight: Of the mean absolute probe slope in the score; 0 if that does not count.
        reach: Grid steps from the point where the walk begins to its neighbours.

    Returns:
        The best of the starts, where the walk began, and the point reached.
    """
    found = dict(zip(starts, measure(starts, "climb", 0, starts[0]), strict=True))
    ended = {p: e for p, e in found.items() if e.stage == found[starts[0]].stage}  # no estimates
    begun = point = min(ended, key=lambda p: _mean(ended[p]))
    best = ended[point]
    for number in range(1, rounds + 1):
        steps = [side * far for far in (reach if number == 1 else (1,)) for side in (-1, 1)]
        near = [_moved(point, axis, step) for axis in range(len(counts)) for step in steps]
        near = [p for p in near if _inside(p, counts)]
        found = dict(zip(near, measure(near, "climb", number, point), strict=True))
        better = {p: e for p, e in found.items() if e.stage == best.stage and is_better(e, best)}
        # Without slopes to foretell from, losses that fall by chance would only be added up.
        joint = foretold(point, best, found if weight else better, weight, JOINT if weight else 1)
        rival = min(better, key=lambda p: _mean(better[p]), default=point)
        further = zip(joint, measure(joint, "climb", number, rival), strict=True)
        better |= {p: e for p, e in further if e.stage == best.stage and _looks_better(e, best)}
        if not better:
            break
        point = min(better, key=lambda p: _mean(better[p]))
        best = better[point]
    return begun, point


def confirmed(measure: Measure, fresh: Measure, point: Point, before: Point) -> Point:
    """Give a point that a climb arrived at if more seeds say, too, that it beats the one before.

    On the seeds of the climb the best of many neighbours is partly a lucky one. On seeds that chose
    neither, a standard error is enough: it beat its rivals by two on the others. Where it is lower,
    but by less, more seeds are asked for once, and two standard errors over all seeds are enough.

    Args:
        measure: Evaluates points on the seeds of the climb.
        fresh: On seeds that no climb has seen, others in each round.
        point: The end of the climb.
        before: What to keep where the two are tied.
    """
    if point == before:
        return point
    chosen = _differences(measure([point, before], "climb", 0))
    unseen: list[float] = []
    for number in range(LOOKS):
        unseen += _differences(fresh([point, before], "confirm", number))
        if mean_of(unseen).promising:
            return point
        if statistics.fmean(unseen) >= 0:
            return before
    return point if mean_of(chosen + unseen).word(0.0) == "lower" else before


@dataclass(frozen=True, slots=True)
class Box:
    """The tied values around a point, one exponent at a time.

    Attributes:
        low: For each exponent the lowest tied index.
        high: The highest; every value tried between them is tied too.
        better: The best point tried that beats the centre, None if none does.
    """

    low: Point
    high: Point
    better: Point | None


def intervals(measure: Measure, counts: Sequence[int], point: Point) -> Box:
    """Find for each exponent the interval of tied values around a point, the others held.

    Args:
        measure: Evaluates points on common seeds.
        counts: Grid sizes.
        point: The optimum.

    Returns:
        The intervals.
    """
    best = measure([point], "interval", 0)[0]
    low, high = list(point), list(point)
    beaten: dict[Point, float] = {}
    open_sides = [(axis, step) for axis in range(len(counts)) for step in (-1, 1)]
    for distance in range(1, max(counts)):
        tries = {side: _moved(point, side[0], side[1] * distance) for side in open_sides}
        tries = {side: p for side, p in tries.items() if _inside(p, counts)}
        if not tries:
            break
        results = measure(list(tries.values()), "interval", distance, point)
        found = dict(zip(tries, results, strict=True))
        beaten |= {tries[side]: _mean(e) for side, e in found.items() if is_better(e, best)}
        open_sides = [side for side, e in found.items() if is_tied(e, best)]
        for axis, step in open_sides:
            (low if step < 0 else high)[axis] += step
    better = min(beaten, key=lambda p: beaten[p]) if beaten else None
    return Box(tuple(low), tuple(high), better)


def snap(
    measure: Measure, point: Point, fractions: Sequence[Sequence[int]]
) -> tuple[Point, Evaluation]:
    """Move exponents to simple fractions, one by one, where that costs nothing.

    Args:
        measure: Evaluates points on common seeds.
        point: The optimum.
        fractions: For each exponent the indices of the simple fractions nearest to its value; empty
            or holding the index itself when there is nothing to do.

    Returns:
        The snapped point and its evaluation; each step was tied with the optimum itself, so that
        small losses do not add up.
    """
    best = measure([point], "snap", 0)[0]
    current, evaluation = point, best
    for axis, indices in enumerate(fractions):
        if not indices or point[axis] in indices:
            continue
        tries = [(*current[:axis], index, *current[axis + 1 :]) for index in indices]
        found = measure(tries, "snap", axis + 1, point)
        tied = [p for p, e in zip(tries, found, strict=True) if is_tied(e, best)]
        whole = measure(tied, "snap", axis + 1)  # those that are tied as far as they were measured
        sure = [(e, p) for e, p in zip(whole, tied, strict=True) if is_tied(e, best)]
        if sure:
            evaluation, current = min(sure, key=lambda pair: _mean(pair[0]))
    return current, evaluation


def _looks_better(a: Evaluation, b: Evaluation) -> bool:
    return gap(a.per_seed, b.per_seed).promising


def _differences(pair: Sequence[Evaluation]) -> list[float]:
    a, b = pair
    return [x - y for x, y in zip(a.per_seed, b.per_seed, strict=True)]


def _mean(evaluation: Evaluation) -> float:
    return statistics.fmean(evaluation.per_seed)


def _moved(point: Point, axis: int, step: int) -> Point:
    return (*point[:axis], point[axis] + step, *point[axis + 1 :])


def _inside(point: Point, counts: Sequence[int]) -> bool:
    return all(0 <= index < count for index, count in zip(point, counts, strict=True))
