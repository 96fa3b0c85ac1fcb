"""The same rules trained four times as long: winners over a short horizon can lose later.

The base model is tuned anew for the longer run. Then each rule trains once more at the largest
scale of the search, at that learning rate and on common seeds, and is compared with the limit end:
several rules with a lower loss do, for which of them wins over a short horizon is partly luck.
Where the objective weighs no probes, so that no limit is known, the rule found is compared with the
start.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paramsearch.discovery.curves import point_losses, workload_at
from paramsearch.discovery.ledger import key_of
from paramsearch.discovery.paired import Gap, gap, mean_of
from paramsearch.discovery.progress import Watch
from paramsearch.discovery.setting import Setting
from paramsearch.discovery.solver.base_rate import base_rate, with_steps
from paramsearch.rules.rule import Rule
from paramsearch.score.collapse import WORST_LOG_LOSS

TIMES = 4
"""How many times as long."""

LIMIT, START = "limit", "start"
"""The rule that all others are compared with, or the start where there is none."""


@dataclass(frozen=True, slots=True)
class Longer:
    """What longer runs gave.

    Attributes:
        steps: Updates of a run.
        scale: Size along the axis at which rules were compared.
        lr: Best learning rate of the base model after as many steps.
        reference: Loss of the base model there.
        losses: Name of a rule, ``limit`` or ``start`` among them -> final loss of each seed, inf
            where diverged.
    """

    steps: int
    scale: int
    lr: float
    reference: float
    losses: Mapping[str, tuple[float, ...]]

    @property
    def compared(self) -> str:
        """Name the rule that all others are compared with."""
        return LIMIT if LIMIT in self.losses else START

    def against(self, name: str, other: str | None = None) -> Gap:
        """Give the paired difference of log losses from those of another rule.

        A run that diverged counts as a log loss of 4 over the reference.

        Args:
            name: The rule.
            other: By default the one that all are compared with.
        """
        return gap(self._logs(name), self._logs(other or self.compared))

    def _logs(self, name: str) -> list[float]:
        losses = np.array(self.losses[name])
        finite = np.isfinite(losses)
        logs = np.log(np.where(finite, np.maximum(losses, 1e-12), self.reference) / self.reference)
        kept = np.where(finite, np.minimum(logs, WORST_LOG_LOSS), WORST_LOG_LOSS + 1)
        return [float(value) for value in kept]

    def to_json(self) -> dict[str, Any]:
        """Give plain data; a diverged run is null."""
        rules: dict[str, Any] = {}
        for name, losses in self.losses.items():
            against = self.against(name)
            finite = bool(np.isfinite(losses).all())
            rules[name] = {
                "losses": [loss if np.isfinite(loss) else None for loss in losses],
                "loss": mean_of(losses).mean if finite else None,
                "spread": mean_of(losses).error if finite else None,
                f"against_{self.compared}": {**against.to_json(), "word": against.word()},
            }
        return {
            "steps": self.steps,
            "scale": self.scale,
            "lr": self.lr,
            "reference": self.reference,
            "rules": rules,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Longer":
        """Read what ``to_json`` gave."""
        losses = {
            name: tuple(np.inf if loss is None else float(loss) for loss in rule["losses"])
            for name, rule in data["rules"].items()
        }
        return Longer(data["steps"], data["scale"], data["lr"], data["reference"], losses)


def train_longer(
    setting: Setting,
    rules: Mapping[str, Rule],
    seeds: Sequence[int],
    watch: Watch = Watch(),  # noqa: B008 - frozen
) -> Longer:
    """Train rules four times as long as the objective says, at the largest scale of the search.

    Args:
        setting: Model, task, axis, optimizer and objective.
        rules: Name -> rule, one named ``limit`` or ``start``; those that are equal up to gauge
            train once.
        seeds: Seeds of the initial parameters, the same for all; half of them are enough for the
            curve of the base model.
        watch: Told about progress.

    Raises:
        ParamsearchError: The base model has no best learning rate.
    """
    steps = TIMES * setting.objective.fidelity.steps
    longer = with_steps(setting, steps)
    base = base_rate(setting, seeds[: (len(seeds) + 1) // 2], steps, watch)
    assert base.optimum is not None, "it was looked for"
    scale = setting.base_scale * setting.objective.fidelity.ratios[-1]
    keys = {name: key_of(rule, []) for name, rule in rules.items()}
    distinct = {keys[name]: rule for name, rule in rules.items()}
    points = [(index, base.optimum) for index in range(len(distinct))]
    place = workload_at(longer, scale)
    found = point_losses(longer, place, list(distinct.values()), points, seeds, watch)
    by_key = {key: tuple(row.tolist()) for key, row in zip(distinct, found, strict=True)}
    losses = {name: by_key[key] for name, key in keys.items()}
    reference = float(base.losses.mean(axis=1).min())
    return Longer(steps, scale, base.optimum, reference, losses)
