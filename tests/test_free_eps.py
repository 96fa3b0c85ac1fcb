"""Adam's eps as a free exponent: members train with it, searches find it, tables tell it."""

import pytest
import torch
from test_evaluate import tiny

import paramsearch
from paramsearch.cli.tables import search_table
from paramsearch.discovery.curves import workload_at
from paramsearch.rules.space import Space
from paramsearch.tracing.trace import trace
from paramsearch.train.engine import train
from paramsearch.train.population import Member
from paramsearch.train.recipe import Recipe

SPACE = """paramsearch: 1
name: eps
gauge: no-multipliers
axes: [width]
groups:
  - match: {name: "*"}
    eps: {width: {low: -2, high: 2, step: 1, start: 0, tie: all}}
"""

OBJECTIVE = """paramsearch: 1
name: large-eps
fidelity:
  ratios: [1, 2, 4]
  steps: 8
  seeds: 1
  eps: 0.01
  lr: {low: 0.01, high: 1.28, step: 1, window: 1}
weights: {loss: 1, lr_collapse: 1, sharpness_collapse: 0, probe_slopes: 0}
"""


@pytest.fixture
def space(tmp_path):
    (tmp_path / "eps.yaml").write_text(SPACE)
    return Space.load(tmp_path / "eps.yaml")


@pytest.mark.parametrize("power", [-2, 1, 2])
def test_members_train_with_the_eps_that_the_exponent_gives(space, power):
    groups = trace("mlp").groups()
    rules = [space.encode(groups, "adam").rule_at([value], "x") for value in (power, 0)]
    workload, members = workload_at(tiny(), 2 * tiny().base_scale), [Member(0, 0.1, 0)]
    scaled, *others = (
        train(workload, [rule], members, Recipe("adam", 4, eps=eps)).losses
        for rule, eps in [(rules[0], 1e-2), (rules[1], 1e-2 * 2.0**power), (rules[1], 1e-2)]
    )
    assert torch.allclose(scaled, others[0]) and not torch.allclose(scaled, others[1], rtol=1e-3)


def test_a_search_finds_the_exponent_of_eps_and_tells_it(space, tmp_path):
    (tmp_path / "large.yaml").write_text(OBJECTIVE)
    found = paramsearch.search(
        "mlp",
        axis="width",
        space=str(tmp_path / "eps.yaml"),
        objective=str(tmp_path / "large.yaml"),
        options={"width": 16},
        budget=5,
        blind=True,
        out=tmp_path / "run",
    )
    entry = next(group for group in found.groups if group["name"] == "hidden")["eps"]["width"]
    assert entry["value"] == found.rule.groups[0].exponent("eps", "width") != 0
    assert not entry["fixed"] and entry["determined"]
    assert found.summary["score"]["total"] < found.summary["start_score"]["total"]
    table = search_table(found.summary)
    assert "eps" in list(table.columns[1].cells) and f"{entry['value']:+.2f}" in "".join(
        map(str, table.columns[2].cells)
    )
