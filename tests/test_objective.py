"""Objective files: what is wrong with one is said in one sentence; scores add up."""

import dataclasses

import numpy as np
import pytest
import yaml

from paramsearch.errors import ParamsearchError
from paramsearch.score.fidelity import LrGrid
from paramsearch.score.measured import Measured
from paramsearch.score.objective import Objective

GOOD = {
    "paramsearch": 1,
    "name": "mine",
    "fidelity": {
        "ratios": [1, 2],
        "steps": 10,
        "seeds": 2,
        "lr": {"low": 0.001, "high": 1.0},
    },
    "weights": {"loss": 1.0, "lr_collapse": 0.5, "sharpness_collapse": 0.25, "probe_slopes": 2.0},
}
INF = float("inf")
CHEAP = {"name": "a", "terms": ["loss"]}


def changed(path, value):
    """The good file with the value at a dotted path replaced; None deletes it."""
    data = yaml.safe_load(yaml.safe_dump(GOOD))
    *folders, key = path.split(".")
    part = data
    for folder in folders:
        part = part[folder]
    part[key] = value
    if value is None:
        del part[key]
    return data


def written(tmp_path, data):
    path = tmp_path / "mine.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data))
    return path


# key, value -> what the sentence must say of it: key, received, allowed
WRONG = [
    ("stages", [{"name": "a"}], r"stages\.0\.terms: received nothing; allowed: it must be stated"),
    (
        "stages",
        [{"name": "a", "terms": ["lr_collapse"]}],
        r"stages\.0\.terms: .* allowed: with loss",
    ),
    (
        "stages",
        [{"name": "a", "terms": ["los"]}],
        r"stages\.0\.terms\.0: received 'los'; allowed: ",
    ),
    ("stages", [{**CHEAP, "seeds": 3}], r"stages\.0\.seeds: received 3; allowed: at most .* 2"),
    ("stages", [{**CHEAP, "ratios": [4]}], r"stages\.0\.ratios: received 4; allowed: .* 1, 2"),
    ("stages", [CHEAP, CHEAP], r"stages: received the name 'a'; allowed: names that differ"),
    ("stages", [{**CHEAP, "name": "whole"}], r"stages: received the name 'whole'"),
    (
        "stages",
        [{**CHEAP, "name": "answers"}],
        r"stages: received the name .answers.; allowed: .* and .answers.",
    ),
    ("weigths", {}, r"weigths: received an unknown key \(did you mean 'weights'\?\); allowed: .*"),
    ("weights.collapse", 1, r"weights\.collapse: received an unknown key.*allowed: loss, lr_coll"),
    ("fidelity.lr.hi", 1, r"fidelity\.lr\.hi: received an unknown key.*high"),
    ("name", None, r"name: received nothing; allowed: it must be stated"),
    ("paramsearch", 2, r"paramsearch: received 2; allowed: 1"),
    ("fidelity", 3, r"fidelity: received 3; allowed: a mapping of ratios, steps"),
    ("fidelity.ratios", [2, 4], r"fidelity: ratios must start at 1 and grow; received \[2, 4\]"),
    ("fidelity.ratios", [1], r"fidelity: ratios must start at 1 and grow; received \[1\]"),
    (
        "fidelity.ratios",
        [1, 4, 2],
        r"fidelity: ratios must start at 1 and grow; received \[1, 4, 2\]",
    ),
    ("fidelity.ratios", [1, 0], r"fidelity\.ratios\.1: received 0; allowed: greater than or equ"),
    ("fidelity.ratios", [1, 1.5], r"fidelity\.ratios\.1: received 1\.5; allowed: a valid integer"),
    ("fidelity.steps", 1, r"fidelity\.steps: received 1; allowed: greater than or equal to 2"),
    ("fidelity.seeds", 0, r"fidelity\.seeds: received 0; allowed: greater than or equal to 1"),
    ("fidelity.seeds", "few", r"fidelity\.seeds: received 'few'; allowed: a valid integer"),
    ("fidelity.sharpness", 0, r"fidelity\.sharpness: received 0; allowed: greater than or equ"),
    ("fidelity.lr.low", 0, r"fidelity\.lr\.low: received 0; allowed: greater than 0"),
    (
        "fidelity.lr.low",
        2.0,
        r"fidelity\.lr: the .* at least 3 values; low 2\.0, high 1\.0 .*give 0",
    ),
    ("fidelity.lr.step", 9, r"fidelity\.lr: the .* at least 3 values; .* step 9\.0 octaves give 2"),
    ("fidelity.lr.high", INF, r"fidelity\.lr\.high: received inf; allowed: "),
    ("fidelity.lr.window", INF, r"fidelity\.lr\.window: received inf; allowed: "),
    ("fidelity.lr.step", float("nan"), r"fidelity\.lr\.step: received nan; allowed: "),
    ("fidelity.lr.mode", "coarse", r"fidelity\.lr\.mode: received 'coarse'; allowed: 'dense', "),
    (
        "fidelity.lr.mode",
        "track",
        r"fidelity\.lr\.mode track .* weights\.lr_collapse must be 0; received 0\.5",
    ),
    (
        "fidelity.lr.mode",
        "center",
        r"fidelity\.lr\.mode center .* weights\.lr_collapse must be 0; received 0\.5",
    ),
    (
        "fidelity.lr.window_step",
        1e-4,
        r"fidelity\.lr: window step 0\.0001 octaves gives the window \d+ learning rates; at most",
    ),
    ("fidelity.lr.window_step", 0, r"fidelity\.lr\.window_step: received 0; allowed: greater"),
    ("weights.loss", -1.0, r"weights\.loss: received -1\.0; allowed: greater than or equal to 0"),
    ("weights.loss", INF, r"weights\.loss: received inf; allowed: "),
    ("weights.loss", "much", r"weights\.loss: received 'much'; allowed: a valid number"),
]


