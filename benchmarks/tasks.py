"""Is every task learned? Each by its default architecture, to a stated loss in stated steps.

For every task: the loss of chance, the loss floor where it is known, and the mean training loss
over the last quarter of the steps at the best of a few learning rates (Adam, cosine decay to 0,
base size, mean over seeds), against the loss that is wanted.

With ``--lazy``: ``sparse_parity`` at width 256, where features must be learned: under muP; under
the rule ntk-lazy with the same learning rate; and the model linearized about its initialization
(frozen features) at the best of many learning rates.

Run: ``python benchmarks/tasks.py``
"""

import argparse
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value, jvp

import paramsearch
from paramsearch.rules.rule import Rule
from paramsearch.tasks.task import Batch
from paramsearch.train.engine import train
from paramsearch.train.population import Member
from paramsearch.train.recipe import Recipe
from paramsearch.train.schedule import Schedule
from paramsearch.train.workload import prepare

LRS = [2.0**k for k in (-8, -7, -6, -5)]


@dataclass(frozen=True)
class Row:
    """What is promised of a task."""

    task: str
    arch: str
    steps: int
    wanted: float  # loss


ROWS = [
    Row("digits", "mlp", 40, 0.3),
    Row("teacher", "mlp", 300, 0.4),
    Row("sparse_parity", "mlp", 600, 0.2),
    Row("next_byte", "mlp", 300, 2.9),
    Row("bytes", "gpt", 300, 2.6),
    Row("bigram", "gpt", 300, 2.6),
    Row("random_walk:er,nodes=100", "gpt", 1000, 2.4),
    Row("random_walk:ba,nodes=100,kappa=1", "gpt", 1000, 2.15),
    Row("copy", "gpt", 300, 0.2),
    Row("mix:bytes=0.5,bigram=0.5", "gpt", 300, 2.6),
]


def main() -> None:
    """Train on every task and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", default="", help="only those whose name starts with one of")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--lazy", action="store_true", help="frozen features on sparse_parity")
    asked = parser.parse_args()
    if asked.lazy:
        lazy(asked.seeds)
        return
    rows = [row for row in ROWS if row.task.startswith(tuple(asked.tasks.split(",")))]
    print(f"{'task':42s} arch  steps  chance  floor  wanted  reached  seeds        best LR")
    learned = [show(row, asked.seeds) for row in rows]
    sys.exit(0 if all(learned) else 1)


def show(row: Row, seeds: int) -> bool:
    """Train, print one line, and say whether the wanted loss is reached."""
    task = paramsearch.load_task(row.task)
    losses = final_losses(row.task, row.arch, None, row.steps, LRS, "mup", seeds)
    best = int(losses.mean(dim=1).argmin())
    reached, floor = float(losses[best].mean()), task.loss_floor
    spread = f"{losses[best].min():.3f}..{losses[best].max():.3f}"
    print(
        f"{row.task:42s} {row.arch:5s} {row.steps:5d}  {chance(task.batch(0), task.dims):6.3f}  "
        f"{'     -' if floor is None else f'{floor:6.3f}'} {row.wanted:6.2f}  {reached:7.3f}  "
        f"{spread}  2^{math.log2(LRS[best]):.0f}  {'' if reached <= row.wanted else 'MISSED'}",
        flush=True,
    )
    return reached <= row.wanted


def chance(batch: Batch, dims: Mapping[str, int]) -> float:
    """Give the loss of a uniform guess, or of 0 where the targets are numbers of variance 1."""
    return math.log(dims["outputs"]) if batch[1].dtype == torch.int64 else 1.0


def final_losses(
    name: str, arch: str, width: int | None, steps: int, lrs: list[float], rule: str, seeds: int
) -> Tensor:
    """Give the final losses (learning rates, seeds)."""
    scale = {} if width is None else {"width": width}
    workload = prepare(paramsearch.load_arch(arch), paramsearch.load_task(name), scale)
    members = [Member(0, lr, seed) for lr in lrs for seed in range(seeds)]
    outcome = train(
        workload, [Rule.load(rule)], members, Recipe("adam", steps, schedule=Schedule("cosine"))
    )
    return outcome.final.view(len(lrs), seeds)


def lazy(seeds: int, width: int = 256, steps: int = 300) -> None:
    """Print the losses of learned, lazy and frozen features on ``sparse_parity``."""
    mup = final_losses("sparse_parity", "mlp", width, steps, LRS, "mup", seeds)
    best = int(mup.mean(dim=1).argmin())
    ntk = final_losses(
        "sparse_parity", "mlp", width, steps, LRS[best : best + 1], "ntk-lazy", seeds
    )
    frozen = {k: frozen_loss(width, steps, 2.0**k) for k in range(-16, -3)}
    octave = min(frozen, key=frozen.__getitem__)
    print(f"sparse_parity, mlp of width {width}, Adam, {steps} steps; predicting 0 has a loss of 1")
    print(f"mup, best LR 2^{math.log2(LRS[best]):.0f}: {mup[best].mean():.3f}")
    print(f"ntk-lazy at that LR: {ntk.mean():.3f}")
    print(f"linearized model, best of all LRs (2^{octave}): {frozen[octave]:.3f}")


def frozen_loss(width: int, steps: int, lr: float) -> float:
    """Train ``f(w0) + f'(w0) d`` on d with Adam; give the mean loss of the last quarter."""
    task = paramsearch.load_task("sparse_parity")
    torch.manual_seed(0)
    model = paramsearch.load_arch("mlp").model(task.dims, {"width": width})
    start = {name: value.detach() for name, value in model.named_parameters()}
    moved = {name: torch.zeros_like(value) for name, value in start.items()}

    def loss(moved: dict[str, Tensor], inputs: Tensor, target: Tensor) -> Tensor:
        value, change = jvp(lambda w: functional_call(model, w, (inputs,)), (start,), (moved,))
        return task.loss(value + change, target)

    optimizer = torch.optim.Adam(moved.values(), lr=lr)
    losses: list[float] = []
    for step in range(steps):
        gradients, value = grad_and_value(loss)(moved, *task.batch(step))
        for name, tensor in moved.items():
            tensor.grad = gradients[name]
        optimizer.step()
        losses.append(value.item())
    return sum(losses[-steps // 4 :]) / len(losses[-steps // 4 :])


if __name__ == "__main__":
    main()
