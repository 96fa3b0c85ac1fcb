"""Adding an architecture, or a task, is one file: from that file to a rule at work in the model."""

import json
import re
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import paramsearch
from paramsearch.cli.main import app

ROOT = Path(__file__).parent.parent
CHANGES = {  # a norm before the readout, and another nonlinearity
    "        self.readout = nn.Linear(width, outputs)\n": (
        "        self.norm = nn.LayerNorm(width)\n"
        "        self.readout = nn.Linear(width, outputs)\n"
    ),
    "h = layer(h.relu())": "h = layer(nn.functional.gelu(h))",
    "return self.readout(h.relu())": "return self.readout(self.norm(h))",
    '"depth": 3': '"depth": 4',
}
TINY = """paramsearch: 1
name: tiny
fidelity:
  ratios: [1, 2, 4]
  steps: 5
  seeds: 1
  lr: {low: 0.0005, high: 0.6, step: 2, window: 2}
weights: {loss: 1, lr_collapse: 1, sharpness_collapse: 0, probe_slopes: 0}
"""
SPACE = """paramsearch: 1
name: small
gauge: no-multipliers
axes: [width]
groups:
  - match: {role: hidden}
    init: {width: -0.5}
    lr: {width: {low: -1, high: 0, step: 0.5, start: 0}}
  - match: {role: output}
    init: {width: {low: -1, high: -0.5, step: 0.5, start: -0.5}}
    lr: {width: 0}
  - match: {name: "*"}
    init: {width: 0}
    lr: {width: 0}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A user's folder: an architecture, a task, an objective and a space of their own."""
    place = tmp_path_factory.mktemp("mine")
    text = (ROOT / "archs" / "mlp.py").read_text()
    for before, after in CHANGES.items():
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    (place / "my_mlp.py").write_text(text)
    (place / "tiny.yaml").write_text(TINY)
    (place / "small.yaml").write_text(SPACE)
    docs = (ROOT / "docs" / "tasks.md").read_text()
    (place / "my_task.py").write_text(re.findall(r"```python\n(.*?)```", docs, re.DOTALL)[0])
    return place


@pytest.fixture(autouse=True)
def inside(folder, monkeypatch) -> None:
    monkeypatch.chdir(folder)


def run(*words: str) -> dict:
    ended = CliRunner().invoke(app, [*words, "--json"])
    assert ended.exit_code == 0, ended.stderr
    return json.loads(ended.stdout)


def searched(out: str, *words: str) -> dict:
    files = ["--objective", "./tiny.yaml", "--space", "./small.yaml"]
    short = ["--axis", "width", "--set", "width=16", "--budget", "6", "--no-solve", "--out", out]
    return run("search", "./my_mlp.py", *files, *short, *words)


@pytest.fixture(scope="module")
def summary(folder) -> dict:
    """What a short search on the architecture found."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return searched("runs/a")


def model(width: int, task: paramsearch.Task) -> torch.nn.Module:
    return paramsearch.load_arch("./my_mlp.py").model(task.dims, {"width": width})


def test_the_file_is_traced():
    tensors = {t["name"]: t for t in run("trace", "./my_mlp.py", "--axis", "width")["tensors"]}
    norm = tensors["norm.weight"]
    assert (norm["op"], norm["role"], norm["axes"]) == ("norm", "vector", {"width": [1.0]})
    assert "hidden.1.weight" in tensors and "hidden.2.weight" not in tensors


def test_the_file_is_searched(summary):
    assert {group["name"] for group in summary["groups"]} >= {"input", "hidden", "output"}
    assert any("norm.weight" in group["tensors"] for group in summary["groups"])
    assert summary["candidates"] and summary["score"]["total"] <= summary["start_score"]["total"]


def test_the_rule_is_plugged_into_the_model_and_it_trains(summary):
    rule = paramsearch.Rule.load(Path(summary["folder"]) / "rule.yaml")
    task = paramsearch.load_task("digits")
    wide = model(128, task)
    optimizer = torch.optim.Adam(paramsearch.apply(rule, wide, base=model(32, task), lr=0.01))
    losses = []
    for step in range(20):
        inputs, target = task.batch(step)
        loss = task.loss(wide(inputs), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_a_task_of_ones_own_is_traced_and_searched():
    traced = run("trace", "./my_mlp.py", "--task", "./my_task.py:p=7")
    assert next(t for t in traced["tensors"] if t["role"] == "input")["op"] == "embedding"
    found = searched("runs/b", "--task", "./my_task.py:p=7")
    assert found["task"] == "./my_task.py:p=7"
    assert min(min(row) for row in found["base"]["losses"]) < 2.2  # log 7 is 1.95


def test_the_task_of_the_docs_keeps_what_it_promises():
    task, again = (paramsearch.load_task("./my_task.py:p=7", seed=3) for _ in range(2))
    inputs, target = task.batch(5)
    assert torch.equal(inputs, again.batch(5)[0])
    assert torch.equal(target, inputs.sum(dim=1) % 7)
    sums = {tuple(row) for row in task.evaluation()[0].tolist()}
    assert sums.isdisjoint(map(tuple, inputs.tolist())) and len(sums) == 12