@pytest.mark.parametrize(("key", "value", "sentence"), WRONG)
def test_one_sentence_names_file_key_received_and_allowed(tmp_path, key, value, sentence):
    path = written(tmp_path, changed(key, value))
    with pytest.raises(ParamsearchError, match=rf"mine\.yaml: {sentence}") as caught:
        Objective.load(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name: [", r"mine\.yaml: line \d+: "),
        ("name: a\nname: b\n", r"mine\.yaml: line 2: key 'name' is given twice"),
        ("", r"mine\.yaml: received nothing; allowed: a mapping of paramsearch, name"),
        ("- 1\n", r"mine\.yaml: received \[1\]; allowed: a mapping of paramsearch, name"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text, sentence):
    with pytest.raises(ParamsearchError, match=sentence):
        Objective.load(str(written(tmp_path, text)))


def test_an_unknown_name_lists_what_exists():
    with pytest.raises(ParamsearchError, match=r"unknown objective 'transfr'; did you mean 'trans"):
        Objective.load("transfr")


def test_what_is_left_out_has_its_default(tmp_path):
    loaded = Objective.load(str(written(tmp_path, changed("weights", None))))
    assert loaded.weights.model_dump() == {
        "loss": 1.0,
        "lr_collapse": 1.0,
        "sharpness_collapse": 0.25,
        "probe_slopes": 1.0,
    }
    assert (loaded.fidelity.lr.step, loaded.fidelity.lr.mode) == (0.5, "dense")


@pytest.mark.parametrize(
    ("low", "high", "step", "values"),
    [
        (0.25, 1.0, 1.0, [0.25, 0.5, 1.0]),
        (0.25, 0.99, 0.5, [0.25, 0.25 * 2**0.5, 0.5, 0.5 * 2**0.5]),
        (1.0, 4.0, 0.5, [1.0, 2**0.5, 2.0, 2**1.5, 4.0]),
    ],
)
def test_the_grid_runs_in_octaves_from_low_to_high(low, high, step, values):
    np.testing.assert_allclose(LrGrid(low=low, high=high, step=step).values(), values)


@pytest.mark.parametrize(
    ("window", "step", "offsets"),
    [(2, 1, [-2, -1, 0, 1, 2]), (1, 0.5, [-1, -0.5, 0, 0.5, 1]), (0.1, 1, [-1, 0, 1])],
)
def test_the_window_is_symmetric_and_holds_its_center_exactly(window, step, offsets):
    around = LrGrid(low=1e-3, high=1.0, step=step, window=window).around(0.03)
    np.testing.assert_allclose(np.log2(np.array(around) / 0.03), offsets, atol=1e-12)
    assert around[len(around) // 2] == 0.03


@pytest.mark.parametrize(
    ("count", "steps", "expected"), [(4, 40, [5, 15, 25, 35]), (1, 10, [5]), (9, 3, [0, 1, 2])]
)
def test_sharpness_is_measured_evenly_over_the_run(count, steps, expected):
    data = changed("fidelity.sharpness", count)
    data["fidelity"]["steps"] = steps
    assert Objective.model_validate(data).fidelity.sharpness_steps() == expected


def parabola(ratio, drift):
    """Optimum ``drift`` octaves off, one drift per seed; sharpness and share scale with ratio."""
    lrs, drift = 2.0 ** np.arange(-2, 3), np.asarray(drift)
    losses = np.exp(0.1 * (np.log2(lrs)[:, None] - drift) ** 2)
    probes = {
        "update_share/hidden": ratio**-0.5 * np.ones_like(drift),
        "signal/output": ratio**-1.0 * np.ones_like(drift),  # the readout's may shrink
        "signal/scalar": ratio**3.0 * np.ones_like(drift),  # does not count
    }
    sharpness = np.full((3, len(drift)), float(ratio))
    center, at = 2, np.arange(3)
    return Measured(
        32 * ratio, ratio, lrs, losses, np.ones_like(losses), center, at, sharpness, probes
    )


def test_the_score_is_the_weighted_sum_of_its_terms_seed_by_seed():
    score = Objective.model_validate(GOOD).score([parabola(1, [0, 0]), parabola(2, [0, 1])], [1, 1])
    offsets, cut = np.arange(-2, 3), lambda y: np.minimum(y - y.min(), 1.0)
    gap = cut(0.1 * (offsets - 1) ** 2) - cut(0.1 * offsets**2)
    loss, collapse = np.array([0.0, 0.1]), np.array([0.0, np.sqrt(np.mean(gap**2))])
    octaves, slopes = 1.0, (0.5 + 0.0) / 2
    per_seed = 1.0 * loss + 0.5 * collapse + 0.25 * octaves + 2.0 * slopes
    np.testing.assert_allclose(score.per_seed, per_seed)
    assert score.total == pytest.approx(per_seed.mean())
    assert score.spread == pytest.approx(abs(per_seed[1] - per_seed[0]) / 2)
    assert score.terms == pytest.approx(
        {
            "loss": loss.mean(),
            "lr_collapse": collapse.mean(),
            "sharpness_collapse": octaves,
            "probe_slopes": slopes,
        }
    )
    assert score.slopes == pytest.approx({"update_share/hidden": -0.5, "signal/output": 0.0})


def test_tracked_curves_score_without_collapse():
    data = changed("weights.lr_collapse", 0.0)
    data["fidelity"]["lr"]["mode"] = "track"
    curves = [parabola(1, [0, 0]), parabola(2, [0, 1])]
    dense = Objective.model_validate(changed("weights.lr_collapse", 0.0)).score(curves, [1, 1])
    few = dataclasses.replace(curves[1], lrs=curves[1].lrs[1:], losses=curves[1].losses[1:])
    few = dataclasses.replace(few, survived=few.survived[1:], center=1)
    score = Objective.model_validate(data).score([curves[0], few], [1, 1])
    assert score.per_seed == dense.per_seed
    assert set(score.terms) == set(dense.terms) - {"lr_collapse"}


def test_one_seed_has_no_spread():
    score = Objective.model_validate(GOOD).score([parabola(1, [0]), parabola(2, [1])], [1, 1])
    assert score.spread == 0.0


def test_the_window_may_be_coarser_than_the_base_grid():
    fine, coarse = LrGrid(low=0.01, high=1), LrGrid(low=0.01, high=1, window_step=1)
    assert coarse.values() == fine.values()
    assert coarse.around(0.5) == fine.around(0.5)[::2] == [0.125, 0.25, 0.5, 1.0, 2.0]
