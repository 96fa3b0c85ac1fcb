"""Speed of a compiled model that carries multipliers against the same model without any.

Both are ``archs/gpt.py`` on bytes under the published rule ``ntk``, whose hidden and output
weights have multipliers; the other one has the same rule in the gauge ``no-multipliers``, which is
the same training run on a plain model. Each trains with AdamW and ``torch.compile``. Rounds
alternate, and which of the two comes first alternates as well, so that drift of the machine
falls on both: the figure is the median over rounds of the ratio of their times.

A multiplier costs one product per entry of a tensor and step, whatever the batch; so the figure
depends on the tokens in a batch, 2048 unless ``--context`` says otherwise: few beside what
transformers are trained with.

Prints seconds per step of both and the ratio, with its quartiles; last whether it is within 2 %.

Run: ``python benchmarks/apply.py`` (about 3 minutes on a quiet machine with two cores).
"""

import argparse
import json
from statistics import median, quantiles
from time import perf_counter

import torch

import paramsearch
from paramsearch.rules.multiplied import multipliers_of

WITHIN = 0.02
GAUGES = {"with": None, "without": "no-multipliers"}


class Run:
    """A model under training, compiled."""

    def __init__(self, gauge: str | None, width: int, context: int):
        arch = paramsearch.load_arch("gpt")
        self.task = paramsearch.load_task(f"bytes:context={context}")
        model = arch.model(self.task.dims, {"width": width})
        rule = paramsearch.Rule.load("ntk", "adamw")
        groups = paramsearch.apply(
            rule.regauge(gauge) if gauge else rule,
            model,
            base=lambda: arch.model(self.task.dims),
            lr=1e-3,
            generator=torch.Generator().manual_seed(0),
            inputs=self.task.batch(0)[0],
        )
        self.carried = len(multipliers_of(model))
        self.model = torch.compile(model, fullgraph=True)
        self.optimizer = torch.optim.AdamW(groups)

    def train(self, steps: int) -> tuple[float, float]:
        """Train, and give the seconds of a step and the last loss."""
        batches = [self.task.batch(step) for step in range(steps)]
        begin, loss = perf_counter(), torch.tensor(0.0)
        for inputs, target in batches:
            loss = self.task.loss(self.model(inputs), target)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        return (perf_counter() - begin) / steps, loss.item()


def measured(width: int, context: int, rounds: int, steps: int) -> dict[str, float]:
    """Train both in turns."""
    runs = {name: Run(gauge, width, context) for name, gauge in GAUGES.items()}
    losses = {name: run.train(3)[1] for name, run in runs.items()}  # compiles
    assert abs(losses["with"] / losses["without"] - 1) < 1e-3, losses
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds):
        for name in list(runs)[:: (-1) ** number]:
            taken[name].append(runs[name].train(steps)[0])
    ratios = [one / other for one, other in zip(*taken.values(), strict=True)]
    low, _, high = quantiles(ratios, n=4)
    return {
        "multipliers": runs["with"].carried,
        "seconds with": median(taken["with"]),
        "seconds without": median(taken["without"]),
        "ratio": median(ratios),
        "low": low,
        "high": high,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--context", type=int, default=128, help="tokens of each of 16 sequences")
    parser.add_argument("--rounds", type=int, default=20, help="at least two")
    parser.add_argument("--steps", type=int, default=10, help="per round")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = measured(asked.width, asked.context, asked.rounds, asked.steps)
    if asked.json:
        print(json.dumps(found))
        return
    print(
        f"gpt, width {asked.width}, {16 * asked.context} tokens a batch, "
        f"{found['multipliers']} tensors with a multiplier"
    )
    print(f"with     {found['seconds with'] * 1e3:8.2f} ms a step")
    print(f"without  {found['seconds without'] * 1e3:8.2f} ms a step")
    print(f"ratio    {found['ratio']:8.4f}  (quartiles {found['low']:.4f} to {found['high']:.4f})")
    verdict = "within" if found["ratio"] <= 1 + WITHIN else "not within"
    print(f"{verdict} {WITHIN:.0%}")


if __name__ == "__main__":
    main()
