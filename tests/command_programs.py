"""Training programs for tests of ``--command``, as text, with a space and an objective for them."""

import sys
from pathlib import Path

import yaml

import paramsearch
from paramsearch.discovery.setting import Setting
from paramsearch.score.objective import Objective

ROOT = Path(__file__).parent.parent
PYTHON = f"{sys.executable} -S -E"
WORDS = "{rule} {width} {lr} {seed} {steps}"

# The digits MLP of archs/mlp.py, trained in plain PyTorch on the batches of the task.
LIKE_ENGINE = """import json
import sys

import torch

import paramsearch

path, width, lr, seed, steps = sys.argv[1:]
arch, task = paramsearch.load_arch("mlp"), paramsearch.load_task("digits")
model = arch.model(task.dims, {"width": int(width)})
generator = torch.Generator().manual_seed(int(seed))
base = lambda: arch.model(task.dims)
rule = paramsearch.Rule.load(path)
optimizer = torch.optim.Adam(
    paramsearch.apply(rule, model, base=base, lr=float(lr), generator=generator)
)
losses = []
for step in range(int(steps)):
    inputs, target = task.batch(step)
    loss = task.loss(model(inputs), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
print(json.dumps({"losses": losses}))
"""

# Needs no package: the optimum is at 0.01 at every width if the hidden LR falls as 1 / width.
PARABOLA = """import json
import math
import re
import sys

path, width, lr, seed, steps = sys.argv[1:]
text = open(path).read().partition("role: hidden")[2].partition("- match")[0]
found = re.search(r"lr: .width: (-?[0-9.]+)", text)
power = float(found[1]) if found else 0.0
gap = math.log2(float(lr) / 0.01) + (power + 1) * math.log2(int(width) / 32)
print(json.dumps({"losses": [1 + 0.1 * gap**2 + 0.001 * (int(seed) % 7)] * int(steps)}))
"""

SPACE = """paramsearch: 1
name: one
gauge: no-multipliers
axes: [width]
groups:
  - match: {role: input}
    init: {width: 0}
    lr: {width: 0}
  - match: {role: hidden}
    init: {width: -0.5}
    lr: {width: {low: -1, high: 0, step: 0.5, start: 0}}
  - match: {name: "*"}
    init: {width: 0}
    lr: {width: 0}
"""

TINY = """paramsearch: 1
name: tiny
fidelity:
  ratios: [1, 2, 4]
  steps: 4
  seeds: 1
  lr: {low: 0.0025, high: 0.64, step: 1, window: 1}
weights: {loss: 1, lr_collapse: 1, sharpness_collapse: 0, probe_slopes: 0}
"""


def failing(does: str) -> str:
    """A program that ends well with loss 1, but does something else where the rate is 0.02."""
    return f"import os, sys, time\nif sys.argv[3] == '0.02':\n    {does}\n    sys.exit(0)\n" + (
        "print('{\"loss\": 1}')\n"
    )


def enter(folder, monkeypatch):
    """Work in a folder with the files of the tests."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name, text in {"parabola.py": PARABOLA, "tiny.yaml": TINY, "space.yaml": SPACE}.items():
        Path(name).write_text(text)


def setting(command, objective=TINY):
    """A setting of the digits MLP over width."""
    goal = Objective.model_validate(yaml.safe_load(objective))
    arch, task = paramsearch.load_arch("mlp"), paramsearch.load_task("digits")
    return Setting(arch, task, "width", "adam", goal, "cpu", 0, command=command)
