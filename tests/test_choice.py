"""Which rule is recommended, on fronts whose rules are known."""

import re
from itertools import pairwise

import pytest
from fake_limits import evaluation, front_of

from paramsearch.discovery.answers.choice import CONTENDERS, RIVALS, TARGET, choose, decided
from paramsearch.discovery.answers.front import entries
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


def test_rivals_are_those_that_no_other_beats_in_loss_departure_and_first_step():
    def hot(loss, hidden, power):
        return evaluation(loss, hidden, first={"hidden": (0.01, power)})

    front = front_of(
        hot=hot(-0.3, 0.0, 0.5),
        calm=hot(-0.2, 0.0, 0.1),
        far=hot(-0.25, -0.1, 0.3),
        beaten=hot(-0.19, -0.05, 0.2),
        mup=hot(0.0, 0.0, 0.0),
        worse=hot(0.1, 0.0, -0.5),
    )
    assert [entry.name for entry in choose(front).rivals] == ["hot", "far", "calm"]


def test_of_many_rivals_some_are_taken_evenly_from_hot_to_calm():
    many = {f"r{k}": (-0.3 + 0.005 * k, -0.1 + 0.003 * k) for k in range(2 * CONTENDERS)}
    rivals = [entry.name for entry in choose(front_of(mup=(0.0, 0.0), **many)).rivals]
    places = [int(name[1:]) for name in rivals]
    assert len(places) == CONTENDERS and (places[0], places[-1]) == (0, 2 * CONTENDERS - 1)
    assert {b - a for a, b in pairwise(places)} == {2, 3}


def test_where_all_freeze_the_limit_end_is_left():
    choice = choose(front_of(a=(0.0, -0.5), b=(-0.1, -0.9)))
    assert choice.recommended.name == "a"
    assert choice.reason.startswith("No rule holds up to ratio 256")


@pytest.mark.parametrize(("slope", "name"), [(-0.6, "b"), (-1.5, "a")])
def test_where_all_freeze_loss_decides_between_what_cannot_be_told_apart(slope, name):
    wide = (0.15, -0.15, 0.15, -0.15)
    choice = choose(front_of(a=(0.0, -0.5), b=evaluation(-0.5, slope, noise=wide)))
    assert choice.recommended.name == name
    assert ("cannot be told in limit behaviour" in choice.reason) == (name == "b")


@pytest.mark.parametrize(("slope", "name"), [(0.34, "b"), (0.5, "a")])
def test_growth_does_not_pass_for_scatter(slope, name):
    wide = (0.15, -0.15, 0.15, -0.15)
    choice = choose(front_of(a=(0.0, 0.3), b=evaluation(-0.5, slope, noise=wide)))
    assert choice.recommended.name == name


WIDE = (0.15, -0.15, 0.15, -0.15)
OPEN = {"a": (0.0, -0.5), "b": evaluation(-0.01, -0.6, noise=WIDE)}
AGAIN = [  # losses and slopes on fresh seeds of a, b and c, recommended, said
    ((0.0, -0.5), (0.01, -0.5), (0.0, -0.5), "a", "On 4 fresh seeds the limit end's loss at"),
    ((0.0, -0.5), (-0.02, -0.5), (-0.01, -0.5), "b", "limit behaviour, 2.0% ± 0.0%"),
    ((0.0, -0.5), (-0.02, -0.9), (-0.01, -0.5), "b", "limit behaviour, 2.0% ± 0.0%"),
    ((0.0, -0.5), (-0.02, 0.1), (-0.01, -0.5), "c", "limit behaviour, 1.0% ± 0.0%"),
    ((0.0, -0.5), (0.01, -0.5), (-0.02, -0.2), "c", "limit behaviour, 2.0% ± 0.0%"),
]


@pytest.mark.parametrize(("a", "b", "c", "name", "said"), AGAIN)
def test_where_none_holds_fresh_seeds_decide(a, b, c, name, said):
    found = front_of(**OPEN, c=evaluation(0.02, -0.55, noise=WIDE), far=(-0.3, -1.5))
    first = choose(found)
    assert first.recommended.name == "b" and [e.name for e in first.alike] == ["b", "a", "c"]
    fresh = {"a": a, "b": b, "c": c}
    evaluated = [(e.name, e.rule, evaluation(*fresh[e.name])) for e in first.alike]
    again = decided(first, entries(evaluated, [1.0] * 3))
    assert again.recommended.name == name and said in again.reason
    assert again.recommended in first.alike
    assert again.reason.startswith("No rule holds up to ratio 256. On 4 fresh seeds")
    assert "the lowest of 3 rules that cannot be told apart in limit behaviour" in again.reason


def test_only_so_many_compete_and_the_limit_end_always_does():
    names = [f"r{k}" for k in range(2 * RIVALS)]
    some = {name: evaluation(-0.001 * k, -0.55, noise=WIDE) for k, name in enumerate(names)}
    first = choose(front_of(a=(0.0, -0.5), **some))
    assert [e.name for e in first.alike] == [*names[::-1][:RIVALS], "a"]


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
