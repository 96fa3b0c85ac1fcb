"""Rules in a line: published ones are recognized, others described."""

import pytest
from test_driver import ENCODING, GROUPS, MUP

from paramsearch.discovery.answers.pattern import Pattern, inside, pattern
from paramsearch.discovery.nearest import nearest, published_rules
from paramsearch.rules.group import Group, Match
from paramsearch.rules.rule import Rule
from paramsearch.rules.site import SiteGroup, SiteMatch
from paramsearch.tracing.tensor import Fold, TensorInfo

PUBLISHED = published_rules("adam", "width")


def line(rule, published=PUBLISHED, within=()):
    return pattern(rule, GROUPS, nearest(rule, published, GROUPS, "width"), within).sentence


def changed(role, **exponents):
    """muP with other exponents of one role."""
    mup = Rule.load("mup")
    groups = [
        group.model_copy(update={q: {"width": v} for q, v in exponents.items()})
        if group.match.role == role
        else group
        for group in mup.groups
    ]
    return mup.model_copy(update={"groups": tuple(groups)})


MUP_LINE = "hidden LR ∝ 1/fan_in, readout init ∝ 1/fan_in, readout LR ∝ 1/fan_in"
LINES = [
    (Rule.load("mup"), f"{MUP_LINE}: muP up to gauge"),
    (Rule.load("mup").regauge("unit-init"), "muP up to gauge"),
    (Rule.load("ntk"), "NTK up to gauge"),
    (Rule.load("sp"), "init ∝ 1/√fan_in, one LR for all: SP (the standard"),
    (changed("hidden", lr=-1.5), "hidden LR ∝ fan_in^-1.5, readout init"),
    (changed("hidden", lr=-1.5), "readout LR ∝ 1/fan_in: no published rule matches"),
    (changed("hidden", lr=0.0), "readout init ∝ 1/fan_in, readout LR ∝ 1/fan_in: no published"),
    (changed("hidden", init=0.0), "hidden init ∝ 1, hidden LR ∝ 1/fan_in, readout"),
    (changed("input", lr=0.5, init=-0.5), "input init ∝ 1/√width, input LR ∝ √width, hidden"),
]


@pytest.mark.parametrize(("rule", "said"), LINES)
def test_a_rule_in_a_line(rule, said):
    assert said in line(rule)


def test_an_exponent_off_by_more_than_a_millionth_is_another_rule():
    assert "muP up to gauge" in line(changed("hidden", lr=-1 + 1e-7))
    assert "no published rule matches" in line(changed("hidden", lr=-1 + 1e-4))


def moved(point, index, by):
    return (*point[:index], point[index] + by, *point[index + 1 :])


def test_rules_inside_the_intervals():
    hidden = [v.label for v in ENCODING.variables].index("hidden lr width")
    readout = [v.label for v in ENCODING.variables].index("output init width")
    low = moved(MUP, hidden, -1)
    assert inside(ENCODING, low, MUP, PUBLISHED)[0] == "mup"
    assert "ntk" not in inside(ENCODING, low, MUP, PUBLISHED)
    assert "ntk" in inside(ENCODING, low, moved(MUP, readout, 2), PUBLISHED)
    assert inside(ENCODING, low, moved(MUP, hidden, -1), PUBLISHED) == []


def test_a_rule_of_the_user_is_inside_too():
    assert inside(ENCODING, MUP, MUP, {"mine": Rule.load("mup")}) == ["mine"]


def test_what_the_intervals_say():
    near = line(changed("hidden", lr=-1.25), within=("mup", "ntk"))
    assert near.endswith(": equal to muP or NTK within the intervals")
    assert Pattern((), None, ()).to_json()["sentence"].endswith("no published rule matches")


def test_without_a_comparable_rule_nothing_matches():
    assert "no published rule matches" in line(Rule.load("mup"), published={})


def site_tensor(kind, growth):
    folds = (Fold(kind, "blocks.0", growth),)
    by_axis = {"width": (1, 1), "depth": (0, 0)}
    return TensorInfo("w", (8, 8), "linear", "hidden", 8, 8, by_axis, True, "hidden", sites=folds)


SITES = [  # kind, stated exponent, line
    ("branch", {"depth": -1}, "branch multiplier ∝ 1/depth"),
    ("branch", {"depth": -0.75}, "branch multiplier ∝ depth^-0.75"),
    ("logits", {"width": -0.5}, "attention logits ∝ 1/d_head"),
    ("readout", {"width": -1}, "tied readout multiplier ∝ 1/width"),
]


@pytest.mark.parametrize(("kind", "multiplier", "said"), SITES)
def test_sites_in_words(kind, multiplier, said):
    tensor = site_tensor(kind, {"width": 1.0})
    hidden = Group(match=Match(role="hidden"), init={"width": -0.5}, lr={"depth": -0.5})
    site = SiteGroup(match=SiteMatch(site=kind), multiplier=multiplier)
    rule = Rule(
        name="x", optimizer="adam", axes=("width", "depth"), groups=(hidden,), sites=(site,)
    )
    found = pattern(rule, {"hidden": (tensor,)}, None)
    assert found.statements == ("hidden LR ∝ 1/√depth", said)


def test_groups_of_one_role_that_differ_are_named():
    groups = {name: (site_tensor("branch", {}),) for name in ("query", "value")}
    rule = Rule.load("mup")
    assert pattern(rule, groups, None).statements == ("hidden LR ∝ 1/fan_in",)
    two = {"query": groups["query"], "value": (TensorInfo("v", *_REST),)}
    apart = Group(match=Match(name="v"), init={"width": -0.5}, lr={"width": -0.5})
    rule = rule.model_copy(update={"groups": (apart, *rule.groups)})
    said = pattern(rule, two, None).statements
    assert said == ("query LR ∝ 1/fan_in", "value LR ∝ 1/√fan_in")


_REST = ((8, 8), "linear", "hidden", 8, 8, {"width": (1, 1)}, False, "value")


def test_published_rules_say_nothing_of_weight_decay():
    said = Pattern(("hidden LR ∝ 1/fan_in", "hidden weight decay ∝ 1/fan_in"), "mup", ())
    assert said.sentence.endswith(": muP up to gauge, weight decay aside")
    assert Pattern(("hidden LR ∝ 1/fan_in",), "mup", ()).sentence.endswith("muP up to gauge")
