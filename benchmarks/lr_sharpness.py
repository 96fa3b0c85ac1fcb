"""How sharp the learning-rate optimum of each task is: why the quickstart uses the one it does.

For ``archs/mlp.py`` with Adam at its base width, prints how far the log loss rises one and two
octaves beside the optimum (mean of both sides), over the seed scatter at the optimum; and the
drift of the optimum from the base to 4 x the base under the standard parameterization and muP.

Run: ``python benchmarks/lr_sharpness.py``
"""

import argparse

import numpy as np

import paramsearch
from paramsearch.discovery.curves import lr_losses
from paramsearch.discovery.setting import Setting
from paramsearch.rules.rule import Rule
from paramsearch.score.curve import interpolate, optimum
from paramsearch.score.objective import Objective

LRS = [2.0 ** (k / 2) for k in range(-24, 1)]


def main() -> None:
    """Measure every task and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", default="digits,teacher,next_byte")
    parser.add_argument("--seeds", type=int, default=4)
    asked = parser.parse_args()
    rules = [Rule.load("sp"), Rule.load("mup")]
    print("task       best LR  rise +-1 octave  +-2 octaves  seed scatter  drift sp  drift mup")
    for name in asked.tasks.split(","):
        arch, objective = paramsearch.load_arch("mlp"), Objective.load("transfer")
        task = paramsearch.load_task(name)
        setting = Setting(arch, task, "width", "adam", objective, "cpu", 0)
        base = arch.axes["width"]
        seeds = range(asked.seeds)
        losses = lr_losses(setting, base, rules[:1], LRS, seeds)[0]
        wide = lr_losses(setting, 4 * base, rules, LRS, seeds)
        best = optimum(LRS, losses)
        assert best is not None
        k = int(np.argmin(losses.mean(axis=1)))
        scatter = float(np.log(losses[k]).std(ddof=1))
        rises = [
            np.mean([np.log(interpolate(LRS, losses, best.lr * 2.0**s) / best.loss) for s in pair])
            for pair in ((-1, 1), (-2, 2))
        ]
        drifts = [o.log2_lr - best.log2_lr for w in wide if (o := optimum(LRS, w)) is not None]
        print(
            f"{name:9s}  2^{best.log2_lr:5.2f}  {rises[0]:15.3f}  {rises[1]:11.3f}  {scatter:12.3f}"
            f"  {drifts[0]:8.2f}  {drifts[1]:9.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
