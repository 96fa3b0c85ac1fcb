"""Tracked learning-rate curves against dense ones: the same optimum, for how many member-steps.

For ``archs/mlp.py`` with Adam, from the base width upwards, under the standard parameterization and
muP, as ``verify`` measures them with and without ``--dense-lr``. Prints for every curve:

- the learning rates measured, dense and tracked;
- log2 of the optimum of both;
- spread: the standard deviation over seeds of each seed's own optimum on the dense curve, octaves;
- gap: log of the tracked curve's lowest loss over the dense one's (paired over seeds), with its
  standard error;
- whether both agree: the optima within half a grid step or the spread, or else the gap within its
  standard error of zero, or below.

Last the ratio of member-steps, the base and all widths together.

Run: ``python benchmarks/lr_tracking.py``
"""

import argparse
import math

import numpy as np

import paramsearch
from paramsearch.discovery.progress import Progress
from paramsearch.discovery.setting import Setting
from paramsearch.discovery.verify import Curve, Evidence, measure
from paramsearch.rules.rule import Rule
from paramsearch.score.curve import optimum
from paramsearch.score.objective import Objective

HALF_STEP = 0.25  # octaves


def measured(
    setting: Setting, widths: list[int], seeds: int, *, dense: bool
) -> tuple[Evidence, float]:
    """Measure sp and mup; gives the curves, and the member-steps that they took."""
    seen: list[Progress] = []
    rules = {name: Rule.load(name) for name in ("sp", "mup")}
    evidence = measure(setting, rules, widths, range(seeds), seen.append, dense=dense)
    return evidence, seen[-1].members * setting.objective.fidelity.steps


def compared(full: Curve, few: Curve) -> str:
    """Compare two curves of one rule at one scale: the row of the table."""
    assert full.best is not None and few.best is not None
    singles = [optimum(full.lrs, row) for row in full.losses.T]
    spread = np.std([single.log2_lr for single in singles if single is not None], ddof=1)
    low = [curve.losses[int(np.argmin(curve.losses.mean(axis=1)))] for curve in (full, few)]
    gaps = np.log(low[1] / low[0])
    gap, error = gaps.mean(), gaps.std(ddof=1) / math.sqrt(len(gaps))
    off = few.best.log2_lr - full.best.log2_lr
    agree = abs(off) <= max(HALF_STEP, spread) or gap <= error
    return (
        f"{len(full.lrs):5d} {len(few.lrs):7d}  {full.best.log2_lr:9.2f} {few.best.log2_lr:9.2f}"
        f"  {spread:6.2f}  {gap:7.3f} +- {error:5.3f}  {'yes' if agree else 'NO'}"
    )


def main() -> None:
    """Measure every task and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", default="digits,teacher")
    parser.add_argument("--widths", default="64,128,256,512")
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    widths = [int(width) for width in asked.widths.split(",")]
    print("task     rule  width  dense tracked  log2 dense   tracked  spread  gap            agree")
    for name in asked.tasks.split(","):
        arch, task = paramsearch.load_arch("mlp"), paramsearch.load_task(name)
        setting = Setting(arch, task, "width", "adam", Objective.load("transfer"), "cpu", 0)
        full, dense_steps = measured(setting, widths, asked.seeds, dense=True)
        few, tracked_steps = measured(setting, widths, asked.seeds, dense=False)
        for rule, curves in full.curves.items():
            for width, curve in curves.items():
                row = compared(curve, few.curves[rule][width])
                print(f"{name:8s} {rule:4s}  {width:5d}  {row}")
        print(
            f"{name}: log2 base LR {math.log2(full.base_lr):.2f} dense, "
            f"{math.log2(few.base_lr):.2f} tracked; member-steps {tracked_steps:.0f} tracked / "
            f"{dense_steps:.0f} dense = {tracked_steps / dense_steps:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
