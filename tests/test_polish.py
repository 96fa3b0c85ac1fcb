"""The polish: paired comparisons, climbing, intervals, fractions, and cheap stages first."""

import dataclasses
import json
import math

import pytest
from fake_evaluator import FakeEvaluator
from test_driver import ENCODING, MUP, Solved, settings

from paramsearch.discovery.driver import Driver
from paramsearch.discovery.evaluation import Evaluation
from paramsearch.discovery.ledger import Ledger
from paramsearch.discovery.polish import (
    Box,
    climb,
    confirmed,
    intervals,
    is_better,
    is_tied,
    snap,
)
from paramsearch.discovery.progress import silent
from paramsearch.discovery.staged import Staged
from paramsearch.discovery.store import Store
from paramsearch.score.objective import Objective
from paramsearch.score.stage import Stage


def evaluation(*per_seed, spread=0.1):
    return Evaluation(sum(per_seed) / len(per_seed), spread, per_seed, {}, [])


BEST = evaluation(1.0, 2.0, 3.0, spread=0.2)
PAIRS = [  # a, better than BEST, tied with BEST
    (evaluation(0.9, 1.9, 2.9), True, True),
    (evaluation(1.0, 2.0, 3.0), False, True),
    (evaluation(1.1, 2.2, 3.1), False, True),
    (evaluation(1.5, 2.5, 3.5), False, False),
    (evaluation(1.0, 2.0, 900.0), False, False),  # mean difference = standard error, yet no tie
    (evaluation(0.0, 3.0, 3.0), False, True),
]


@pytest.mark.parametrize(("a", "better", "tied"), PAIRS)
def test_paired_comparison(a, better, tied):
    assert is_better(a, BEST) == better
    assert is_tied(a, BEST) == tied


def bowl(points, stage, number, rival=None):
    return [evaluation(d, d + 0.1, spread=0.3) for d in (math.dist(p, (3, 5)) for p in points)]


def test_climb_walks_to_the_bottom():
    begun, point = climb(bowl, (9, 9), [(0, 0), (8, 8)], rounds=20)
    assert (begun, point) == ((0, 0), (3, 5))
    assert climb(bowl, (9, 9), [(0, 0), (8, 8), (3, 4)], rounds=20)[0] == (3, 4)


CONFIRMED = [  # differences of the end of a climb from the simple rule: in rounds of fresh seeds
    ([(-0.4, -0.5)], (1,), 1),
    ([(0.0, 0.0)], (2,), 1),
    ([(0.5, 0.4)], (2,), 1),
    ([(-0.4, 0.3), (-0.5, -0.4)], (1,), 2),  # lower, not by a standard error: more seeds
    ([(-0.4, 0.3), (-0.1, 0.3)], (2,), 2),
    ([(-0.4, 0.3), (-0.4, 0.3)], (2,), 2),
]


@pytest.mark.parametrize(("rounds", "kept", "asked"), CONFIRMED)
def test_the_end_of_a_climb_must_beat_the_simple_rule_on_fresh_seeds(rounds, kept, asked):
    numbers = []

    def fresh(points, stage, number, rival=None):
        numbers.append(number)
        return [evaluation(*rounds[number]), evaluation(0.0, 0.0)]

    def chosen(points, stage, number, rival=None):
        return [evaluation(-9.0, 8.5), evaluation(0.0, 0.0)]

    assert confirmed(chosen, fresh, (1,), (2,)) == kept
    assert numbers == list(range(asked))


def test_all_seeds_together_may_confirm_what_fresh_ones_leave_open():
    """Two standard errors over all, where the fresh ones alone show less than one."""

    def chosen(points, stage, number, rival=None):
        return [evaluation(*[-0.5] * 6), evaluation(*[0.0] * 6)]

    def fresh(points, stage, number, rival=None):
        return [evaluation(-0.4, 0.3), evaluation(0.0, 0.0)]

    assert confirmed(chosen, fresh, (1,), (2,)) == (1,)


def test_the_simple_rule_itself_is_not_measured_again():
    never = lambda *_: pytest.fail("measured")  # noqa: E731
    assert confirmed(never, never, (1,), (1,)) == (1,)


