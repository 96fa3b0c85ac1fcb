"""What the score loses at a quarter off, on scores with a closed form."""

import dataclasses

import pytest

from paramsearch.discovery.answers.sensitivity import sensitivities
from paramsearch.discovery.evaluation import Evaluation
from paramsearch.rules.variable import Variable

VARIABLES = (
    Variable("input", "lr", "width", -1.0, 1.0, 0.125, 0.0),
    Variable("hidden", "lr", "width", -2.0, 0.0, 0.25, 0.0),
    Variable("output", "init", "width", -1.0, 0.0, 0.5, 0.0),
)
BEST = (8, 4, 0)  # 0, -1, -1: the last at its lower bound
WEIGHTS = (1.0, 16.0, 0.0)


def bowl(points, stage, number, rival=None):
    """A quadratic bowl with noise that all rules share."""
    assert (stage, number) == ("sensitivity", 0)
    found = []
    for point in points:
        places = zip(WEIGHTS, VARIABLES, point, BEST, strict=True)
        score = sum(w * (v.values[k] - v.values[b]) ** 2 for w, v, k, b in places)
        per_seed = tuple(score + noise for noise in (0.1, -0.1))
        found.append(Evaluation(score, 0.1, per_seed, {}, []))
    return found


@pytest.fixture(scope="module")
def found():
    return sensitivities(bowl, VARIABLES, BEST)


def test_exponents_come_in_the_order_of_what_they_cost(found):
    assert [s.variable.group for s in found] == ["hidden", "input", "output"]
    assert [s.most for s in found] == pytest.approx([1.0, 1 / 16, 0.0])


def test_exponents_move_by_the_multiple_of_their_step_nearest_to_a_quarter(found):
    assert [s.offset for s in found] == [0.25, 0.25, 0.5]
    assert [s.value for s in found] == [-1.0, 0.0, -1.0]


def test_losses_are_paired_over_seeds(found):
    hidden = found[0]
    assert hidden.below.lost.mean == pytest.approx(1.0)
    assert hidden.below.lost.error == pytest.approx(0) and not hidden.below.estimated
    assert hidden.matters


def test_outside_the_bounds_nothing_is_measured(found):
    output = found[-1]
    assert output.below is None and output.above.lost.mean == 0
    assert not output.matters
    assert output.to_json()["below"] is None and output.to_json()["above"]["mean"] == 0


def test_a_loss_within_the_spread_does_not_matter():
    draws = iter([(1.0, 1.0), (0.9, 1.3), (1.0, 1.2), (1.5, 1.6), (1.5, 1.5)])

    def measure(points, stage, number, rival=None):
        seeds = [next(draws) for _ in points]
        return [Evaluation(sum(s) / 2, 0.0, s, {}, []) for s in seeds]

    first, second = sensitivities(measure, VARIABLES[:2], BEST[:2])
    assert (first.variable.group, first.matters) == ("hidden", True)
    assert (second.variable.group, second.matters) == ("input", False)


def test_what_was_measured_in_part_is_an_estimate():
    def measure(points, stage, number, rival=None):
        found = bowl(points, stage, number)
        return [dataclasses.replace(e, stage="probes") if e.score else e for e in found]

    hidden, _, output = sensitivities(measure, VARIABLES, BEST)
    assert hidden.above.estimated and hidden.to_json()["above"]["estimated"]
    assert not output.above.estimated
