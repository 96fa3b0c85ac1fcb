"""Losses at the target foretold by learning-rate curves that move by known octaves."""

import math

import pytest
from fake_limits import evaluation, front_of
from test_longer import longer

from paramsearch.discovery.answers.choice import choose
from paramsearch.discovery.answers.farther import USUAL, contenders, farther, likely, prospect
from paramsearch.discovery.answers.front import front
from paramsearch.discovery.answers.later import after
from paramsearch.discovery.answers.valleys import OCTAVES, WORST, Valleys
from paramsearch.discovery.paired import Gap, mean_of

BEND = 0.02
SEEDS = (0.0, 0.01, -0.02)  # log loss of each over the others
LOW = min(SEEDS)
NARROW = {"mup": (0.0, 0.0), "middle": (-0.1, -0.1), "far": (-0.2, -0.2)}


def valley(bottom=0.0, low=0.0, unsteady=0.0, diverges=math.inf):
    """A curve whose lowest point lies ``bottom`` octaves from the base's learning rate."""
    places = [bottom + unsteady * k for k in (-1, 0, 1)]
    return tuple(
        tuple(
            math.exp(low + seed + BEND * (x - place) ** 2) if x < diverges else math.inf
            for seed, place in zip(SEEDS, places, strict=True)
        )
        for x in OCTAVES
    )


def entry():
    return front_of(mup=(0.0, 0.0)).limit


def seen(ratio, **curve):
    return prospect(entry(), "one", Valleys(4.0, valley(), {"one": valley(**curve)}), ratio)


@pytest.mark.parametrize("bottom", [0.0, 0.5, -0.5, 0.25])
@pytest.mark.parametrize("ratio", [4.0, 32.0, 64.0])
def test_a_valley_that_moves_on(bottom, ratio):
    found = seen(ratio, bottom=bottom)
    assert found.drifts == pytest.approx([bottom / 2] * 3)
    exact = BEND * (bottom / 2 * math.log2(ratio)) ** 2
    grid = max(0.0, mean_of(found.trends).mean) * math.log2(ratio / 4) * (bottom > 0)
    assert grid < 3e-3  # the lowest point lies between two of the grid
    read = [seed - LOW + exact + grid for seed in SEEDS]
    assert sorted(found.losses) == pytest.approx(sorted(read), abs=2e-3)


@pytest.mark.parametrize(("bottom", "lasts"), [(0.0, True), (0.5, True), (-0.5, False)])
def test_the_lowest_loss_goes_on_unless_the_best_learning_rate_is_known_to_fall(bottom, lasts):
    flat, lower = seen(64.0, bottom=bottom), seen(64.0, bottom=bottom, low=-0.1)
    assert lower.trends == pytest.approx([-0.05] * 3)
    gained = [a - b for a, b in zip(lower.losses, flat.losses, strict=True)]
    assert gained == pytest.approx([-0.1 - 0.05 * 4 * lasts] * 3)
    assert seen(4.0, bottom=bottom, low=-0.1).losses == pytest.approx(
        [loss - 0.1 for loss in seen(4.0, bottom=bottom).losses]
    )
    unsure = seen(64.0, bottom=bottom, low=-0.1, unsteady=0.8)
    assert mean_of(unsure.drifts).word(0.0) != "lower"
    assert mean_of(unsure.trends).mean == pytest.approx(-0.05, abs=0.01)


def test_the_base_moves_too():
    curves = Valleys(4.0, valley(0.5), {"one": valley(0.5)})
    assert prospect(entry(), "one", curves, 256.0).drifts == pytest.approx([0.0] * 3)


def test_the_drift_is_that_of_all_seeds_and_its_error_the_jackknifes():
    curves = Valleys(4.0, valley(), {"one": valley(0.5, unsteady=0.25)})
    found = mean_of(prospect(entry(), "one", curves, 64.0).drifts)
    assert found.mean == pytest.approx(curves.drift("one", (0, 1, 2)))
    without = [curves.drift("one", some) for some in ((1, 2), (0, 2), (0, 1))]
    center = sum(without) / 3
    variance = 2 / 3 * sum((each - center) ** 2 for each in without)
    assert found.error == pytest.approx(math.sqrt(variance)) and found.error > 0


@pytest.mark.parametrize("unsteady", [0.0, 0.1, 0.3, 2.0])
def test_losses_are_means_over_the_drifts_that_remain_likely(unsteady):
    """By quadrature of the posterior density, on a fine grid."""
    curves = Valleys(4.0, valley(), {"one": valley(0.5, unsteady=unsteady)})
    found = prospect(entry(), "one", curves, 16.0)
    drift = mean_of(found.drifts)
    known = USUAL**2 / (USUAL**2 + drift.error**2)
    spread = math.sqrt(known) * drift.error
    points = [known * drift.mean + spread * k / 50 for k in range(-250, 251)]
    weights = [math.exp(-((k / 50) ** 2) / 2) for k in range(-250, 251)]
    rows = [curves.foretold("one", point, 16.0) for point in points]
    for seed, loss in enumerate(found.losses):
        mean = sum(w * row[seed] for w, row in zip(weights, rows, strict=True)) / sum(weights)
        mean += 2 * found.trends[seed]
        assert loss == pytest.approx(mean, abs=3e-3)