def valley(points, stage, number, rival=None):
    """Two exponents that only together leave the probe's slope at 0, and a lower loss that way."""
    found = []
    for a, b in points:
        loss = -0.05 * a
        scores = [loss + abs(a + b - 8) + noise for noise in (0.0, 0.001, -0.001)]
        found.append(
            dataclasses.replace(
                evaluation(*scores, spread=0.001), slopes={"update_share/w": a + b - 8.0}
            )
        )
    return found


def test_a_climb_follows_a_valley_that_no_single_step_follows():
    _, single = climb(valley, (9, 9), [(2, 6)], rounds=9)
    _, joint = climb(valley, (9, 9), [(2, 6)], rounds=9, weight=1.0)
    assert single == (2, 6) and joint == (8, 0)


def test_a_climb_does_not_move_to_an_estimate():
    """A neighbour that looked better, but not among the best, was not measured wholly."""

    def measure(points, stage, number, rival=None):
        found = zip(points, bowl(points, stage, number), strict=True)
        return [dataclasses.replace(e, stage="whole" if p == rival else "half") for p, e in found]

    assert climb(measure, (9, 9), [(0, 0)], rounds=3) == ((0, 0), (0, 0))


def test_a_start_that_stopped_early_is_no_beginning():
    """Its score is an estimate."""

    def measure(points, stage, number, rival=None):
        stages = ["whole" if point == rival or rival is None else "half" for point in points]
        found = zip(bowl(points, stage, number), stages, strict=True)
        return [dataclasses.replace(e, stage=name) for e, name in found]

    _, point = climb(measure, (9, 9), [(0, 0), (3, 5)], rounds=0)
    assert point == (0, 0)


def test_the_first_round_reaches_beyond_what_a_step_can_tell():
    asked = []

    def steps(points, stage, number, rival=None):  # flat but for noise, and lower from 4 on
        asked.append((number, sorted(points)))
        return [evaluation(-(p[0] >= 4), 0.1 * (p[0] % 2) - (p[0] >= 4)) for p in points]

    assert climb(steps, (9,), [(0,)], rounds=9) == ((0,), (0,))
    asked.clear()
    assert climb(steps, (9,), [(0,)], rounds=9, reach=(1, 2, 4)) == ((0,), (4,))
    near = [points for number, points in asked if number and points]
    assert near[:2] == [[(1,), (2,), (4,)], [(3,), (5,)]]


def test_climb_is_bounded():
    _, point = climb(bowl, (90, 90), [(80, 80)], rounds=2)
    assert point == (78, 78)


def test_intervals_reach_as_far_as_the_tie():
    def wide(points, stage, number, rival=None):
        return [evaluation(0.0 if abs(p[0] - 3) < 3 else 9.0, spread=0.3) for p in points]

    assert intervals(wide, (9, 4), (3, 1)) == Box((1, 0), (5, 3), None)


def test_intervals_notice_a_better_point_beyond_a_neighbour():
    def two_steps(points, stage, number, rival=None):
        return [evaluation(-1.0 if p == (5,) else 0.0, spread=0.3) for p in points]

    assert intervals(two_steps, (9,), (3,)).better == (5,)


def test_snap_takes_fractions_only_where_they_are_free():
    def slope(points, stage, number, rival=None):
        return [evaluation(abs(p[0] - 3) * 0.01 + abs(p[1] - 3), spread=0.1) for p in points]

    point, _ = snap(slope, (3, 3), [[2, 4], [2, 4]])
    assert point in [(2, 3), (4, 3)]
    assert snap(slope, (3, 3), [[3], []])[0] == (3, 3)


def test_fractions_are_measured_wholly_before_they_are_taken():
    asked = []

    def measure(points, stage, number, rival=None):
        asked.append((tuple(points), rival))
        lost = 0.0 if rival else 1.0  # what looks tied by estimates is worse on the whole
        return [evaluation(lost * (p != (3,)), spread=0.1) for p in points]

    assert snap(measure, (3,), [[2, 4]])[0] == (3,)
    assert asked[1:] == [(((2,), (4,)), (3,)), (((2,), (4,)), None)]


class Prefixed(FakeEvaluator):
    """Every stage sees half of what a candidate costs."""

    def evaluate(self, rules, seeds, stage=None, known=()):
        found = super().evaluate(rules, seeds)
        if stage is None:
            return found
        return [
            dataclasses.replace(
                e, score=e.score / 2, per_seed=tuple(s / 2 for s in e.per_seed), stage=stage.name
            )
            for e in found
        ]


