"""Draw how every task is learned: the loss curves of docs/tasks.md.

Every task is trained by its default architecture at its base size (muP, Adam, cosine decay to 0)
at a few learning rates with two seeds each. Drawn is the best learning rate: both seeds, the band
between them, their mean, and the loss floor where it is known.

Run: ``OMP_NUM_THREADS=1 python benchmarks/task_curves.py``
"""

import argparse
import math
from dataclasses import dataclass

import torch
from matplotlib.axes import Axes
from torch import Tensor

import paramsearch
from paramsearch.report.canvas import GUIDE, INK, canvas, dress, save
from paramsearch.rules.rule import Rule
from paramsearch.tasks.task import Task
from paramsearch.train.engine import train
from paramsearch.train.population import Member
from paramsearch.train.recipe import Recipe
from paramsearch.train.schedule import Schedule
from paramsearch.train.workload import prepare

LRS = [2.0**k for k in (-7, -6, -5, -4)]
SEEDS = 2
COLUMNS = 3
BLUE = "#2a6f97"


@dataclass(frozen=True)
class Row:
    """One panel: a task, what learns it, and for how long."""

    task: str
    arch: str
    steps: int


ROWS = [
    Row("digits", "mlp", 60),
    Row("teacher", "mlp", 300),
    Row("sparse_parity", "mlp", 600),
    Row("graphs", "gnn", 300),
    Row("next_byte", "mlp", 300),
    Row("copy", "gpt", 100),
    Row("bytes", "gpt", 250),
    Row("bigram", "gpt", 250),
    Row("random_walk:nodes=100", "gpt", 400),
]


def main() -> None:
    """Train on every task and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", default="", help="only those whose name starts with one of")
    parser.add_argument("--out", default="docs/task_curves.png")
    asked = parser.parse_args()
    rows = [row for row in ROWS if row.task.startswith(tuple(asked.tasks.split(",")))]
    lines = math.ceil(len(rows) / COLUMNS)
    figure = canvas(10.2, 0.5 + 2.5 * lines)
    panels = figure.subplots(lines, COLUMNS, squeeze=False).flatten()
    for row, axes in zip(rows, panels, strict=False):
        task = paramsearch.load_task(row.task)
        losses, lr = best(row, task)
        draw(axes, row, task, losses)
        print(f"{row.task:24s} {row.arch:4s} LR 2^{math.log2(lr):.0f}  loss", end=" ")
        print(f"{losses[:, -row.steps // 4 :].mean():.3f}  floor {task.loss_floor}", flush=True)
    for axes in panels[len(rows) :]:
        axes.set_axis_off()
    save(figure, asked.out)


def best(row: Row, task: Task) -> tuple[Tensor, float]:
    """Give the losses (seeds, steps) at the learning rate with the lowest final loss, and it."""
    workload = prepare(paramsearch.load_arch(row.arch), task, {})
    members = [Member(0, lr, seed) for lr in LRS for seed in range(SEEDS)]
    recipe = Recipe("adam", row.steps, schedule=Schedule("cosine"))
    outcome = train(workload, [Rule.load("mup")], members, recipe)
    k = int(outcome.final.view(len(LRS), SEEDS).mean(dim=1).argmin())
    return outcome.losses.view(len(LRS), SEEDS, row.steps)[k], LRS[k]


def draw(axes: Axes, row: Row, task: Task, losses: Tensor) -> None:
    """Draw one panel; every loss is the mean over the last steps, as batches are noisy."""
    losses = smooth(losses, max(1, row.steps // 40))
    steps = range(row.steps)
    low, high = losses.min(dim=0).values, losses.max(dim=0).values
    axes.fill_between(steps, low, high, color=BLUE, alpha=0.2, linewidth=0)
    for seed in losses:
        axes.plot(steps, seed, color=BLUE, linewidth=0.6, alpha=0.7)
    axes.plot(steps, losses.mean(dim=0), color=BLUE, linewidth=1.6)
    dress(axes, row.task, "step", "loss")
    corner = {"transform": axes.transAxes, "ha": "right", "va": "top", "fontsize": 9.5}
    axes.text(0.98, 0.96, row.arch, color=INK, **corner)
    if task.loss_floor is not None:
        axes.axhline(task.loss_floor, color=GUIDE, linewidth=1.1, linestyle=(0, (5, 3)))
        axes.text(0.98, 0.86, f"floor {task.loss_floor:.3g}", color=GUIDE, **corner)
    axes.set_xlim(0, row.steps)


def smooth(losses: Tensor, window: int) -> Tensor:
    """Give the mean of each loss and those before it, ``window`` at most; (seeds, steps)."""
    sums = torch.nn.functional.pad(losses.double().cumsum(dim=1), (1, 0))
    ends = torch.arange(1, losses.shape[1] + 1)
    starts = (ends - window).clamp(min=0)
    return (sums[:, ends] - sums[:, starts]) / (ends - starts)


if __name__ == "__main__":
    main()
