"""Spaces, their grids, and the way between indices and rules."""

import pytest

from paramsearch.errors import ParamsearchError
from paramsearch.rules.encoding import Encoding
from paramsearch.rules.group import Match
from paramsearch.rules.matching import separating_matches
from paramsearch.rules.rule import Rule
from paramsearch.rules.space import Space
from paramsearch.tracing.tensor import ROLES, TensorInfo

SPACE = """
paramsearch: 1
name: mine
gauge: no-multipliers
axes: [width]
groups:
  - match: {role: hidden}
    init: {width: -0.5}
    lr: {width: {low: -1, high: 0.5, step: 0.5, start: 0}}
"""


def tensor(
    name: str, role: str = "hidden", op: str = "linear", residual: bool = False
) -> TensorInfo:
    return TensorInfo(name, (4, 4), op, role, 4, 4, {}, residual, role)


MLP = {role: [tensor(role, role)] for role in ROLES}


def width(optimizer: str = "adam") -> Encoding:
    return Space.load("width").encode(MLP, optimizer)


@pytest.fixture
def load(tmp_path):
    def from_text(text: str) -> Space:
        path = tmp_path / "space.yaml"
        path.write_text(text)
        return Space.load(path)

    return from_text


# A change of the file above, and what the one sentence about it says.
BAD = {
    "multiplier": ("init:", "multiplier:", r"groups.0.multiplier: received an unknown key; allow"),
    "unknown key": ("step:", "stepp:", r"groups.0.lr.width.stepp: received an unknown key"),
    "no step": ("step: 0.5", "step: 0", r"groups.0.lr.width.step: received 0; allowed: greater"),
    "order": ("low: -1", "low: 1", r"groups.0.lr.width: received low 1, start 0, high 0.5; allow"),
    "high off grid": ("high: 0.5", "high: 0.4", r"received high 0.4 with low -1 and step 0.5; al"),
    "start off grid": ("start: 0", "start: 0.2", r"received start 0.2 with low -1 and step 0.5; "),
    "text": ("-0.5", "low", r"groups.0.init.width: received 'low'; allowed: a mapping of low, hi"),
    "gauge": ("no-multipliers", "unit-init", r"gauge: received 'unit-init'; allowed: 'no-multip"),
    "axis": ("init: {width", "init: {depth", r"groups.0.init: received axis 'depth'; allowed: t"),
}


@pytest.mark.parametrize("old, new, message", BAD.values(), ids=BAD)
def test_bad_files_are_one_sentence(load, old, new, message):
    with pytest.raises(ParamsearchError, match=message) as caught:
        load(SPACE.replace(old, new))
    assert "space.yaml: " in str(caught.value) and "\n" not in str(caught.value)


def test_unknown_space_names_the_nearest():
    with pytest.raises(ParamsearchError, match="unknown space 'widht'; did you mean 'width'"):
        Space.load("widht")


def test_variables_are_what_is_free(load):
    encoding = load(SPACE).encode({"hidden": [tensor("w")]}, "sgd")
    assert [v.label for v in encoding.variables] == ["hidden lr width"]
    assert encoding.variables[0].values == (-1, -0.5, 0, 0.5)
    assert encoding.start_indices == [2]
    assert encoding.rule([0], "found").groups[0].stated() == {
        "init": {"width": -0.5},
        "lr": {"width": -1},
    }


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_width_starts_at_the_standard_parameterization(optimizer):
    encoding = width(optimizer)
    start = encoding.rule(encoding.start_indices, "start")
    assert start.equivalent(Rule.load("sp", optimizer))


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("name", ["sp", "ntk", "ntk-lazy", "mean-field", "mup"])
def test_published_rules_lie_in_width(name, optimizer):
    encoding, rule = width(optimizer), Rule.load(name, optimizer)
    indices = encoding.indices(rule)
    assert indices is not None
    assert encoding.rule(indices, name).equivalent(rule)


@pytest.mark.parametrize("gauge", ["no-multipliers", "unit-init"])
def test_indices_take_the_gauge_out(gauge):
    encoding = width()
    indices = [3, 5, 1, 2, 7, 0, 4]
    rule = encoding.rule(indices, "x")
    assert encoding.indices(rule) == indices
    assert encoding.indices(rule.regauge(gauge)) == indices


