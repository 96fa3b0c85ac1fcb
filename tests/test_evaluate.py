"""Evaluation of known rules on a real model: the score tells them apart, for the right reason."""

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from lr_curves import lr_losses

from paramsearch.discovery.base_curve import BASE_SEEDS
from paramsearch.discovery.curves import recipe
from paramsearch.discovery.evaluate import Evaluator
from paramsearch.discovery.evaluation import Evaluation
from paramsearch.discovery.setting import Setting
from paramsearch.errors import ParamsearchError
from paramsearch.rules.rule import Rule
from paramsearch.score.curve import optimum
from paramsearch.score.fidelity import LrGrid
from paramsearch.score.objective import Objective
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import load_arch
from paramsearch.train.engine import train
from paramsearch.train.population import Member
from paramsearch.train.workload import prepare

RULES = ("sp", "mup", "ntk-lazy", "zero", "wild")


def setting(task="digits", optimizer="adam", **fidelity):
    objective = Objective.load("transfer")
    fidelity = objective.fidelity.model_copy(update=fidelity)
    objective = objective.model_copy(update={"fidelity": fidelity})
    return Setting(load_arch("mlp"), load_task(task), "width", optimizer, objective, "cpu", 0)


def tiny(optimizer="adam", low=1e-3, high=0.1, step=1.0, task="digits", **grid):
    lr = LrGrid(**{"low": low, "high": high, "step": step, "window": 1, **grid})
    return setting(task, optimizer, steps=8, seeds=1, ratios=(1, 2), lr=lr, sharpness=2)


def with_lr(power):
    """The standard parameterization, but with one LR exponent everywhere."""
    rule = Rule.load("sp")
    groups = [group.model_copy(update={"lr": {"width": power}}) for group in rule.groups]
    return rule.model_copy(update={"groups": tuple(groups)})


def rule_named(name):
    return (
        with_lr({"zero": -12.0, "wild": 80.0}[name])
        if name in ("zero", "wild")
        else Rule.load(name)
    )


@pytest.fixture(scope="module")
def evaluator():
    return Evaluator(setting(steps=20, seeds=1))


@pytest.fixture(scope="module")
def evaluations(evaluator):
    return dict(zip(RULES, evaluator.evaluate([rule_named(r) for r in RULES], [0]), strict=True))


@pytest.mark.parametrize("better", ["sp", "mup", "ntk-lazy"])
@pytest.mark.parametrize("worse", ["zero", "wild"])
def test_a_rule_under_which_nothing_learns_scores_badly(evaluations, better, worse):
    assert evaluations[worse].score > evaluations[better].score + 2


def test_mup_scores_better_than_sp(evaluations):
    assert evaluations["mup"].score < evaluations["sp"].score - 0.5


def test_update_probes_expose_features_that_freeze_with_scale(evaluations):
    probe = "feature_change/hidden"
    assert evaluations["ntk-lazy"].slopes[probe] < -0.25
    assert abs(evaluations["mup"].slopes[probe]) < 0.2
    terms = {name: evaluations[name].terms["probe_slopes"] for name in ("mup", "ntk-lazy")}
    assert terms["ntk-lazy"] > 2 * terms["mup"]


def test_scores_are_finite_whatever_diverged(evaluations):
    assert any(None in row for row in evaluations["wild"].curves[-1]["losses"])
    for evaluation in evaluations.values():
        assert np.isfinite(
            [evaluation.score, *evaluation.per_seed, *evaluation.terms.values()]
        ).all()


@pytest.mark.parametrize("rule", RULES)
def test_an_evaluation_survives_json(evaluations, rule):
    text = json.dumps(evaluations[rule].to_json(), allow_nan=False)
    assert Evaluation.from_json(json.loads(text)) == evaluations[rule]


