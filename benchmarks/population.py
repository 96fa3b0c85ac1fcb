"""Population training against a loop of plain ``torch.optim.Adam`` runs of the same members.

Both train the same members of ``archs/mlp.py`` on the same batches, in one process, in turns.
Prints member-steps per second of each and their ratio, the median over rounds. The loop is what a
user would write: apply the rule, make the optimizer, zero_grad, backward, step.

Run: ``python benchmarks/population.py``
"""

import argparse
import statistics
import time

import torch

import paramsearch
from paramsearch.rules.rule import Rule
from paramsearch.tasks.task import Task
from paramsearch.tracing.arch import Arch
from paramsearch.train.engine import Recipe, train
from paramsearch.train.population import Member
from paramsearch.train.workload import prepare

LRS = [2.0 ** (-10 + k / 2) for k in range(16)]


def loop(arch: Arch, task: Task, width: int, rule: Rule, members: list[Member], steps: int) -> None:
    """Train members one after the other, as without this package's engine."""
    for member in members:
        model = arch.model(task.dims, {"width": width})
        groups = paramsearch.apply(
            rule,
            model,
            base=arch.model(task.dims),
            lr=member.lr,
            ratios={"width": width / arch.axes["width"]},
            generator=torch.Generator().manual_seed(member.seed),
        )
        optimizer = torch.optim.Adam(groups)
        for step in range(steps):
            inputs, targets = task.batch(step)
            loss = task.loss(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def main() -> None:
    """Measure every width and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--widths", default="32,64,128")
    parser.add_argument("--seeds", type=int, default=16, help="members = 16 rates x seeds")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    arch, task = paramsearch.load_arch("mlp"), paramsearch.load_task("digits")
    rule = Rule.load("mup")
    members = [Member(0, lr, seed) for lr in LRS for seed in range(asked.seeds)]
    few = members[:: max(1, len(members) // 8)]
    recipe = Recipe("adam", asked.steps)
    print(f"mlp, digits, Adam, batch 64, {len(members)} members, {torch.get_num_threads()} threads")
    print("width  loop member-steps/s  population member-steps/s  ratio (median, min..max)")
    for width in map(int, asked.widths.split(",")):
        workload = prepare(arch, task, {"width": width})
        train(workload, [rule], members, Recipe("adam", 2))  # warm up both
        loop(arch, task, width, rule, few[:1], 2)
        rates: list[tuple[float, float]] = []
        for _ in range(asked.rounds):
            start = time.perf_counter()
            loop(arch, task, width, rule, few, asked.steps)
            middle = time.perf_counter()
            train(workload, [rule], members, recipe)
            end = time.perf_counter()
            slow = len(few) * asked.steps / (middle - start)
            rates.append((slow, len(members) * asked.steps / (end - middle)))
        ratios = [fast / slow for slow, fast in rates]
        slow, fast = (statistics.median(column) for column in zip(*rates, strict=True))
        print(
            f"{width:5d}  {slow:19.0f}  {fast:25.0f}  {statistics.median(ratios):5.1f} "
            f"({min(ratios):.1f}..{max(ratios):.1f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
