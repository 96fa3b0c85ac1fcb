"""Groups that a space ties share one exponent."""

import pytest
from test_driver import GROUPS

from paramsearch.errors import ParamsearchError
from paramsearch.rules.rule import Rule
from paramsearch.rules.space import Space

FREE = {"low": -2, "high": 1, "step": 0.5, "start": 0}


def space(**lr):
    """A space whose learning rates are as given by role."""
    groups = [{"match": {"role": role}, "lr": {"width": choice}} for role, choice in lr.items()]
    content = {"name": "tied", "gauge": "no-multipliers", "axes": ["width"], "groups": groups}
    return Space.model_validate(content)


def encoded(tie="all", **changed):
    other = {**FREE, "tie": tie, **changed}
    return space(input=FREE, hidden={**FREE, "tie": "all"}, output=other).encode(GROUPS, "adam")


def test_tied_groups_are_one_variable():
    labels = [variable.label for variable in encoded().variables]
    assert labels == ["input lr width", "hidden + output lr width"]


def test_another_tie_is_another_variable():
    assert len(encoded(tie="other").variables) == 3


def test_a_rule_gives_tied_groups_the_same_exponent_and_is_read_back():
    encoding = encoded()
    rule = encoding.rule_at([0.5, -1.0], "a")
    by_role = {group.match.role: group.exponent("lr", "width") for group in rule.groups}
    assert by_role == {"input": 0.5, "hidden": -1.0, "output": -1.0}
    assert encoding.values(rule) == [0.5, -1.0]


def test_a_rule_that_parts_what_is_tied_is_not_of_the_space():
    parted = encoded(tie="other").rule_at([0.0, -1.0, -0.5], "a")
    assert encoded().values(parted) is None


def test_tied_groups_have_one_grid():
    says = r"tie 'all': lr width of hidden goes from -2 to 1 by 0.5 .* of output from -1 to 1"
    with pytest.raises(ParamsearchError, match=says):
        encoded(low=-1)


@pytest.mark.parametrize("name", ["batch", "steps"])
def test_one_learning_rate_for_all_along_axes_of_training(name):
    variables = Space.load(name).encode(GROUPS, "adam").variables
    assert [variable.groups for variable in variables] == [tuple(GROUPS)]


def test_what_is_fixed_is_not_tied():
    with pytest.raises(ValueError, match="received tie 'all' for the fixed value 1"):
        space(hidden={"low": 1, "high": 1, "step": 1, "start": 1, "tie": "all"})


def test_published_rules_are_read_where_they_agree_with_a_tie():
    encoding = encoded()
    plain = space(input=FREE, hidden=FREE, output=FREE).encode(GROUPS, "adam")
    fixed = Rule.load("sp").model_copy(update={"groups": plain.rule_at([0, -1, -1], "x").groups})
    assert encoding.values(fixed) == [0, -1, -1][:2]