def test_rules_score_the_same_together_or_apart(evaluator, evaluations):
    (alone,) = evaluator.evaluate([rule_named("mup")], [0])
    together = evaluations["mup"]
    assert alone.score == pytest.approx(together.score, abs=1e-4)
    assert alone.slopes == pytest.approx(together.slopes, abs=1e-4)


def test_all_rules_share_the_base_curve(evaluations):
    first = [evaluation.curves[0] for evaluation in evaluations.values()]
    assert all(curve == first[0] for curve in first)
    assert [curve["scale"] for curve in evaluations["mup"].curves] == [32, 64, 128]


def test_curves_are_plain_training_runs_of_the_grid():
    about = tiny(step=0.5)
    evaluator, rules = Evaluator(about), [Rule.load("sp"), Rule.load("mup")]
    lrs = about.objective.fidelity.lr.around(evaluator.base().center)
    workload = prepare(about.arch, about.task, {"width": 64})
    members = [Member(rule, lr, seed) for rule in (0, 1) for lr in lrs for seed in (3, 4)]
    outcome = train(workload, rules, members, recipe(about))
    expected = outcome.final.double().reshape(2, len(lrs), 2)
    for evaluation, losses in zip(evaluator.evaluate(rules, [3, 4]), expected, strict=True):
        found = torch.tensor(evaluation.curves[1]["losses"], dtype=torch.float64)
        torch.testing.assert_close(found, losses, rtol=1e-4, atol=1e-5)
        assert evaluation.curves[1]["lrs"] == pytest.approx(lrs)
        assert len(evaluation.per_seed) == 2


def test_lr_losses_has_a_row_per_rule_lr_and_seed():
    about, rules, lrs, seeds = tiny(), [Rule.load("sp"), Rule.load("mup")], [1e-2, 3e-2], [0, 1, 5]
    losses = lr_losses(about, 64, rules, lrs, seeds)
    assert losses.shape == (2, 2, 3)
    one = lr_losses(about, 64, rules[1:], lrs[1:], seeds[2:])
    np.testing.assert_allclose(losses[1, 1, 2], one.item(), rtol=1e-4)


def test_losses_are_compared_to_the_start_rule_with_its_lr_tuned_at_each_scale():
    about, start = tiny(step=0.5), Rule.load("sp")
    evaluator = Evaluator(about, start=start)
    lrs = about.objective.fidelity.lr.around(evaluator.base().center)
    best = optimum(lrs, lr_losses(about, 64, [start], lrs, range(BASE_SEEDS))[0])
    assert evaluator.references() == pytest.approx([evaluator.base().best_loss, best.loss])


def test_without_a_start_rule_losses_are_compared_to_the_base():
    evaluator = Evaluator(tiny(step=0.5))
    assert evaluator.references() == [evaluator.base().best_loss] * 2


def tracked(**grid):
    """As ``tiny``, with tracked curves; the score has no collapse of curves then."""
    about = tiny(low=6e-5, high=1.0, step=0.5, window=2, mode="track", **grid)
    weights = about.objective.weights.model_copy(update={"lr_collapse": 0.0})
    objective = about.objective.model_copy(update={"weights": weights})
    return dataclasses.replace(about, objective=objective)


@pytest.fixture(scope="module")
def both():
    """Evaluations of two rules with tracked and with dense curves."""
    about = tracked()
    lr = about.objective.fidelity.lr.model_copy(update={"mode": "dense"})
    fidelity = about.objective.fidelity.model_copy(update={"lr": lr})
    objective = about.objective.model_copy(update={"fidelity": fidelity})
    rules = [Rule.load("sp"), Rule.load("mup")]
    evaluators = [Evaluator(about), Evaluator(dataclasses.replace(about, objective=objective))]
    return [(evaluator, evaluator.evaluate(rules, [0, 1])) for evaluator in evaluators]


