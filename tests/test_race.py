"""Candidates are measured stage by stage; only those that cannot win any more are stopped."""

import dataclasses

import numpy as np
import pytest
from fake_evaluator import FakeEvaluator
from test_driver import ENCODING, MUP, settings
from test_evaluate import tiny

from paramsearch.discovery.driver import Driver
from paramsearch.discovery.evaluate import Evaluator
from paramsearch.discovery.evaluation import Evaluation
from paramsearch.discovery.ledger import Ledger
from paramsearch.discovery.progress import silent
from paramsearch.discovery.race import Race, is_behind
from paramsearch.discovery.store import Store
from paramsearch.rules.rule import Rule
from paramsearch.score.objective import Objective
from paramsearch.score.stage import WHOLE, Stage

STAGES = (Stage(name="cheap", terms=("loss",), seeds=1), Stage(name="dear", terms=("loss",)))
ALL = ("loss", "probe_slopes", "lr_collapse", "sharpness_collapse")
FEW = [Rule.load(name) for name in ("sp", "mup", "ntk", "ntk-lazy")]


class Staged(FakeEvaluator):
    """Early stages see a share of what a candidate costs."""

    def evaluate(self, rules, seeds, stage=None, known=()):
        share = {"dear": 0.8, "cheap": 0.4}.get(stage.name if stage else "", 1.0)
        whole = super().evaluate(rules, seeds)
        parts = [tuple(share * score for score in e.per_seed) for e in whole]
        return [
            dataclasses.replace(
                e, score=sum(part) / len(part), per_seed=part, stage=stage.name if stage else WHOLE
            )
            for e, part in zip(whole, parts, strict=True)
        ]


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "trials.db")
    yield opened
    opened.close()


def near(distance):
    """A rule that far from muP on the grid."""
    return ENCODING.rule((MUP[0] - distance, *MUP[1:]), "near")


def test_who_cannot_win_stops_at_once(store):
    race = Race(Ledger(Staged(), store), STAGES, [0, 1])
    heats = race.run([near(d) for d in (0, 1, 4, 6)], 0)
    assert [heat.evaluation.stage for heat in heats] == [WHOLE, "cheap", "cheap", "cheap"]
    assert heats[0].evaluation.score < min(heat.evaluation.score for heat in heats[1:])


def test_at_most_half_go_on_from_a_stage(store):
    evaluator = Staged()
    evaluator.noise = 10.0  # nobody is known to be behind
    Race(Ledger(evaluator, store), STAGES[1:], [0, 1]).run([near(d) for d in range(6)], 0)
    assert evaluator.calls == [(6, (0, 1)), (1, (0, 1)), (2, (0, 1))]


def test_who_stopped_is_told_as_what_the_best_one_would_make_of_it(store):
    race = Race(Ledger(Staged(), store), STAGES[1:], [0, 1])
    best, *others = race.run([near(d) for d in (1, 3, 5, 6)], 0)
    assert best.told == best.evaluation.score
    for heat in others:
        assert heat.told == pytest.approx(heat.evaluation.score + 0.2 * best.evaluation.score)


def test_a_later_stage_sees_more_seeds_of_fewer(store):
    evaluator = Staged()
    Race(Ledger(evaluator, store), STAGES, [0, 1, 2]).run([near(d) for d in (0, 1, 4)], 0)
    assert evaluator.calls == [(3, (0,)), (1, (0, 1, 2)), (1, (0, 1, 2))]


def test_a_better_candidate_takes_the_lead_in_a_later_generation(store):
    race = Race(Ledger(Staged(), store), STAGES, [0, 1])
    race.run([near(6)], 0)
    assert race.run([near(0), near(5)], 1)[0].whole
    assert not race.run([near(2)], 2)[0].whole


def test_without_stages_everything_is_measured(store):
    heats = Race(Ledger(FakeEvaluator(), store), (), [0, 1]).run([near(0), near(6)], 0)
    assert all(heat.whole for heat in heats)


@pytest.mark.parametrize(
    ("scores", "behind"),
    [((0.5, 0.5), True), ((0.1, 0.1), False), ((0.105, 0.125), False), ((0.1, 5.0), False)],
)
def test_worse_counts_beyond_chance_alone(scores, behind):
    best = Evaluation(0.1, 0.01, (0.09, 0.11, 0.1), {}, [])
    assert is_behind(Evaluation(sum(scores) / 2, 0.0, scores, {}, []), best) == behind


def test_a_search_by_stages_finds_the_same_rule_with_less(store, tmp_path):
    found, calls = [], []
    for number, stages in enumerate(((), STAGES)):
        evaluator, kept = Staged(), Store(tmp_path / f"{number}.db")
        asked = settings(budget=60, polish_rounds=20)
        goal = Objective.load("transfer").model_copy(update={"stages": stages})
        driver = Driver(asked, ENCODING, Ledger(evaluator, kept), {}, silent, objective=goal)
        found.append(driver.run())
        calls.append(sum(t.stage == "search" for t in kept.trials()))
        kept.close()
    assert found[0].rule.groups == found[1].rule.groups
    assert calls[1] < 0.5 * calls[0]
    assert all(step.evaluation.stage == WHOLE for step in found[0].steps)


@pytest.fixture(scope="module")
def measured():
    """The whole evaluation of some rules on a real model, and those of its stages."""
    about = tiny(step=0.5, window=1)
    fidelity = about.objective.fidelity.model_copy(update={"ratios": (1, 2, 4), "seeds": 2})
    about = dataclasses.replace(
        about, objective=about.objective.model_copy(update={"fidelity": fidelity})
    )
    evaluator = Evaluator(about, start=Rule.load("sp"))
    first = Stage(name="probes", terms=("loss", "probe_slopes"))
    stages = [first, Stage(name="curves", terms=ALL, ratios=(2,)), None]
    counts, found = [], []
    for stage in stages:
        before = evaluator.member_steps
        found.append(evaluator.evaluate(FEW, [0, 1], stage))
        counts.append(evaluator.member_steps - before)
    return found, counts


def test_every_stage_is_a_lower_bound_of_the_next(measured):
    found, _ = measured
    scores = np.array([[e.per_seed for e in stage] for stage in found])
    assert (np.diff(scores, axis=0) > -1e-6).all()
    assert (scores[2] > scores[0] + 0.01).any()


def test_a_stage_measures_only_what_it_names(measured):
    found, counts = measured
    sizes = [[len(curve["lrs"]) for curve in stage[0].curves] for stage in found]
    assert sizes == [[5, 1, 1], [5, 5, 1], [5, 5, 5]]  # the base is shared by all
    assert set(found[0][0].terms) == {"loss", "probe_slopes"}
    assert set(found[1][0].terms) == set(found[2][0].terms) == set(ALL)
    assert counts[1] < counts[2]