def test_rule_at_takes_any_value_and_nearest_returns_to_the_grid():
    encoding = width()
    values = [variable.start + 0.1 for variable in encoding.variables]
    rule = encoding.rule_at(values, "off")
    assert encoding.indices(rule) is None
    assert encoding.values(rule) == pytest.approx(values)
    nearest = [v.nearest(value) for v, value in zip(encoding.variables, values, strict=True)]
    assert nearest == encoding.start_indices


def changed(rule: Rule, role: str, **exponents: dict[str, float]) -> Rule:
    groups = tuple(
        group.model_copy(update=exponents) if group.match.role == role else group
        for group in rule.groups
    )
    return rule.model_copy(update={"groups": groups})


OUTSIDE = {
    "off the grid": changed(Rule.load("mup"), "hidden", lr={"width": -0.9}),
    "beyond the bounds": changed(Rule.load("mup"), "hidden", lr={"width": -3}),
    "what is fixed": changed(Rule.load("mup"), "vector", init={"width": 0.5}),
    "weight decay": changed(Rule.load("mup"), "hidden", weight_decay={"width": 1.0}),
    "another optimizer": Rule.load("mup", "sgd"),
    "a group is missing": Rule.load("mup").model_copy(
        update={"groups": Rule.load("mup").groups[:-1]}
    ),
}


@pytest.mark.parametrize("rule", OUTSIDE.values(), ids=OUTSIDE)
def test_rules_outside_have_no_indices(rule):
    assert width().indices(rule) is None


def test_a_rule_that_splits_a_group_has_no_indices(load):
    encoding = load(SPACE).encode({"hidden": [tensor("a"), tensor("b")]}, "adam")
    rule = encoding.rule([0], "x")
    one = rule.groups[0].model_copy(update={"match": Match(name="a"), "lr": {"width": 0.5}})
    assert encoding.indices(rule.model_copy(update={"groups": (one, *rule.groups)})) is None


def test_groups_that_the_space_does_not_cover(load):
    with pytest.raises(ParamsearchError, match=r"space 'mine' has no group that matches e \(input"):
        load(SPACE).encode({"input": [tensor("e", "input")]}, "adam")


def test_a_space_cannot_split_a_group_of_the_model(load):
    text = SPACE + "  - match: {role: output}\n    lr: {width: 0}\n"
    mixed = {"both": [tensor("a"), tensor("b", "output")]}
    with pytest.raises(ParamsearchError, match=r"'mine' tells a and b apart, .* in group 'both'"):
        load(text).encode(mixed, "adam")


def test_a_space_states_only_what_the_optimizer_has(load):
    with pytest.raises(ParamsearchError, match="space 'mine' states eps, which sgd does not have"):
        load(SPACE.replace("init:", "eps:")).encode({"hidden": [tensor("w")]}, "sgd")


BLOCKS = {
    "hidden.conv": [tensor("conv.0.weight", op="conv"), tensor("conv.1.weight", op="conv")],
    "hidden.linear": [tensor("fc.weight")],
    "hidden.linear.residual": [tensor("blocks.0.fc.weight", residual=True)],
    "input": [tensor("stem.weight", "input", op="conv")],
}


def test_matches_are_the_simplest_that_separate():
    assert separating_matches(BLOCKS) == {
        "hidden.conv": (Match(role="hidden", op="conv"),),
        "hidden.linear": (Match(role="hidden", op="linear", residual=False),),
        "hidden.linear.residual": (Match(role="hidden", residual=True),),
        "input": (Match(role="input"),),
    }


def test_places_are_told_by_name():
    places = {
        "hidden.1": [tensor("blocks.0.fc1.weight"), tensor("blocks.1.fc1.weight")],
        "hidden.2": [tensor("blocks.0.fc2.weight"), tensor("blocks.1.fc2.weight")],
        "hidden.3": [tensor("h.0"), tensor("g[a]")],
        "hidden.4": [tensor("h.1")],
    }
    assert separating_matches(places) == {
        "hidden.1": (Match(name="blocks.*.fc1.weight"),),
        "hidden.2": (Match(name="blocks.*.fc2.weight"),),
        "hidden.3": (Match(name="h.0"), Match(name="g[[]a]")),
        "hidden.4": (Match(name="h.1"),),
    }


def test_groups_that_share_a_tensor_are_refused():
    with pytest.raises(ParamsearchError, match="group 'a' shares a tensor"):
        separating_matches({"a": [tensor("w")], "b": [tensor("w")]})
