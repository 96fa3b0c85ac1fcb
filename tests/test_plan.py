"""What is counted before a search starts, against what the search then makes."""

import dataclasses

import pytest
from fake_evaluator import FakeEvaluator
from test_driver import ENCODING
from test_evaluate import tiny, tracked

from paramsearch.discovery import plan
from paramsearch.discovery.driver import Driver
from paramsearch.discovery.evaluate import Evaluator
from paramsearch.discovery.evaluation import Evaluation
from paramsearch.discovery.ledger import Ledger
from paramsearch.discovery.plan import at_most, expected
from paramsearch.discovery.polish import LOOKS
from paramsearch.discovery.progress import silent
from paramsearch.discovery.rounds import Round, plan_of
from paramsearch.discovery.settings import SearchSettings
from paramsearch.discovery.store import Store
from paramsearch.rules.rule import Rule
from paramsearch.rules.space import Space
from paramsearch.score.objective import Objective
from paramsearch.score.stage import Stage
from paramsearch.tracing.trace import trace

FEW = [Rule.load(name) for name in ("sp", "mup", "ntk")]
COUNTS = [len(variable.values) for variable in ENCODING.variables]
TRANSFER = Objective.load("transfer")
ALL = ("loss", "probe_slopes", "lr_collapse", "sharpness_collapse")
PLAIN = TRANSFER.model_copy(update={"stages": ()})


def settings(**asked):
    return SearchSettings("mlp", "width", "adam", "digits", "width", "tiny", **asked)


def weighing(about, **weights):
    objective = about.objective
    changed = objective.model_copy(update={"weights": objective.weights.model_copy(update=weights)})
    return dataclasses.replace(about, objective=changed)


def evaluated(about):
    """Member-steps of the base, the references and three rules."""
    evaluator = Evaluator(about, start=Rule.load("sp"))
    evaluator.evaluate(FEW, [0, 1])
    return evaluator.member_steps


@pytest.mark.parametrize("weights", [{}, {"sharpness_collapse": 0.0, "probe_slopes": 0.0}])
def test_dense_counts_are_exact(weights):
    about = weighing(tiny(step=0.5, base="dense"), **weights)
    assert evaluated(about) == plan_of([Round("search", 3, 2)], about.objective).member_steps


def test_what_a_stage_measured_is_not_counted_again():
    about = wide()
    first = Stage(name="probes", terms=("loss", "probe_slopes"))
    second = Stage(name="curves", terms=ALL, ratios=(2,))
    rounds = [
        Round("probes", 3, 2, stage=first),
        Round("curves", 2, 2, stage=second, after=(first,)),
        Round("search", 1, 2, after=(first, second)),
    ]
    evaluator = Evaluator(about, start=Rule.load("sp"))
    found: list[list[Evaluation]] = []
    for each, few in zip(rounds, (FEW, FEW[:2], FEW[:1]), strict=True):
        known = [list(earlier) for earlier in zip(*(f[: len(few)] for f in found), strict=True)]
        found.append(evaluator.evaluate(few, [0, 1], each.stage, known))
    assert evaluator.member_steps == plan_of(rounds, about.objective).member_steps
    (alone,) = Evaluator(about, start=Rule.load("sp")).evaluate(FEW[:1], [0, 1])
    assert found[2][0].per_seed == pytest.approx(alone.per_seed, rel=1e-4)
    assert found[2][0].terms == pytest.approx(alone.terms, rel=1e-4)


def test_tracked_counts_are_between_one_rate_and_the_whole_window():
    about = tracked()
    made, plan = evaluated(about), plan_of([Round("search", 3, 2)], about.objective)
    assert made == pytest.approx(plan.member_steps, rel=0.3)


def test_what_is_not_weighed_is_not_probed():
    about = weighing(tiny(), sharpness_collapse=0.0, probe_slopes=0.0)
    rounds = [Round("search", 3, 2)]
    assert not any(p.probed for p in plan_of(rounds, about.objective).populations)
    probed = [p for p in plan_of(rounds, tiny().objective).populations if p.probed]
    assert [(p.ratio, p.members) for p in probed] == [(1, 2), (2, 6)]


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "trials.db")
    yield opened
    opened.close()


