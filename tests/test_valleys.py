"""Curves of rules at the largest scale and at the base, and the peaks of their updates."""

import json
import math

import pytest
from fake_limits import front_of
from lr_curves import lr_losses
from test_evaluate import tiny
from test_farther import NARROW, valley

from paramsearch.discovery.answers.choice import choose
from paramsearch.discovery.answers.farther import contenders, farther
from paramsearch.discovery.answers.valleys import BASE, OCTAVES, Valleys, train_valleys
from paramsearch.discovery.curves import recipe, workload_at
from paramsearch.probes.peak_share import PeakShare
from paramsearch.rules.rule import Rule
from paramsearch.train.engine import train
from paramsearch.train.population import Member

CURVES = {"far": (0.0, -0.2), "middle": (0.0, -0.1), "mup": (0.0, 0.0)}


def test_curves_are_those_of_the_base_and_of_the_largest_scale():
    setting = tiny()
    rule = Rule.load("mup")
    found = train_valleys(setting, {"mup": rule}, 2.0**-7, [5, 6])
    lrs = [2.0 ** (x - 7) for x in OCTAVES]
    largest = setting.objective.fidelity.ratios[-1]
    exact = lr_losses(setting, setting.base_scale * largest, [rule], lrs, [5, 6])[0]
    assert found.ratio == largest
    assert found.rules["mup"] == tuple(map(tuple, exact.tolist()))
    base = lr_losses(setting, setting.base_scale, [Rule.load("sp")], lrs, [5, 6])[0]
    assert [list(row) for row in found.base] == [pytest.approx(row) for row in base.tolist()]


@pytest.mark.parametrize("ratio", [1, 2])
def test_peaks_are_those_of_runs_at_the_best_learning_rate(ratio):
    setting, rule = tiny("sgd"), Rule.load("sp")
    found = train_valleys(setting, {"sp": rule}, 2.0**-7, [5, 6])
    place = workload_at(setting, setting.base_scale * ratio)
    members = [Member(0, 2.0**-7, seed) for seed in (5, 6)]
    how = recipe(setting, setting.objective.fidelity.steps)
    once = train(place, [rule], members, how, [PeakShare()]).probes["peak_share"]
    assert found.peaks[BASE if ratio == 1 else "sp"] == pytest.approx(once.tolist(), rel=1e-4)


def test_updates_that_do_not_grow_with_the_gradient_have_no_peaks():
    found = train_valleys(tiny("adam"), {"sp": Rule.load("sp")}, 2.0**-7, [5, 6])
    assert not found.peaks and len(found.rules["sp"]) == len(OCTAVES)


def test_peaks_go_on_with_their_power():
    curves = {"rule": valley(), "flat": valley()}
    some = Valleys(
        4.0, valley(), curves, {BASE: (1.0, 4.0), "rule": (4.0, 4.0), "flat": (2.0, 1.0)}
    )
    assert some.peak("rule", 32.0) == pytest.approx(4 * math.sqrt(8))
    assert some.peak("flat", 32.0) == pytest.approx(math.sqrt(2) / math.sqrt(2) ** 1.5)
    assert some.peak("rule", 2.0) == pytest.approx(4.0)
    steep = Valleys(4.0, valley(), curves, {BASE: (0.0, 0.0), "rule": (1e38, 1e38)})
    assert math.isfinite(steep.peak("rule", 1e9))
    assert Valleys(4.0, valley(), curves).peak("rule", 32.0) == 0.0
    assert Valleys.from_json(json.loads(json.dumps(some.to_json()))) == some


PEAKS = [  # of far, middle and limit end at ratio 4, the base's being 4; recommended, left out
    ((4.0, 4.0, 4.0), "far", 0),
    ((6.0, 4.0, 4.0), "middle", 1),  # 15 at ratio 256
    ((6.0, 6.0, 4.0), "mup", 2),
    ((6.0, 7.0, 6.5), "far", 1),  # no more than the limit end's
]


@pytest.mark.parametrize(("peaks", "name", "left"), PEAKS)
def test_rules_whose_updates_become_too_large_are_left_out(peaks, name, left):
    choice = choose(front_of(**NARROW))
    entries = contenders(choice)

    def curves(rules):
        named = {key: entries[key].name for key in rules}
        at_4 = dict(zip(CURVES, peaks, strict=True))
        found = {key: valley(*CURVES[one]) for key, one in named.items()}
        shares = {key: (at_4[one],) * 3 for key, one in named.items()}
        return Valleys(4.0, valley(), found, {BASE: (4.0,) * 3, **shares})

    found = farther(choice, curves)
    assert found.recommended.name == name
    assert (f"{left} of which are left out" in found.reason) == (left > 0)
    assert len(found.to_json()["foretold"]) == 3
    assert len(found.rivals) <= 2 - left
