"""Tracked certificates against dense ones."""

import math

import numpy as np
import pytest
from fake_curves import BASE, BEST_LR, at_every_seed, losses

import paramsearch
from paramsearch.discovery import verify as measuring


@pytest.fixture(autouse=True)
def _no_training(monkeypatch):
    monkeypatch.setattr(measuring, "workload_at", lambda setting, scale: scale)
    monkeypatch.setattr(measuring, "point_losses", losses)


def checked(rule, scales, baselines, tmp_path, **options):
    return paramsearch.verify(rule, scales, baselines, arch="mlp", out=tmp_path / "v", **options)


def test_dense_curves_share_a_grid_that_is_extended_where_the_optimum_is_at_its_edge(tmp_path):
    rules = checked("mup", [1024], ["sp"], tmp_path, dense=True).certificate["rules"]
    mup, sp = (rules[name]["scales"]["1024"] for name in ("mup", "sp"))
    assert sp["interior"] and sp["optimum"] == pytest.approx(BEST_LR / 32, rel=0.1)
    assert len(mup["lrs"]) == 9 and set(mup["lrs"]) < set(sp["lrs"])
    assert np.diff(np.log2(sp["lrs"])) == pytest.approx(0.5)


def test_tracking_says_what_dense_grids_say_for_half_the_members(tmp_path):
    ways = [checked("mup", [64, 128, 256, 512], ["sp"], tmp_path, dense=d) for d in (False, True)]
    few, full = (way.certificate for way in ways)
    assert few["base_lr"] == full["base_lr"] and ways[0].passed == ways[1].passed
    counts = np.zeros(2)
    for name, rule in few["rules"].items():
        for scale, entry in rule["scales"].items():
            whole = full["rules"][name]["scales"][scale]
            assert set(entry["lrs"]) <= set(whole["lrs"]) and few["base_lr"] in entry["lrs"]
            assert entry["optimum"] == pytest.approx(whole["optimum"], rel=0.05)
            for key in ("interior", "transferred_loss"):
                assert entry[key] == whole[key]
            assert entry["regret"] == pytest.approx(whole["regret"], abs=1e-6)
            counts += len(entry["lrs"]), len(whole["lrs"])
    assert counts[0] <= 0.5 * counts[1]


def test_tracking_starts_from_the_optimum_of_the_next_smaller_scale(monkeypatch, tmp_path):
    rounds = []

    def noted(setting, scale, rules, points, seeds, watch=None):
        rounds.append((scale, sorted(lr for _, lr in points)))
        return losses(setting, scale, rules, points, seeds, watch)

    monkeypatch.setattr(measuring, "point_losses", noted)
    result = checked("sp", [64, 128], [], tmp_path)
    (first,) = [lrs for scale, lrs in rounds if scale == 128][:1]
    optimum = result.certificate["rules"]["sp"]["scales"]["64"]["optimum"]
    base = result.certificate["base_lr"]
    assert first == pytest.approx([optimum / 2**0.5, optimum, optimum * 2**0.5, base], rel=0.1)


@pytest.mark.parametrize("dense", [False, True])
def test_the_extension_is_bounded(monkeypatch, tmp_path, dense):
    def endless(setting, scale, rules, points, seeds, watch=None):
        train = losses if scale == BASE else at_every_seed(lambda lr: lr)
        return train(setting, scale, rules, points, seeds)

    monkeypatch.setattr(measuring, "point_losses", endless)
    certificate = checked("mup", [64], [], tmp_path, dense=dense).certificate
    entry = certificate["rules"]["mup"]["scales"]["64"]
    assert not entry["interior"] and len(entry["lrs"]) < 40


@pytest.mark.parametrize("dense", [False, True])
def test_a_rule_of_which_everything_diverges_has_no_optimum(monkeypatch, tmp_path, dense):
    def lost(setting, scale, rules, points, seeds, watch=None):
        train = losses if scale == BASE else at_every_seed(lambda lr: math.inf)
        return train(setting, scale, rules, points, seeds)

    monkeypatch.setattr(measuring, "point_losses", lost)
    result = checked("mup", [64, 128], [], tmp_path, dense=dense)
    entry = result.certificate["rules"]["mup"]["scales"]["128"]
    assert not result.passed and entry["optimum"] is None and entry["best_loss"] is None
