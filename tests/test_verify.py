import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from fake_curves import BEST_LR, at_every_seed, losses

import paramsearch
from paramsearch import ParamsearchError, Rule
from paramsearch.cli.progress import _eta
from paramsearch.discovery import verify as measuring
from paramsearch.discovery.certificate import certify, drift
from paramsearch.discovery.prediction import Prediction
from paramsearch.discovery.progress import Progress, silent
from paramsearch.discovery.target import find_target
from paramsearch.discovery.verify import Curve, Evidence, check_scales, measure
from paramsearch.jobs import verify as verifying


@pytest.fixture(autouse=True)
def _no_training(monkeypatch):
    monkeypatch.setattr(measuring, "workload_at", lambda setting, scale: scale)
    monkeypatch.setattr(measuring, "point_losses", losses)


def checked(rule, scales, baselines, tmp_path, **options):
    options = {"arch": "mlp", "out": tmp_path / "v"} | options
    return paramsearch.verify(rule, scales, baselines, **options)


def test_a_rule_without_drift_passes(tmp_path):
    result = checked("mup", [128, 512], ["sp"], tmp_path)
    rules = result.certificate["rules"]
    assert result.passed
    assert rules["mup"]["drift_octaves"] == pytest.approx(0, abs=1e-3)
    assert rules["mup"]["scales"]["512"]["regret"] == pytest.approx(0)
    assert rules["sp"]["drift_octaves"] == pytest.approx(4, abs=0.1)
    assert rules["sp"]["drift_per_decade"] == pytest.approx(-math.log2(10), abs=0.1)
    assert rules["sp"]["scales"]["512"]["regret"] == pytest.approx(0.05 * 16, abs=0.05)
    assert result.sentence.startswith("mup passes: transfer regret at width 128 (4 x base) ")
    assert ", at width 512 (16 x base) 0 ± 0 (better than sp 0.79 ± 0)" in result.sentence
    assert "drifts by 0.00 octaves over width 32 to 512, " in result.sentence
    assert "(sp 4.00, -3.32)" in result.sentence and "power" not in result.sentence


def test_a_rule_with_drift_fails(tmp_path):
    result = checked("sp", [512], ["mup"], tmp_path)
    assert not result.passed
    assert "worse than mup 0 ± 0" in result.sentence
    assert "fails, because at width 512 mup transfers better, and its optimum" in result.sentence
    assert "drifts by 4.00 octaves, and mup by 0.00 only" in result.sentence


def test_ties_are_named(tmp_path):
    result = checked("sp", [512], ["ntk"], tmp_path)
    assert result.passed and "tied with ntk" in result.sentence


def test_without_baselines_the_drift_decides(tmp_path):
    assert checked("mup", [512], [], tmp_path).passed
    result = checked("sp", [512], [], tmp_path)
    assert not result.passed and "drifts by 4.00 octaves, more than 1" in result.sentence


def parabola(bottom, scale=1.0):
    """A curve with its optimum ``bottom`` octaves above 2**-6 and the same loss there."""
    lrs = tuple(2.0 ** (k / 2) for k in range(-30, 7))
    gaps = np.array([math.log2(lr) + 6 - bottom for lr in lrs])
    return Curve(lrs, 1 + scale * gaps[:, None] ** 2 + np.array([0.0, 0.001]))


def judged(**drifts):
    """A certificate whose rules drift by so many octaves, at hardly any loss."""
    curves = {
        name: {32: parabola(0, 1e-11), 320: parabola(octaves, 1e-11)}
        for name, octaves in drifts.items()
    }
    return certify(Evidence("width", 32, 2.0**-6, curves))["verdict"]


def test_a_steadier_baseline_makes_a_rule_fail():
    sentence = "fails, because its optimum drifts by 2.00 octaves, and mup by 1.20 only"
    assert sentence in judged(found=2, mup=1.2, sp=3)["sentence"]
    assert not judged(found=2, mup=1.2, sp=3)["passed"]
    assert judged(found=2, mup=1.6, sp=3)["passed"]
    assert judged(found=0.9, mup=0.1, sp=3)["passed"]