def test_tracked_curves_are_parts_of_the_dense_ones(both):
    for few, full in zip(*(evaluations for _, evaluations in both), strict=True):
        for part, whole in zip(few.curves, full.curves, strict=True):
            known = dict(zip(whole["lrs"], whole["losses"], strict=True))
            assert part["losses"] == [pytest.approx(known[lr], rel=1e-4) for lr in part["lrs"]]
            assert part["lrs"][part["center"]] == whole["lrs"][whole["center"]]
            assert part["lrs"] == sorted(part["lrs"]) and len(part["lrs"]) < len(whole["lrs"])


def test_tracking_does_not_change_the_terms_that_the_score_has(both):
    (_, few), (_, full) = both
    for part, whole in zip(few, full, strict=True):
        assert "lr_collapse" not in part.terms
        assert part.terms == pytest.approx({n: whole.terms[n] for n in part.terms}, abs=1e-4)
        assert part.score == pytest.approx(whole.score, abs=1e-4)


def test_the_tracked_reference_is_that_of_the_window():
    about, start = tracked(), Rule.load("sp")
    evaluator = Evaluator(about, start=start)
    lrs = about.objective.fidelity.lr.around(evaluator.base().center)
    best = optimum(lrs, lr_losses(about, 64, [start], lrs, range(BASE_SEEDS))[0])
    assert evaluator.references()[1] == pytest.approx(best.loss, rel=0.05)


def test_tracking_repeats_to_the_bit():
    rules, seeds = [Rule.load("sp"), Rule.load("mup")], [0, 1]
    first, again = (Evaluator(tracked()).evaluate(rules, seeds) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("task", ["digits", "teacher"])
def test_every_lr_diverged_says_which_way_to_move(task):
    says = r"every learning rate from 1e\+06 to 5\.12e\+08 diverged at width=32; move the grid down"
    with pytest.raises(ParamsearchError, match=says + r".*fidelity\.lr\.low"):
        Evaluator(tiny("sgd", 1e6, 1e9, task=task)).base()


@pytest.mark.parametrize(
    ("optimizer", "low", "high", "way"),
    [("sgd", 1e-6, 1e-5, "up"), ("adam", 1e-6, 1e-5, "up"), ("adam", 0.1, 10.0, "down")],
)
def test_an_optimum_at_the_edge_says_which_way_to_move(optimizer, low, high, way):
    says = (
        rf"at width=32 the best learning rate is the last of the grid from .*; move the grid {way}"
    )
    with pytest.raises(ParamsearchError, match=says):
        Evaluator(tiny(optimizer, low, high)).base()


ORDER = """
import json, paramsearch
from paramsearch.probes.features import Features
from paramsearch.rules.rule import Rule
from paramsearch.train.engine import train
from paramsearch.train.population import Member
from paramsearch.train.recipe import Recipe
from paramsearch.train.workload import prepare
workload = prepare(paramsearch.load_arch("mlp"), paramsearch.load_task("digits"), {})
probes = train(workload, [Rule.load("sp")], [Member(0, 0.01, 0)], Recipe("adam", 1), [Features()])
print(json.dumps(list(probes.probes)))
"""


def test_probes_come_in_one_order_in_every_process():
    orders = {
        subprocess.run(
            [sys.executable, "-c", ORDER],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(orders) == 1


def test_one_learning_rate_is_enough_for_loss_and_probes(both):
    about = tracked()
    lr = about.objective.fidelity.lr.model_copy(update={"mode": "center"})
    fidelity = about.objective.fidelity.model_copy(update={"lr": lr})
    objective = about.objective.model_copy(update={"fidelity": fidelity})
    evaluator = Evaluator(dataclasses.replace(about, objective=objective))
    found = evaluator.evaluate([Rule.load("sp"), Rule.load("mup")], [0, 1])
    full, track = both[1][1], both[0][0]
    for one, whole in zip(found, full, strict=True):
        assert [len(curve["lrs"]) for curve in one.curves] == [1, 1]
        assert one.score == pytest.approx(whole.score, abs=1e-4)
    assert evaluator.member_steps < track.member_steps
