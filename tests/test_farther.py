"""Losses at the target foretold by learning-rate curves that move by known octaves."""

import math

import pytest
from fake_limits import evaluation, front_of
from test_longer import longer

from paramsearch.discovery.answers.choice import choose
from paramsearch.discovery.answers.farther import contenders, foreseen, prospect
from paramsearch.discovery.answers.later import after
from paramsearch.discovery.evaluation import Evaluation
from paramsearch.discovery.paired import mean_of

OCTAVES = [k / 2 for k in range(-8, 9)]
BEND = 0.02
SEEDS = (0.0, 0.01, -0.02)  # log loss of each over the others
NARROW = {"mup": (0.0, 0.0), "middle": (-0.1, -0.1), "far": (-0.2, -0.2)}


def curves(drift, low=0.0, unsteady=0.0, far=None):
    """Valleys whose bottoms move by ``drift`` octaves when the scale doubles."""
    made = []
    for ratio in (1, 2, 4):
        bottom = drift * math.log2(ratio)
        losses = [
            [
                math.exp(low + seed + BEND * (x - bottom - unsteady * math.log2(ratio) * k) ** 2)
                for k, seed in zip((-1, 0, 1), SEEDS, strict=True)
            ]
            for x in OCTAVES
        ]
        if far is not None:
            losses[far:] = [[None] * len(SEEDS)] * len(losses[far:])
        made.append(
            {
                "scale": 32 * ratio,
                "ratio": float(ratio),
                "lrs": [0.01 * 2.0**x for x in OCTAVES],
                "losses": losses,
                "survived": [[0.5] * len(SEEDS)] * len(losses),
                "center": OCTAVES.index(0.0),
                "sharpness_steps": [],
                "sharpness": [],
                "probes": {},
            }
        )
    return Evaluation(0.0, 0.0, (0.0,), {}, made)


def entry():
    return front_of(mup=(0.0, 0.0)).limit


@pytest.mark.parametrize("drift", [0.0, 0.25, -0.25, 0.5])
@pytest.mark.parametrize("ratio", [4.0, 32.0, 64.0])
def test_a_valley_that_moves_on(drift, ratio):
    found = prospect(entry(), curves(drift), ratio)
    assert found.drifts == pytest.approx([drift] * 3)
    exact = BEND * (drift * math.log2(ratio)) ** 2
    read = [seed + exact for seed in SEEDS]
    assert sorted(found.losses) == pytest.approx(
        sorted(read), abs=2e-3
    )  # between points of a curve


def test_seeds_are_told_apart_by_leaving_them_out():
    found = prospect(entry(), curves(0.25, unsteady=0.125), 64.0)
    assert mean_of(found.drifts).mean == pytest.approx(0.25, abs=0.01)
    assert found.drifts == pytest.approx([0.125, 0.25, 0.375], abs=0.01)
    assert mean_of(found.losses).error > mean_of(SEEDS).error


def test_where_learning_rates_end_the_last_one_counts():
    beyond = prospect(entry(), curves(-2.0), 2.0**20)
    assert beyond.losses == pytest.approx([each + BEND * 8.0**2 for each in SEEDS], abs=1e-6)
    cliff = prospect(entry(), curves(-0.5, far=12), 2.0**8)  # at two octaves more, all diverge
    assert min(cliff.losses) > 3


def seen(choice, **drifts):
    found = {e.name: prospect(e, curves(*drifts[e.name]), 256.0) for e in contenders(choice)}
    return list(found.values())


FORETOLD = [  # drift and lowest log loss of far, middle and mup; recommended, rivals left, said
    ((0.0, -0.2), (0.0, -0.1), (0.0, 0.0), "far", ["middle"], "is the lowest of 3 rules, 18.1%"),
    ((0.5, -0.2), (0.0, -0.1), (0.0, 0.0), "middle", [], "moves by +0.50 ± 0.00 octaves when"),
    ((0.5, -0.2), (0.25, -0.1), (0.25, 0.0), "middle", [], "than that of the rule recommended"),
    ((0.5, -0.2), (-0.5, -0.1), (0.0, 0.0), "mup", [], "than that of the limit end, which moves"),
]


@pytest.mark.parametrize(("far", "middle", "mup", "name", "rivals", "said"), FORETOLD)
def test_the_lowest_loss_at_the_target_is_recommended(far, middle, mup, name, rivals, said):
    first = choose(front_of(**NARROW))
    assert [e.name for e in contenders(first)] == ["far", "middle", "mup"]
    choice = foreseen(first, seen(first, far=far, middle=middle, mup=mup))
    assert choice.recommended.name == name and said in choice.reason
    assert [entry.name for entry in choice.rivals] == rivals
    told = choice.to_json()["foretold"]
    losses = [each["foretold"]["mean"] for each in told]
    assert len(told) == 3 and losses == sorted(losses) and told[0]["name"] == name


@pytest.mark.parametrize("prefer", ["limit", "loss"])
def test_a_preference_asks_nothing_of_curves(prefer):
    assert contenders(choose(front_of(**NARROW), prefer)) == []


def test_without_rivals_there_is_nothing_to_foretell():
    assert contenders(choose(front_of(mup=(0.0, 0.0), noisy=evaluation(-0.01, own=0.03)))) == []


LATER = [  # losses of far and middle over the limit end's after longer runs, recommended, said
    (0.9, 0.8, "far", "it still has the lower loss, 10.0% ± 0.0% lower"),
    (1.0, 0.8, "far", "it is as good, 0.0% ± 0.0% higher."),
    (1.1, 0.8, "middle", "that rule is not better any more, 10.0% ± 0.0% higher, so another is"),
    (1.1, 1.1, "mup", "so the limit end is recommended in its place"),
]


@pytest.mark.parametrize(("far", "middle", "name", "said"), LATER)
def test_longer_runs_may_rule_it_out_but_do_not_choose(far, middle, name, said):
    first = choose(front_of(**NARROW))
    choice = foreseen(first, seen(first, far=(0.0, -0.2), middle=(0.0, -0.1), mup=(0.0, 0.0)))
    again = after(choice, longer(loss=far, recommended=far, **{"rival 1": middle}))
    assert again.recommended.name == name and said in again.reason