def test_a_polish_by_stages_ends_where_one_without_does_with_fewer_whole_ones(tmp_path):
    found, whole = [], []
    for stages in ((), (Stage(name="half", terms=("loss",)),)):
        kept = Store(tmp_path / f"{len(stages)}.db")
        goal = Objective.load("transfer").model_copy(update={"stages": stages})
        asked = settings(budget=16, polish_rounds=20)
        ledger = Ledger(Prefixed(), kept)
        found.append(Driver(asked, ENCODING, ledger, {}, silent, objective=goal).run())
        trials = [t for t in kept.trials() if t.stage in ("climb", "interval")]
        whole.append(sum("stage" not in json.loads(trial.key) for trial in trials))
        kept.close()
    assert found[0].best == found[1].best
    assert whole[1] < 0.6 * whole[0]


def test_points_measured_whole_are_not_estimated_later(tmp_path):
    heard = []
    kept = Store(tmp_path / "trials.db")
    staged = Staged(
        Ledger(Prefixed(), kept),
        (Stage(name="half", terms=("loss",)),),
        [0, 1],
        lambda point: ENCODING.rule(point, "a"),
        lambda stage, whole: heard.append(len(whole)),
    )
    best, far = MUP, tuple(0 for _ in MUP)
    (alone,) = staged([far], "polish", 0)
    (again,) = staged([far], "polish", 1, best)
    assert again == alone and again.stage == "whole"
    near = (MUP[0] + 1, *MUP[1:])
    (stopped,) = staged([near], "polish", 2, best)
    assert stopped.stage == "half" and staged.met[near].score < stopped.score
    assert heard == [1, 1, 0, 0]  # whole evaluations: the first point, the rival, then stages alone
    kept.close()


def test_what_looks_better_than_the_rival_is_measured_to_the_end(tmp_path):
    kept = Store(tmp_path / "trials.db")
    stages = (Stage(name="half", terms=("loss",)),)
    staged = Staged(
        Ledger(Prefixed(), kept),
        stages,
        [0, 1],
        lambda point: ENCODING.rule(point, "a"),
        lambda stage, whole: None,
    )
    near, far = ((MUP[0] + 1, *MUP[1:]), tuple(0 for _ in MUP))
    better, rival, worse = staged([MUP, near, far], "polish", 0, near)
    assert [e.stage for e in (better, rival, worse)] == ["whole", "whole", "half"]
    (there,) = staged([far], "polish", 1)
    assert worse.score - rival.score == pytest.approx((there.score - rival.score) / 2)
    kept.close()


def test_of_points_that_look_better_the_two_best_are_measured_to_the_end(tmp_path):
    kept = Store(tmp_path / "trials.db")
    stages = (Stage(name="half", terms=("loss",)),)
    measured = (Ledger(Prefixed(), kept), stages, [0, 1])
    staged = Staged(*measured, lambda p: ENCODING.rule(p, "a"), lambda stage, whole: None)
    near = [tuple(x - d * (k == 0) for k, x in enumerate(MUP)) for d in (3, 0, 2, 1)]
    far = tuple(0 for _ in MUP)
    found = staged(near, "polish", 0, far)
    assert [e.stage for e in found] == ["half", "whole", "half", "whole"]
    kept.close()


class Lucky(Solved):
    """The seeds of the polish favour one neighbour of the solver's rule."""

    def _evaluation(self, rule, seeds):
        found = super()._evaluation(rule, seeds)
        neighbour = (MUP[0] + 1, *MUP[1:])
        if set(seeds) != {2, 3, 4, 5} or not rule.equivalent(ENCODING.rule(neighbour, "a")):
            return found
        lower = tuple(score - 1 for score in found.per_seed)
        return dataclasses.replace(found, score=found.score - 1, per_seed=lower)


def test_luck_on_the_seeds_of_the_polish_does_not_move_the_solvers_rule(tmp_path):
    store = Store(tmp_path / "trials.db")
    ledger = Ledger(Lucky(), store)
    found = Driver(settings(solve=True), ENCODING, ledger, {}, silent).run()
    store.close()
    assert found.best.point == MUP
