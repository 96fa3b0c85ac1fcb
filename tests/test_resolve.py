"""Factors at given ratios."""

import pytest

from paramsearch.errors import ParamsearchError
from paramsearch.rules.resolve import Factors, resolve
from paramsearch.rules.rule import Rule
from paramsearch.tracing.tensor import TensorInfo


def tensor(name: str, role: str, op: str = "linear") -> TensorInfo:
    return TensorInfo(name, (4, 4), op, role, 4, 4, {}, False, role)


TENSORS = [tensor("in", "input"), tensor("mid", "hidden"), tensor("out", "output")]


def two_axes() -> Rule:
    group = {
        "match": {"role": "hidden"},
        "multiplier": {"depth": -0.5},
        "init": {"width": -0.5},
        "lr": {"width": -1, "depth": -0.5},
        "weight_decay": {"width": 1},
        "eps": {"width": -1, "depth": -1},
    }
    return Rule.model_validate(
        {"name": "r", "optimizer": "adam", "axes": ["width", "depth"], "groups": [group]}
    )


def test_product_over_axes():
    m, d = 4.0, 9.0
    found = resolve(two_axes(), [tensor("w", "hidden")], {"width": m, "depth": d})
    assert found == {"w": Factors(d**-0.5, m**-0.5, m**-1 * d**-0.5, m, m**-1 * d**-1)}


def test_order_and_values_of_mup():
    found = resolve(Rule.load("mup"), TENSORS, {"width": 16})
    assert list(found) == ["in", "mid", "out"]
    assert [(f.init, f.lr) for f in found.values()] == [(1, 1), (1 / 4, 1 / 16), (1 / 16, 1 / 16)]


def test_ratio_one_changes_nothing():
    found = resolve(two_axes(), [tensor("w", "hidden")], {"width": 1, "depth": 1, "batch": 7})
    assert found["w"] == Factors()


def test_unmatched_tensors_are_all_listed():
    message = (
        r"rule 'r' has no group that matches in \(input, linear\), e \(input, embedding\), out"
    )
    with pytest.raises(ParamsearchError, match=message):
        resolve(
            two_axes(),
            [TENSORS[0], tensor("e", "input", "embedding"), *TENSORS[1:]],
            {"width": 2, "depth": 2},
        )


@pytest.mark.parametrize("ratios", [{"width": 2}, {"width": 2, "depth": 0}, {"depth": -1.0}])
def test_every_axis_of_the_rule_needs_a_positive_ratio(ratios):
    with pytest.raises(ParamsearchError, match="rule 'r' needs a positive ratio along"):
        resolve(two_axes(), [tensor("w", "hidden")], ratios)


def test_factors_beyond_the_range_of_numbers():
    huge = two_axes().groups[0].with_exponents({"lr": {"width": 1e6}})
    rule = two_axes().model_copy(update={"groups": (huge,)})
    with pytest.raises(ParamsearchError, match="rule 'r' gives factors beyond the range"):
        resolve(rule, [tensor("w", "hidden")], {"width": 4, "depth": 1})
