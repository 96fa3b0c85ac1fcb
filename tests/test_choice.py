"""Which rule is recommended, on fronts whose rules are known."""

import re

import pytest
from fake_limits import evaluation, front_of

from paramsearch.discovery.answers.choice import CONTENDERS, TARGET, choose
from paramsearch.discovery.answers.front import Front, front
from paramsearch.errors import ParamsearchError

PLACES = {"mup": (0.0, 0.0), "between": (-0.1, -0.2), "lazy": (-0.2, -0.5)}
CASES = [  # prefer, target ratio, recommended, its place
    (None, None, "between", "between"),
    (None, 12.0, "lazy", "loss"),  # m^-1/2 has fallen to 0.29 at 12
    (None, 20.0, "between", "between"),  # and to 0.22 at 20
    (None, 2000.0, "mup", "limit"),
    ("limit", 2.0, "mup", "limit"),
    ("loss", 2000.0, "lazy", "loss"),
]


@pytest.mark.parametrize(("prefer", "target", "name", "place"), CASES)
def test_the_recommended_rule(prefer, target, name, place):
    choice = choose(front_of(**PLACES), prefer, target)
    assert choice.recommended.name == name
    assert choice.to_json()["recommended_end"] == place


def test_a_tied_rule_loses_to_the_limit_end():
    front = front_of(mup=(0.0, 0.0), noisy=evaluation(-0.01, -0.15, own=0.03))
    assert choose(front).recommended.name == "mup"


def test_a_rule_whose_output_blows_up_is_not_recommended():
    front = front_of(mup=(0.0, 0.0), wild=evaluation(-0.2, 0.0, output=0.6))
    assert choose(front).recommended.name == "mup"


@pytest.mark.parametrize(("target", "name"), [(256.0, "mup"), (50.0, "steep")])
def test_a_rule_whose_first_step_overshoots_before_the_target_is_not_recommended(target, name):
    flat = {"input": (0.01, 0.0), "hidden": (0.01, 0.0)}
    steep = {"input": (0.01, 0.0), "hidden": (0.01, 1.0)}  # 1 at ratio 99
    known = {"steep": evaluation(-0.3, first=steep), "mup": evaluation(first=flat)}
    choice = choose(front_of(**known), None, target)
    assert choice.recommended.name == name
    assert ("overshoot by ratio 9" in choice.reason) == (name == "mup")


def hot(loss, power):
    """A rule whose first step buys 0.04 m^power."""
    return evaluation(loss, first={"hidden": (0.04, power)})


def test_rivals_last_and_are_not_known_to_have_a_higher_loss_than_the_limit_end():
    front = front_of(
        hot=hot(-0.3, 0.5), calm=hot(-0.2, 0.1), mup=hot(0.0, 0.0), tied=hot(0.004, 0.1),
        worse=hot(0.1, -0.5),
        far=evaluation(-0.4, -0.6, first={"hidden": (0.04, 0.0)}), over=hot(-0.5, 1.0),
    )  # fmt: skip
    assert [entry.name for entry in choose(front).rivals] == ["hot", "calm", "tied"]


def test_of_many_rivals_as_many_are_taken_of_each_octave_of_the_first_step():
    calm = {f"calm{k}": hot(-0.3 + 0.002 * k, 0.0) for k in range(2 * CONTENDERS)}
    warm = {f"warm{k}": hot(-0.15 + 0.002 * k, 0.25) for k in range(2 * CONTENDERS)}
    few = {f"hot{k}": hot(-0.05 + 0.002 * k, 0.5) for k in range(2)}
    some = front_of(mup=hot(0.0, 0.0), **calm, **warm, **few)
    mup = next(entry for entry in (*some.members, *some.others) if entry.name == "mup")
    found = Front((mup, *some.members), some.others)
    rivals = [entry.name for entry in choose(found).rivals]
    each = CONTENDERS // 2 - 1
    expected = [f"calm{k}" for k in range(each)] + [f"warm{k}" for k in range(each)]
    assert rivals == [*expected, "hot0", "hot1"]