def test_a_drift_that_is_known_counts_whole_and_one_that_is_not_hardly():
    exact, unknown = likely(Gap(0.3, 0.0)), likely(Gap(0.3, 1.0))
    assert [drift for drift, _ in exact] == pytest.approx([0.3] * 3)
    low, middle, high = (drift for drift, _ in unknown)
    assert abs(middle) < 0.002 and high - low == pytest.approx(2 * math.sqrt(3) * USUAL, rel=1e-2)
    assert sum(weight for _, weight in unknown) == pytest.approx(1.0)


def test_a_steep_side_costs_what_it_may_cost():
    steep = valley(-0.02, unsteady=0.4, diverges=0.5)
    losses = seen(256.0, bottom=-0.02, unsteady=0.4).losses
    beside = prospect(entry(), "one", Valleys(4.0, valley(), {"one": steep}), 256.0).losses
    assert mean_of(beside).mean > mean_of(losses).mean + 0.5


def test_one_seed_has_no_error():
    one = Valleys(2.0, tuple(row[:1] for row in valley()), {"one": tuple(r[:1] for r in valley())})
    assert prospect(entry(), "one", one, 256.0).losses == pytest.approx([0.0], abs=1e-9)


def test_where_learning_rates_end_the_last_one_counts():
    beyond = seen(2.0**20, bottom=-2.0)
    assert beyond.losses == pytest.approx([s - LOW + BEND * 16 for s in SEEDS], abs=1e-6)
    cliff = seen(2.0**8, bottom=-0.5, diverges=1.5)  # read at one and a half octaves more
    assert cliff.losses == pytest.approx([WORST] * 3)


@pytest.mark.parametrize("curve", [valley(0.5, diverges=1.0), valley(diverges=-9)])
def test_plain_data_and_back(curve):
    found = Valleys(4.0, valley(), {"one": curve})
    assert Valleys.from_json(found.to_json()) == found


def again(choice, **curves):
    """Look again, with the curves of rules by name."""
    names = {entry.rule.plain()["groups"][0]["lr"]["width"]: name for name, entry in FIRST.items()}

    def train(rules):
        found = {
            key: valley(*curves[names[rule.plain()["groups"][0]["lr"]["width"]]])
            for key, rule in rules.items()
        }
        return Valleys(4.0, valley(), found)

    return farther(choice, train)


FIRST = {e.name: e for e in contenders(choose(front_of(**NARROW))).values()}
FORETOLD = [  # place and lowest log loss of far, middle and mup; recommended, rivals left, said
    (
        (0.0, -0.2),
        (0.0, -0.1),
        (0.0, 0.0),
        "far",
        ["middle"],
        "Of 3 rules it has the lowest loss promised at ratio 256",
    ),
    ((1.25, 0.0), (0.0, -0.1), (0.0, 0.0), "middle", [], "over the search moves by +0.6"),
    ((1.25, -0.1), (0.5, -0.1), (0.5, 0), "middle", ["far"], "Over the search its loss is 9.5%"),
    (
        (1.25, -0.01),
        (-0.9, -0.01),
        (0.0, 0.0),
        "mup",
        [],
        "the limit end has the lowest loss promised",
    ),
]


@pytest.mark.parametrize(("far", "middle", "mup", "name", "rivals", "said"), FORETOLD)
def test_the_lowest_loss_at_the_target_is_recommended(far, middle, mup, name, rivals, said):
    assert list(FIRST) == ["far", "middle", "mup"]
    choice = again(choose(front_of(**NARROW)), far=far, middle=middle, mup=mup)
    assert choice.recommended.name == name and said in choice.reason
    assert [entry.name for entry in choice.rivals] == rivals
    told = choice.to_json()["foretold"]
    losses = [each["foretold"]["mean"] for each in told]
    assert len(told) == 3 and losses == sorted(losses) and told[0]["name"] == name


def test_a_rule_that_is_not_known_to_hold_says_so():
    wide = (0.15, -0.15, 0.15, -0.15)
    names = {"mup": -0.1, "middle": -0.11, "far": -0.12}
    losses = {"mup": 0.0, "middle": -0.1, "far": -0.2}
    found = front_of(**{n: evaluation(losses[n], s, noise=wide) for n, s in names.items()})
    mup = next(e for e in (*found.members, *found.others) if e.name == "mup")
    choice = choose(front((*found.members, *found.others), mup))
    curves = {"far": valley(1.25), "middle": valley(), "mup": valley(1.25)}

    def train(rules):
        some = (*choice.rivals, mup)
        named = {k: next(e.name for e in some if e.rule == rule) for k, rule in rules.items()}
        return Valleys(4.0, valley(), {key: curves[name] for key, name in named.items()})

    reason = farther(choice, train).reason
    assert "before 256, in which it cannot be told from the limit end." in reason


