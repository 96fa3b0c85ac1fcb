"""The score cannot be gamed: by not learning, by tiny learning rates, or by frozen features."""

import pytest

from paramsearch.discovery.answers.limit import limit_of
from paramsearch.discovery.evaluate import Evaluator
from paramsearch.discovery.setting import Setting
from paramsearch.rules.rule import Rule
from paramsearch.score.fidelity import LrGrid
from paramsearch.score.objective import Objective
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import load_arch

SEEDS = (0, 1)
LOWEST = -2.0  # bound of every learning-rate exponent in space ``width``


def learning_rates(name, change):
    """A published rule with other learning-rate exponents."""
    rule = Rule.load(name)
    groups = [
        group.model_copy(update={"lr": {"width": change(group.exponent("lr", "width"))}})
        for group in rule.groups
    ]
    return rule.model_copy(update={"groups": tuple(groups)})


def evaluated(task, steps, rules):
    """Evaluations on an MLP by the shipped objective, with fewer steps and learning rates."""
    objective = Objective.load("transfer")
    lr = LrGrid(low=1e-3, high=0.5, step=1.0, window=1.0)
    fidelity = objective.fidelity.model_copy(update={"steps": steps, "lr": lr})
    objective = objective.model_copy(update={"fidelity": fidelity})
    about = Setting(load_arch("mlp"), load_task(task), "width", "adam", objective, "cpu", 0)
    found = Evaluator(about, start=Rule.load("sp")).evaluate(list(rules.values()), SEEDS)
    return dict(zip(rules, found, strict=True))


@pytest.fixture(scope="module")
def on_digits():
    rules = {name: Rule.load(name) for name in ("mup", "sp", "ntk-lazy")}
    for name in ("mup", "sp"):
        rules[f"{name}, not learning"] = learning_rates(name, lambda _: LOWEST)
    rules["mup, tiny"] = learning_rates("mup", lambda exponent: exponent - 1)
    rules["sp, tiny"] = learning_rates("sp", lambda exponent: exponent - 2)
    rules["mup, small"] = learning_rates("mup", lambda exponent: exponent - 0.5)
    return evaluated("digits", 20, rules)


@pytest.mark.parametrize("better", ["mup", "sp"])
@pytest.mark.parametrize(
    "worse", ["mup, not learning", "sp, not learning", "mup, tiny", "sp, tiny"]
)
def test_learning_less_with_scale_scores_worse(on_digits, better, worse):
    gaps = zip(on_digits[worse].per_seed, on_digits[better].per_seed, strict=True)
    assert min(bad - good for bad, good in gaps) > 0.5


def test_learning_rates_that_fall_by_half_a_power_too_much_score_worse(on_digits):
    assert on_digits["mup, small"].score > on_digits["mup"].score + 0.5


@pytest.mark.parametrize("term", ["loss", "lr_collapse", "sharpness_collapse", "probe_slopes"])
def test_no_term_is_better_where_nothing_learns(on_digits, term):
    assert on_digits["mup, not learning"].terms[term] > on_digits["mup"].terms[term] + 0.1


def test_a_lazy_rule_is_called_so_and_no_other(on_digits):
    limits = {name: limit_of(on_digits[name]) for name in ("ntk-lazy", "sp", "mup")}
    assert limits["ntk-lazy"].label == "lazy" and limits["ntk-lazy"].slowest.group == "hidden"
    assert limits["sp"].label == "blows up"
    assert limits["mup"].label in ("features learn", "undecided")  # two seeds leave it open
    assert limits["mup"].slowest.size.mean == pytest.approx(0.0, abs=0.1)


@pytest.fixture(scope="module")
def on_parity():
    rules = {name: Rule.load(name) for name in ("mup", "ntk-lazy")}
    return evaluated("sparse_parity:inputs=12,degree=2", 100, rules)


def test_frozen_features_lose_where_features_are_needed(on_parity):
    pairs = zip(on_parity["ntk-lazy"].per_seed, on_parity["mup"].per_seed, strict=True)
    assert min(lazy - mup for lazy, mup in pairs) > 0.1
    assert on_parity["ntk-lazy"].terms["loss"] > on_parity["mup"].terms["loss"]


def test_the_slope_of_the_feature_change_says_which_rule_is_lazy(on_parity):
    hidden = "feature_change/hidden"
    assert on_parity["ntk-lazy"].slopes[hidden] == pytest.approx(-0.5, abs=0.2)
    assert on_parity["mup"].slopes[hidden] == pytest.approx(0.0, abs=0.2)