def test_where_all_freeze_the_limit_end_is_left():
    choice = choose(front_of(a=(0.0, -0.5), b=(-0.1, -0.9)))
    assert choice.recommended.name == "a"
    none = "No rule with a lower loss holds up to ratio 256, nor does the limit end, so the limit"
    assert choice.reason.startswith(none)


@pytest.mark.parametrize(("slope", "name"), [(-0.6, "b"), (-1.5, "a")])
def test_where_all_freeze_loss_decides_between_what_cannot_be_told_apart(slope, name):
    wide = (0.15, -0.15, 0.15, -0.15)
    choice = choose(front_of(a=(0.0, -0.5), b=evaluation(-0.5, slope, noise=wide)))
    assert choice.recommended.name == name
    assert ("in which it cannot be told from the limit end" in choice.reason) == (name == "b")


@pytest.mark.parametrize(("slope", "name"), [(0.34, "b"), (0.5, "a")])
def test_growth_does_not_pass_for_scatter(slope, name):
    wide = (0.15, -0.15, 0.15, -0.15)
    choice = choose(front_of(a=(0.0, 0.3), b=evaluation(-0.5, slope, noise=wide)))
    assert choice.recommended.name == name


def test_what_cannot_be_told_from_a_limit_end_that_scatters_competes_with_what_holds():
    """Flat rules of 40 seeds and of four differ in what is known, not in what they do."""
    wide = (0.15, -0.15, 0.15, -0.15)
    flat = {"input": (0.01, 0.0)}
    steep = {"input": (0.01, 1.0)}  # 1 at ratio 99
    found = front_of(
        limit=evaluation(0.0, -0.1, noise=wide, first=flat),
        hot=evaluation(-0.3, -0.12, noise=wide, first=steep),
        like=evaluation(-0.2, -0.12, noise=wide, first=flat),
        calm=evaluation(-0.1, -0.19, noise=(0.01, -0.01, 0.01, -0.01), first=flat),
    )
    every = (*found.members, *found.others)
    held = [entry.name for entry in every if entry.limit.holds_at(256.0)]
    choice = choose(front(every, next(entry for entry in every if entry.name == "limit")))
    assert held == ["calm"] and choice.recommended.name == "like"
    assert [entry.name for entry in choice.rivals] == ["like", "calm"]


def test_a_lazy_rule_does_not_hold_to_the_default_target():
    choice = choose(front_of(lazy=evaluation(0.0, -0.2505, noise=(0.0, 0.0))))
    assert choice.recommended.limit.label == "lazy"
    assert not choice.recommended.limit.holds_at(TARGET)


SENTENCES = [  # prefer, target, what the reason says
    (None, None, r"^Its loss is 9.5% ± 0.0% lower than that of the limit end, .* like m\^-0.20"),
    (None, None, r"; lazy has a loss 18.1% ± 0.0% lower than .* may freeze to a quarter by ratio"),
    (None, 12.0, r"18.1% ± 0.0% lower than that of mup.* which holds up to ratio 12\.$"),
    (None, 2000.0, "^Its features keep learning; lazy has a loss"),
    ("limit", None, "^Preferred: limit; lazy has a loss 18.1%"),
    ("loss", None, "^Preferred: loss, 18.1% ± 0.0% lower than that of the limit end; its hidden"),
]


@pytest.mark.parametrize(("prefer", "target", "match"), SENTENCES)
def test_the_reason(prefer, target, match):
    reason = choose(front_of(**PLACES), prefer, target).reason
    assert re.search(match, reason), reason


@pytest.mark.parametrize("prefer", [None, "limit", "loss"])
def test_one_rule_for_both_ends(prefer):
    choice = choose(front_of(mup=(0.0, 0.0), lazy=(0.1, -0.5)), prefer)
    assert choice.recommended.name == "mup" and choice.to_json()["same"]
    assert "no rule has a lower loss beyond the spread" in choice.reason


@pytest.mark.parametrize(
    ("prefer", "target", "match"),
    [
        ("both", None, "prefer: received 'both'; allowed: limit, loss"),
        (None, 1.0, "target ratio: received 1; allowed: a number above 1"),
        (None, float("nan"), "target ratio: received nan"),
    ],
)
def test_bad_wishes(prefer, target, match):
    with pytest.raises(ParamsearchError, match=match):
        choose(front_of(**PLACES), prefer, target)
