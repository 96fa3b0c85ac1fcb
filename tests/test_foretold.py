"""Steps that several exponents take together: against all sets of steps, one by one."""

from itertools import product

import numpy as np
import pytest

from paramsearch.discovery.evaluation import Evaluation
from paramsearch.discovery.foretold import foretold

NAMES = ("update_share/a", "update_share/b", "signal/output")  # the last may fall


def evaluation(score, slopes):
    return Evaluation(
        score, 0.0, (score - 0.1, score + 0.1), {}, [], dict(zip(NAMES, slopes, strict=True))
    )


def counted(slopes):
    return [abs(slopes[0]), abs(slopes[1]), max(slopes[2], 0.0)]


def around(point, weight, seed, missing=()):
    """Draw neighbours; what a step changes is drawn for each by itself."""
    generator = np.random.default_rng(seed)

    def drawn(near):
        slopes = generator.normal(size=3)
        slopes[2] = max(slopes[2], 0.0)
        rest = generator.normal()
        return near, evaluation(rest + weight * np.mean(counted(slopes)), slopes)

    here = drawn(point)[1]
    steps = [(axis, way) for axis in range(len(point)) for way in (-1, 1)]
    moved = [(*point[:k], point[k] + s, *point[k + 1 :]) for k, s in steps if (k, s) not in missing]
    return here, dict(map(drawn, moved))


def one_by_one(point, here, near, weight):
    """Foretell the score of every set of at least two steps."""

    def rest(e):
        return np.mean(e.per_seed) - weight * np.mean(counted(list(e.slopes.values())))

    found = {}
    for ways in product((-1, 0, 1), repeat=len(point)):
        steps = [(*point[:k], point[k] + s, *point[k + 1 :]) for k, s in enumerate(ways) if s]
        if len(steps) < 2 or any(step not in near for step in steps):
            continue
        slopes = np.array(list(here.slopes.values()))
        total = rest(here)
        for step in steps:
            slopes = slopes + np.array(list(near[step].slopes.values())) - [*here.slopes.values()]
            total += rest(near[step]) - rest(here)
        end = tuple(a + b for a, b in zip(point, ways, strict=True))
        found[end] = total + weight * np.mean(counted(slopes))
    return found


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("size", "weight"), [(2, 2.0), (4, 2.0), (4, 0.0), (5, 0.5)])
def test_the_lowest_of_all_sets_of_steps_are_given(size, weight, seed):
    point = tuple(range(3, 3 + size))
    here, near = around(point, weight, seed, missing=[(0, 1)])
    every = one_by_one(point, here, near, weight)
    lower = sorted((score, end) for end, score in every.items() if score < here.score)
    assert foretold(point, here, near, weight, 4) == [end for _, end in lower[:4]]


def test_nothing_is_given_where_nothing_is_foretold_to_be_lower():
    here = evaluation(0.0, (0.0, 0.0, 0.0))
    near = {p: evaluation(1.0, (1.0, 0.0, 0.0)) for p in ((1, 0), (-1, 0), (0, 1), (0, -1))}
    assert foretold((0, 0), here, near, 0.5, 4) == []


def test_many_exponents_are_searched_by_the_most_promising_sets():
    """Four of twelve must move together to leave the probe where it was."""
    size, pulls = 12, (3, -1, -1, -1)
    point = (0,) * size

    def read(moved):
        slope = sum(pull * x for pull, x in zip(pulls, moved, strict=False))
        rest = sum(map(abs, moved[4:])) - 0.01 * sum(moved[:4])
        return evaluation(abs(slope) / 3 + rest, (slope, 0, 0))

    steps = [(k, s) for k in range(size) for s in (-1, 1)]
    near = {q: read(q) for q in (tuple(s * (j == k) for j in range(size)) for k, s in steps)}
    assert foretold(point, read(point), near, 1.0, 1) == [(1,) * 4 + (0,) * 8]


def test_neighbours_that_stopped_before_their_probes_tell_nothing():
    """A first stage may measure losses alone."""
    here, near = around((3, 3, 3), 1.0, 0)
    bare = {p: Evaluation(e.score, 0.0, e.per_seed, {}, []) for p, e in near.items() if p[0] != 3}
    rest = {p: e for p, e in near.items() if p not in bare}
    assert foretold((3, 3, 3), here, bare | rest, 1.0, 9) == foretold((3, 3, 3), here, rest, 1.0, 9)
    assert foretold((3, 3, 3), here, bare, 1.0, 9) == []
