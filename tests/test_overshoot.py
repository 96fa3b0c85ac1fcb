"""Where first steps overshoot: where a sum of power laws reaches the loss."""

import math

import pytest
from fake_limits import evaluation

from paramsearch.discovery.answers.limit import limit_of
from paramsearch.discovery.answers.overshoot import overshoot
from paramsearch.discovery.probed import probes_for
from paramsearch.discovery.recorded import recorded
from paramsearch.probes.first_share import FirstShare
from paramsearch.rules.rule import Rule
from paramsearch.score.collapse import probe_slopes
from paramsearch.score.measured import Measured
from paramsearch.score.objective import Objective
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import load_arch
from paramsearch.train.engine import train
from paramsearch.train.population import Member
from paramsearch.train.recipe import Recipe
from paramsearch.train.workload import prepare

CASES = [  # by group: share at the base and slope; the ratio at which the sum is large
    ({"hidden": (0.01, 1.0)}, 100.0),
    ({"hidden": (0.01, 0.5)}, 100.0**2),
    ({"hidden": (0.5, 0.5), "output": (1.0, 0.0)}, 16.0),  # 3, twice the base's 1.5, is allowed
    ({"hidden": (0.2, 0.5), "output": (0.25, 0.0)}, 14.0625),
    ({"hidden": (0.02, 0.0), "output": (0.02, -1.0)}, None),
    ({"hidden": (5.0, 0.0)}, None),
    ({"hidden": (0.25, 1.0)}, 4.0),
    ({"hidden": (0.5, 3.0)}, 4.0),  # not below the largest ratio measured
    ({"hidden": (0.02, 4.0), "output": (0.02, -1.0)}, 4.0),
]


@pytest.mark.parametrize(("first", "ratio"), CASES)
def test_the_ratio(first, ratio):
    limit = limit_of(evaluation(noise=(0.0,), first=first))
    assert limit.holds_to == (ratio if ratio is None else pytest.approx(ratio, rel=1e-4))
    if ratio is not None:
        assert limit.ends_by == "overshoot" and limit.worst.group == "hidden"
        assert limit.holds_at(0.99 * ratio) and not limit.holds_at(1.01 * ratio)
        assert limit.to_json()["ends_by"] == "overshoot"


def test_slopes_are_taken_two_standard_errors_to_the_bad_side():
    curves = recorded(evaluation(noise=(0.1, -0.1), first={"hidden": (0.02, 1.0)}))
    found = overshoot(curves)
    assert found is not None
    assert found.octaves == pytest.approx(2 - math.log2(0.08) / 1.2, abs=1e-4)


def test_it_is_not_known_without_the_probe_or_where_a_share_is_not_positive():
    bare = evaluation()
    assert overshoot(recorded(bare)) is None and limit_of(bare).first is None
    found = evaluation(first={"hidden": (0.02, 1.0), "output": (0.02, 0.0)})
    for bad in (-0.1, 0.0, None):
        found.curves[1]["probes"]["first_share/hidden"][0] = bad
        left = overshoot(recorded(found))
        assert left is not None and left.slope.group == "output" and left.octaves == math.inf


@pytest.mark.parametrize(("name", "hidden", "output"), [("sp", 1, 1), ("mup", 0, 0)])
def test_first_steps_of_gradient_descent_go_with_the_powers_of_theory(name, hidden, output):
    """Yang & Hu (2021, arXiv 2011.14522), Table 1: the standard rule blows up, muP does not."""
    arch, task = load_arch("mlp"), load_task("digits")
    members = [Member(0, 0.1, seed) for seed in range(4)]
    curves = []
    for ratio in (1, 2, 4):
        work = prepare(arch, task, {"width": 64 * ratio})
        rule = Rule.load(name, "gd")
        found = train(work, [rule], members, Recipe("gd", 1), [FirstShare()])
        probes = {key: value.double().numpy() for key, value in found.probes.items()}
        none = probes["first_share/hidden"][None, :0]
        curves.append(Measured(64, float(ratio), none, none, none, 0, none, none, probes))
    slopes = {key: value.mean() for key, value in probe_slopes(curves).items()}
    assert slopes["first_share/hidden"] == pytest.approx(hidden, abs=0.1)
    assert slopes["first_share/output"] == pytest.approx(output, abs=0.15)
    assert slopes["first_share/input"] == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("optimizer", ["sgd", "sgd-nesterov", "adam"])
def test_with_momentum_the_step_counts_that_the_first_one_grows_to(optimizer):
    work = prepare(load_arch("uv"), load_task("teacher"), {"width": 16})
    weights = Objective.load("transfer").weights
    (watched,) = (p for p in probes_for(weights, optimizer, 1e-6, []) if isinstance(p, FirstShare))
    member, rule, recipe = Member(0, 1e-6, 0), Rule.load("sp", optimizer), Recipe(optimizer, 1)
    plain, found = (
        train(work, [rule], [member], recipe, [probe]).probes["first_share/input"].item()
        for probe in (FirstShare(), watched)
    )
    gains = {"sgd": 10.0, "sgd-nesterov": 10 / 1.9, "adam": 1.0}
    assert found / plain == pytest.approx(gains[optimizer])
