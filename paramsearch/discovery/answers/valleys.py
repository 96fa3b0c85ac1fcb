"""Learning-rate curves of a few rules at the base and at the largest scale of a search.

They are finely spaced: an optimum that moves by a quarter of an octave when the scale doubles has
left the valley at 64 times the scale, and where plain gradient descent has its optimum half an
octave from where it diverges, whole octaves do not show that.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from paramsearch.discovery.curves import lr_losses
from paramsearch.discovery.progress import Watch
from paramsearch.discovery.setting import Setting
from paramsearch.rules.neutral import neutral
from paramsearch.rules.rule import Rule
from paramsearch.score.collapse import WORST_LOG_LOSS
from paramsearch.score.curve import interpolate, optimum

OCTAVES = tuple(k / 2 for k in range(-4, 5))
"""Where curves are measured, from the base's best learning rate."""

WORST = WORST_LOG_LOSS + 1
"""Log loss, over the lowest at the base, of a run that diverged; others are cut off one below."""

Curve = tuple[tuple[float, ...], ...]
"""Losses, inf where diverged: of each learning rate, of each seed."""


@dataclass(frozen=True, slots=True)
class Valleys:
    """Curves on common seeds.

    Attributes:
        ratio: Largest ratio of the search.
        base: Curve of the base model, which is the same under all rules.
        rules: Name -> curve at that ratio.
    """

    ratio: float
    base: Curve
    rules: Mapping[str, Curve]

    @property
    def seeds(self) -> range:
        """Numbers of the seeds."""
        return range(len(self.base[0]))

    def drift(self, name: str, seeds: Sequence[int]) -> float:
        """Give the octaves by which the best learning rate moves when the scale doubles.

        Args:
            name: Of the rule.
            seeds: Numbers of the seeds over which curves are averaged.
        """
        moved = _bottom(self.rules[name], seeds) - _bottom(self.base, seeds)
        return moved / math.log2(self.ratio)

    def trend(self, name: str, seeds: Sequence[int]) -> float:
        """Give how the lowest log loss changes when the scale doubles.

        Args:
            name: Of the rule.
            seeds: Numbers of the seeds over which log losses are averaged.
        """
        change = _lowest(self.rules[name], seeds) - _lowest(self.base, seeds)
        return change / math.log2(self.ratio)

    def foretold(self, name: str, drift: float, ratio: float) -> tuple[float, ...]:
        """Give every seed's log loss at a ratio with the learning rate of the base.

        The curve of the largest ratio is moved on by the drift, and read there; beyond its ends it
        is taken to be flat.

        Args:
            name: Of the rule.
            drift: Octaves by which its best learning rate moves when the scale doubles.
            ratio: The target.
        """
        on = drift * max(0.0, math.log2(ratio / self.ratio))
        at = 2.0 ** min(max(-on, OCTAVES[0]), OCTAVES[-1])
        lowest = min(loss for row in self.base for loss in row)
        logs = [[_log(loss, lowest) for loss in row] for row in self.rules[name]]
        places = [2.0**x for x in OCTAVES]
        return tuple(interpolate(places, [row[k] for row in logs], at) for k in self.seeds)

    def to_json(self) -> dict[str, Any]:
        """Give plain data; a run that diverged is null."""
        rules = {name: _plain(curve) for name, curve in self.rules.items()}
        return {"ratio": self.ratio, "base": _plain(self.base), "rules": rules}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Valleys":
        """Read what ``to_json`` gave."""
        rules = {name: _curve(rows) for name, rows in data["rules"].items()}
        return Valleys(data["ratio"], _curve(data["base"]), rules)


def train_valleys(
    setting: Setting,
    rules: Mapping[str, Rule],
    lr: float,
    seeds: Sequence[int],
    watch: Watch = Watch(),  # noqa: B008 - frozen
) -> Valleys:
    """Measure the curves.

    Args:
        setting: Model, task, axis, optimizer and objective.
        rules: Name -> rule.
        lr: Best learning rate of the base model.
        seeds: Of the initial parameters.
        watch: Told about progress.
    """
    lrs = [lr * 2.0**x for x in OCTAVES]
    ratio = setting.objective.fidelity.ratios[-1]
    plain = [neutral(setting.optimizer, [setting.axis])]  # at ratio 1 it stands for all
    base = lr_losses(setting, setting.base_scale, plain, lrs, seeds, watch)[0]
    scale = setting.base_scale * ratio
    found = lr_losses(setting, scale, list(rules.values()), lrs, seeds, watch)
    named = {name: _curve(rows.tolist()) for name, rows in zip(rules, found, strict=True)}
    return Valleys(float(ratio), _curve(base.tolist()), named)


def _bottom(curve: Curve, seeds: Sequence[int]) -> float:
    """Give the octaves to the best learning rate; 0 where all diverged."""
    rows = [[row[seed] for seed in seeds] for row in curve]
    best = optimum([2.0**x for x in OCTAVES], rows)
    return 0.0 if best is None else best.log2_lr


def _lowest(curve: Curve, seeds: Sequence[int]) -> float:
    """Give the lowest mean log loss."""
    return min(fmean(_log(row[seed], 1.0) for seed in seeds) for row in curve)


def _log(loss: float, lowest: float) -> float:
    if not math.isfinite(loss):
        return WORST
    return min(math.log(max(loss, 1e-12) / lowest), WORST_LOG_LOSS)


def _plain(curve: Curve) -> list[list[float | None]]:
    return [[loss if math.isfinite(loss) else None for loss in row] for row in curve]


def _curve(rows: Sequence[Sequence[float | None]]) -> Curve:
    return tuple(tuple(math.inf if loss is None else float(loss) for loss in row) for row in rows)