@pytest.mark.parametrize(
    ("gaps", "passes"),
    [
        ((0.02, 0.02, 0.05, 0.03), False),  # 0.03 +- 0.007
        ((0.0, 0.0, 0.03, 0.03), True),  # 0.015 +- 0.009: not two standard errors
        ((0.004, 0.004, 0.004, 0.004), True),  # sure, but less than half a per cent
        ((0.006, 0.006, 0.006, 0.006), False),
    ],
)
def test_a_baseline_is_better_beyond_two_errors_and_half_a_per_cent(gaps, passes):
    lrs = (2.0**-7, 2.0**-6, 2.0**-5)
    base, other = np.array([[1.1], [1.0], [1.1]]), np.zeros((3, 4))
    found = Curve(lrs, base + np.array(gaps))
    curves = {name: {32: Curve(lrs, base + other)} for name in ("found", "mup")}
    curves["found"][320], curves["mup"][320] = found, Curve(lrs, base + other)
    told = certify(Evidence("width", 32, 2.0**-6, curves))["verdict"]
    assert told["passed"] == passes
    assert ("tied with mup" in told["sentence"]) == passes


def test_a_test_without_power_says_so():
    assert (
        "; but even sp drifts by only 0.30 octaves, so the test has no power: "
        in (judged(found=0.1, sp=0.3)["sentence"])
    )
    assert "power" not in judged(found=0.1, mup=0.2)["sentence"]


def test_one_seed_has_no_spread(tmp_path):
    result = checked("mup", [64], ["sp"], tmp_path, seeds=1)
    assert result.sentence.endswith("; one seed, so without spread.")


def test_a_rule_that_diverges_fails(tmp_path):
    result = checked("sp", [32 * 128], ["mup"], tmp_path)
    entry = result.certificate["rules"]["sp"]["scales"]["4096"]
    assert entry["transferred_loss"] is None and entry["regret"] is None
    assert entry["best_loss"] == pytest.approx(1, abs=0.01)
    assert not result.passed and "it diverges" in result.sentence


def test_curves_reach_beyond_the_optimum_on_either_side(tmp_path):
    entry = checked("mup", [1024], ["sp"], tmp_path).certificate["rules"]["sp"]["scales"]["1024"]
    assert entry["interior"] and entry["optimum"] == pytest.approx(BEST_LR / 32, rel=0.1)
    assert min(entry["lrs"]) < entry["optimum"] < max(entry["lrs"])
    assert entry["lrs"] == sorted(entry["lrs"])


def test_files_and_schema(tmp_path):
    result = checked("mup", [64], ["sp"], tmp_path)
    assert sorted(p.name for p in result.folder.iterdir()) == [
        "certificate.json",
        "certificate.png",
    ]
    content = json.loads((result.folder / "certificate.json").read_text())
    assert content == result.certificate
    assert {"axis", "base_scale", "base_lr", "rules", "verdict"} <= set(content)
    assert list(content["rules"]) == ["mup", "sp"]
    assert list(content["rules"]["sp"]["scales"]) == ["32", "64"]
    wanted = ["lrs", "losses", "optimum", "best_loss", "transferred_loss", "regret"]
    assert set(wanted) < set(content["rules"]["sp"]["scales"]["64"])


def test_the_documented_json_is_there(tmp_path):
    found = checked("mup", [64], ["sp"], tmp_path).certificate
    text = (Path(__file__).parent.parent / "docs" / "json.md").read_text()
    words = set(re.findall(r"`([a-z_]+)`", text.split("\n## verify\n")[1].split("\n## ")[0]))
    rule = found["rules"]["sp"]
    there = {*found, *rule, *rule["scales"]["64"], *found["verdict"], "folder"}
    assert words == there


def test_an_optimum_at_the_end_of_the_base_grid_is_no_optimum(monkeypatch, tmp_path):
    monkeypatch.setattr(measuring, "point_losses", at_every_seed(lambda lr: lr))
    with pytest.raises(ParamsearchError, match=r"is the last of the grid .* move the grid down"):
        checked("mup", [64], [], tmp_path)


def test_every_lr_diverged(monkeypatch, tmp_path):
    monkeypatch.setattr(measuring, "point_losses", at_every_seed(lambda lr: math.inf))
    with pytest.raises(ParamsearchError, match="diverged at width=32; move the grid down"):
        checked("mup", [64], [], tmp_path)
    assert not (tmp_path / "v").exists()


def test_regret_is_paired_over_seeds():
    good = Curve((0.1, 0.2, 0.4), np.array([[2.0, 3.0], [1.0, 2.0], [2.0, 3.0]]))
    evidence = Evidence("width", 1, 0.4, {"a": {1: good, 2: good}})
    entry = certify(evidence)["rules"]["a"]["scales"]["2"]
    assert (entry["regret"], entry["regret_spread"]) == (1.0, 0.0)