def wide():
    """Three scales over a factor of 4, as the solver needs them."""
    about = tiny(step=0.5, base="dense")
    fidelity = about.objective.fidelity.model_copy(update={"ratios": (1, 2, 4)})
    objective = about.objective.model_copy(update={"fidelity": fidelity})
    return dataclasses.replace(about, objective=objective)


SEARCHES = [(wide, True), (tracked, False)]


@pytest.mark.parametrize(("make", "solve"), SEARCHES)
def test_a_search_makes_no_more_than_the_bound(store, make, solve):
    about = make()
    encoding = Space.load("width").encode(trace(about.arch, axis="width").groups(), "adam")
    counts = [len(variable.values) for variable in encoding.variables]
    short = {"generation": 3, "polish_seeds": 2, "polish_rounds": 1, "patience": 0}
    asked = settings(budget=4, solve=solve, **short)
    evaluator = Evaluator(about, start=encoding.rule(encoding.start_indices, "start"))
    Driver(asked, encoding, Ledger(evaluator, store), {}, silent).run()
    told = expected(asked, about.objective, counts, 0, 4)
    most = at_most(asked, about.objective, counts, 0, 4)
    assert told.member_steps / 2 < evaluator.member_steps <= most.member_steps
    assert sum(trial.stage == "search" for trial in store.trials()) == 4


@pytest.mark.parametrize("noise", [0.01, 1.0])
@pytest.mark.parametrize("published", [{}, {rule.name: rule for rule in FEW}])
def test_trials_stay_within_the_bound_whatever_the_scores(store, noise, published):
    evaluator = FakeEvaluator()
    evaluator.noise = noise
    asked = settings(budget=40, solve=False)
    ledger = Ledger(evaluator, store)
    Driver(asked, ENCODING, ledger, published, silent).run()
    assert 40 < ledger.trials <= at_most(asked, TRANSFER, COUNTS, len(published), 40).trials


def test_the_plan_grows_with_budget_steps_and_learning_rates():
    few, many = (expected(settings(patience=0), PLAIN, COUNTS, 0, trials) for trials in (16, 48))
    window = len(TRANSFER.fidelity.lr.around(1.0))
    assert many.trials - few.trials == pytest.approx(32)
    more = many.member_steps - few.member_steps
    assert more == pytest.approx(32 * 2 * 2 * window * TRANSFER.fidelity.steps)


def test_without_the_solver_more_is_expected_after_the_sampler():
    made = {
        solve: expected(settings(solve=solve, patience=0), TRANSFER, COUNTS, 0, 32).trials
        for solve in (True, False)
    }
    assert made[False] > made[True]


def test_the_grid_bounds_what_a_search_can_train():
    plan = at_most(settings(solve=False), PLAIN, [2, 3], 0, 99)
    # Of the sampler, the polish, the climb by loss, and what confirms climbs.
    assert plan.trials == 3 * 6 + LOOKS * 5


def test_the_solver_is_counted_only_where_it_runs(monkeypatch):
    monkeypatch.setattr(plan, "COLD", plan.BEHIND_SOLVER)  # all else alike
    made = {
        solve: expected(settings(solve=solve, patience=0), TRANSFER, COUNTS, 0, 96).member_steps
        for solve in (True, False)
    }
    assert made[True] > 1.01 * made[False]


@pytest.mark.parametrize("solve", [True, False])
def test_what_confirms_the_end_of_a_climb_is_counted(solve):
    plans = [how(settings(solve=solve), PLAIN, COUNTS, 0, 96) for how in (expected, at_most)]
    rounds = [r for plan in plans for r in plan.rounds if r.why == "confirm"]
    assert [r.seeds for r in rounds] == [settings().polish_seeds] * 2
    assert all(r.rules * r.times > 0 for r in rounds)


def test_behind_the_solver_the_sampler_is_expected_to_stop_when_patience_ends():
    def searched(**asked):
        plan = expected(settings(**asked), PLAIN, COUNTS, 0, 96)
        return sum(r.rules * r.times for r in plan.rounds if r.why == "search")

    assert [searched(patience=2), searched(), searched(solve=False)] == [16, 8, 96]
    assert searched(patience=0) == searched(patience=12) == 96
