"""Rules over several axes: searched one by one, joined, and verified where both are scaled."""

import json
from functools import partial

import numpy as np
import pytest
from fake_evaluator import without_training
from lr_curves import lr_losses
from test_evaluate import tiny

from paramsearch.cli.report import redraw
from paramsearch.cli.tables import search_line, search_table
from paramsearch.discovery.curves import recipe
from paramsearch.discovery.setting import Setting
from paramsearch.jobs.search import search
from paramsearch.jobs.search_axes import joined
from paramsearch.jobs.verify import verify
from paramsearch.rules.rule import Rule
from paramsearch.rules.space import Space
from paramsearch.tracing.arch import load_arch
from paramsearch.tracing.trace import trace
from paramsearch.train.engine import train
from paramsearch.train.population import Member
from paramsearch.train.workload import prepare

BOTH = Rule.load("depth-mup")
ARCH = load_arch("resmlp", {"width": 16, "depth": 2})


@pytest.fixture(scope="module")
def encoding():
    groups = trace(ARCH, axis="width").groups()
    return Space.load("width-depth").encode(groups, "adam")


def test_parts_of_a_rule_join_to_the_whole(encoding):
    parts = {axis: BOTH.along(axis) for axis in ("width", "depth")}
    tensors = trace(ARCH, axis="width").tensors
    whole = joined(encoding, parts, "whole")
    assert whole.axes == ("width", "depth")
    for axis, part in parts.items():
        alone = encoding.along(axis)
        assert alone.values(whole.along(axis)) == pytest.approx(alone.values(part))
    assert all(whole.exponents(tensor) is not None for tensor in tensors)


def test_along_an_axis_nothing_else_is_free(encoding):
    alone = encoding.along("depth")
    assert {variable.axis for variable in alone.variables} == {"depth"}
    assert alone.rule([0] * len(alone.variables), "a").axes == ("depth",)


def test_a_search_over_two_axes_leaves_one_rule(tmp_path, monkeypatch):
    without_training(monkeypatch)
    asked = {"axis": ["width", "depth"], "budget": 20, "solve": False}
    found = search("resmlp", **asked, out=tmp_path / "run")
    again = search("resmlp", **asked, out=tmp_path / "run", resume=True)
    assert Rule.load(tmp_path / "run" / "rule.yaml").axes == ("width", "depth")
    assert again.summary == found.summary
    for axis in ("width", "depth"):
        part = Rule.load(tmp_path / "run" / axis / "rule.yaml")
        assert found.rule.along(axis).groups == part.groups


def test_the_joined_result_tells_what_was_found_along_each_axis(tmp_path, monkeypatch):
    without_training(monkeypatch)
    monkeypatch.setattr("paramsearch.report.pictures.search_figure", lambda *a: None)
    asked = {"axis": "width,depth", "budget": 16, "solve": False, "out": tmp_path}
    found = search("resmlp", **asked)
    table, line = (told(found.summary) for told in (search_table, partial(search_line, folder="x")))
    for axis in ("width", "depth"):
        own = json.loads((tmp_path / axis / "summary.json").read_text())
        assert found.summary["along"][axis].items() <= own.items()
        assert f"along {axis}:\n  features" in line and own["choice"]["reason"][:40] in line
        assert own["pattern"]["sentence"] in found.summary["pattern"]["sentence"]
        names = {(row["group"], row["quantity"]) for row in own["sensitivity"]}
        rows = zip(*(column.cells for column in table.columns), strict=True)
        assert len(names) == sum(row[1].endswith(f" {axis}") and bool(row[4]) for row in rows)
    assert "±1/4" in [column.header for column in table.columns]
    (tmp_path / "exponents.png").unlink()
    assert tmp_path / "exponents.png" in redraw(tmp_path)


def test_a_command_trains_along_every_axis(tmp_path, monkeypatch):
    without_training(monkeypatch)
    asked = {
        "axis": "width,depth",
        "budget": 16,
        "command": "python a.py {rule} {lr} {width} {depth}",
    }
    search("resmlp", **asked, out=tmp_path)
    for axis in ("width", "depth"):
        source = Rule.load(tmp_path / axis / "rule.yaml").source
        assert f"--axis {axis} " in source and "{width} {depth}" in source


def test_held_axes_are_scaled_beyond_the_base_alone():
    task, objective = tiny(task="teacher").task, tiny().objective
    where = (ARCH, task, "width", "adam", objective, "cpu", 0)
    setting = Setting(*where, held={"depth": 4})
    workload = prepare(ARCH, task, {"width": 32, "depth": 4})
    members = [Member(0, lr, seed) for lr in (0.01, 0.02) for seed in (0, 1)]
    wanted = train(workload, [BOTH], members, recipe(setting)).final.reshape(2, 2)
    got = lr_losses(setting, 32, [BOTH], [0.01, 0.02], [0, 1])[0]
    np.testing.assert_allclose(got, wanted.double().numpy(), rtol=1e-6)
    base, plain = (lr_losses(s, 16, [BOTH], [0.01], [0]) for s in (setting, Setting(*where)))
    assert base == plain


@pytest.mark.slow
def test_a_rule_over_two_axes_is_verified_where_both_are_scaled(tmp_path):
    asked = {"arch": ARCH, "axis": "width", "task": "teacher", "seeds": 2}
    found = verify(BOTH, [64], ["mup"], held={"depth": 8}, out=tmp_path, **asked)
    regret = {n: r["scales"]["64"]["regret"] for n, r in found.certificate["rules"].items()}
    assert found.certificate["held"] == {"depth": 8}
    assert set(regret) == {BOTH.name, "mup"}