@pytest.mark.parametrize("prefer", ["limit", "loss"])
def test_a_preference_asks_nothing_of_curves(prefer):
    assert contenders(choose(front_of(**NARROW), prefer)) == {}


def test_without_rivals_there_is_nothing_to_foretell():
    choice = choose(front_of(mup=(0.0, 0.0), noisy=evaluation(-0.01, own=0.03)))
    assert contenders(choice) == {} and again(choice) == choice


LATER = [  # losses of far and middle over the limit end's after longer runs, recommended, said
    (0.9, 0.8, "far", "it still has the lower loss, 10.0% ± 0.0% lower"),
    (1.0, 0.8, "far", "it is as good, 0.0% ± 0.0% higher."),
    (1.1, 0.8, "middle", "that rule is not better any more, 10.0% ± 0.0% higher, so another is"),
    (1.1, 1.1, "mup", "so the limit end is recommended in its place"),
]
UNSURE = 0.3  # octaves by which the places of the limit end's seeds differ


@pytest.mark.parametrize(("far", "middle", "name", "said"), LATER)
def test_longer_runs_may_rule_it_out_but_do_not_choose(far, middle, name, said):
    low = {"far": (0.0, -0.02), "middle": (0.0, -0.012), "mup": (0.25, -0.01, UNSURE)}
    first = again(choose(front_of(**NARROW)), **low)
    assert not first.ahead
    choice = after(first, longer(loss=far, recommended=far, **{"rival 1": middle}))
    assert choice.recommended.name == name and said in choice.reason


@pytest.mark.parametrize(("middle", "name"), [(0.8, "middle"), (0.898, "far")])
def test_longer_runs_choose_among_rules_that_promise_the_same(middle, name):
    low = {"far": (0.0, -0.02), "middle": (0.0, -0.019), "mup": (0.25, -0.01)}
    first = again(choose(front_of(**NARROW)), **low)
    assert [entry.name for entry in first.alike] == ["middle"]
    choice = after(first, longer(loss=0.9, recommended=0.9, **{"rival 1": middle}))
    said = "another that promises as much, to half a per cent, is 11.1% ± 0.0% lower than it"
    assert choice.recommended.name == name and (said in choice.reason) == (name == "middle")


def test_longer_runs_do_not_bring_back_what_is_known_to_end_badly():
    first = again(choose(front_of(**NARROW)), far=(0.0, 0.0), middle=(0.0, 0.1), mup=(1.0, 0.0))
    assert first.ahead
    choice = after(first, longer(loss=1.1, recommended=1.1, **{"rival 1": 1.1}))
    assert choice.recommended.name == "far"
    assert "10.0% ± 0.0% higher than the limit end's, whose curves foretell worse" in choice.reason


SAFE = [  # place and lowest log loss of the solver's rule and of the limit end; recommended
    ((0.0, 0.1), (0.0, 0.0), "limit"),
    ((0.0, 0.01), (-1.0, 0.0), "safe"),
    ((0.0, -0.003), (0.25, -0.01, UNSURE), "limit"),  # it may as well stay where it is
]


@pytest.mark.parametrize(("safe", "limit", "name"), SAFE)
def test_the_solvers_rule_takes_the_place_of_a_limit_end_that_drifts(safe, limit, name):
    found = front_of(limit=(0.0, 0.0), safe=(0.05, -0.1))
    (other,) = found.others
    curves = {"rule 1": valley(*safe), "limit": valley(*limit)}
    choice = farther(choose(found), lambda rules: Valleys(4.0, valley(), curves), [other])
    assert choice.recommended.name == name
    moved = f"That of the limit end moves by {limit[0] / 2:+.2f}"
    assert (moved in choice.reason) == (name == "safe")


def test_the_solvers_rule_has_to_hold():
    found = front_of(limit=(0.0, 0.0), safe=(0.05, -0.9))
    assert contenders(choose(found), found.others) == {}


@pytest.mark.parametrize(("lost", "name"), [(0.2, "safe"), (0.0, "limit")])
def test_longer_runs_hold_nothing_against_a_rule_that_was_higher_all_the_time(lost, name):
    """The solver's rule is there for what it promises, not for its loss over the search."""
    found = front_of(limit=(0.0, 0.0), low=(-0.1, -0.1), safe=(lost, -0.05))
    (safe,) = (entry for entry in found.others if entry.name == "safe")

    def train(rules):
        curves = {n: valley() if r == safe.rule else valley(-1.0) for n, r in rules.items()}
        return Valleys(4.0, valley(), {**curves, "limit": valley(-0.25, 0.0, UNSURE)})

    choice = farther(choose(found), train, [safe])
    assert choice.recommended.name == "safe" and not choice.rivals
    told = after(choice, longer(recommended=1.3, loss=1.0))
    assert told.recommended.name == name
    assert ("30.0% ± 0.0% higher than the limit end's, as it was" in told.reason) == (lost > 0)