def test_drift_is_unknown_where_everything_diverged():
    dead = Curve((0.1, 0.2), np.full((2, 2), np.inf))
    assert drift({1: dead, 2: dead}, 1) == {"drift_octaves": None, "drift_per_decade": None}


@pytest.mark.parametrize(
    ("scales", "match"),
    [
        ([], "--scales is empty"),
        ([512, 16], "width 16 is not above the base width 32"),
        ([32], "width 32 is not above the base"),
        ([128], r"width 128 was trained in the search \(32, 64, 128\)"),
    ],
)
def test_scales_must_be_held_out(scales, match):
    with pytest.raises(ParamsearchError, match=match):
        check_scales(scales, 32, "width", [32, 64, 128], allow_searched=False)


def test_searched_scales_may_be_allowed():
    assert check_scales([128, 64, 64], 32, "width", [64, 128], allow_searched=True) == [64, 128]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"arch": None}, "rule 'mup' by itself does not say which architecture"),
        ({"arch": "mpl"}, r"unknown architecture 'mpl'; did you mean 'mlp'\?"),
        ({"axis": "height"}, "architecture 'mlp': unknown axis 'height'"),
        ({"axis": "depth"}, "rule 'mup' says nothing about axis 'depth'"),
        ({"task": "nothing"}, "unknown task 'nothing'"),
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"device": "nowhere"}, "device 'nowhere' cannot be used"),
    ],
)
def test_bad_input(options, match, tmp_path):
    with pytest.raises(ParamsearchError, match=match):
        checked("mup", [256], ["sp"], tmp_path, **options)
    assert not (tmp_path / "v").exists()


def test_an_unknown_baseline_lists_what_exists(tmp_path):
    with pytest.raises(ParamsearchError, match=r"unknown rule 'mupp'; did you mean 'mup'\?"):
        checked("mup", [256], ["mupp"], tmp_path)


def test_a_rule_that_does_not_fit_the_model(tmp_path):
    rule = Rule.load("mup")
    partial = rule.model_copy(update={"groups": rule.groups[:1]})
    with pytest.raises(ParamsearchError, match="has no group that matches"):
        checked(partial, [256], [], tmp_path)


@pytest.mark.parametrize(
    ("files", "match"),
    [
        ({}, r"has no summary\.json"),
        ({"trials.db": ""}, "search is not finished"),
        ({"summary.json": "{"}, r"summary\.json cannot be read"),
        ({"summary.json": "[]"}, "must hold a JSON object"),
        ({"summary.json": "{}"}, r"has no rule\.yaml"),
        ({"summary.json": "{}", "rule.yaml": ""}, "is not the summary of a search"),
    ],
)
def test_damaged_run_folders(files, match, tmp_path):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ParamsearchError, match=match):
        find_target(tmp_path)


def test_a_missing_run_folder():
    with pytest.raises(ParamsearchError, match="run folder runs/nothing does not exist"):
        find_target("runs/nothing")


def test_progress_counts_scales():
    seen = []
    goal = paramsearch.jobs.verify.Objective.load("transfer")
    arch = paramsearch.load_arch("mlp")
    task = paramsearch.load_task("digits")
    setting = measuring.Setting(arch, task, "width", "adam", goal, "cpu", 0)
    measure(setting, {"mup": Rule.load("mup")}, [64, 128], [0], seen.append)
    assert (seen[-1].done, seen[-1].total) == (3, 3)
    measure(setting, {"mup": Rule.load("mup")}, [64], [0], silent)


SHARES = {0: 0.0, 1: 0.05, 2: 0.15, 3: 1.0}


def test_time_left_goes_by_what_each_scale_takes(tmp_path, monkeypatch):
    predicted = Prediction(0, 1, 1, 1, parts=(1.0, 2.0, 17.0))
    monkeypatch.setattr(verifying, "ahead", lambda *_: predicted)
    heard = []
    checked("mup", [128, 512], ["sp"], tmp_path, listen=heard.append)
    assert {p.done: p.share for p in heard if p.stage == "verify"} == SHARES
    second = Progress("verify", 2, 3, None, share=0.15)
    assert _eta(second, 30.0) == ", about 170 s left"
    assert {p.foretold for p in heard if p.stage == "verify"} == {20.0}
    early = Progress("verify", 1, 2, None, share=0.001, foretold=500.0)
    assert _eta(early, 5.0) == ", about 544 s left"  # not 5 s / 0.001
