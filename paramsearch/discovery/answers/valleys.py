"""Learning-rate curves of a few rules at the base and at the largest scale of a search.

They are finely spaced: an optimum that moves by a quarter of an octave when the scale doubles has
left the valley at 64 times the scale, and where plain gradient descent has its optimum half an
octave from where it diverges, whole octaves do not show that.
The runs at the base's best learning rate also tell the largest share of the loss that one of their
updates would buy (``PeakShare``), of optimizers whose updates grow with the gradient: others cannot
run away.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from statistics import fmean
from typing import Any

from paramsearch.discovery.curves import shaped, train_members, workload_at
from paramsearch.discovery.progress import Watch
from paramsearch.discovery.setting import Setting
from paramsearch.probes.peak_share import PeakShare
from paramsearch.rules.degrees import degrees
from paramsearch.rules.neutral import neutral
from paramsearch.rules.rule import Rule
from paramsearch.score.collapse import WORST_LOG_LOSS
from paramsearch.score.curve import interpolate, optimum
from paramsearch.train.population import Member

OCTAVES = tuple(k / 2 for k in range(-4, 5))
"""Where curves are measured, from the base's best learning rate."""

WORST = WORST_LOG_LOSS + 1
"""Log loss, over the lowest at the base, of a run that diverged; others are cut off one below."""

BASE = "base"
"""Name of the base model among rules, under all of which it is the same."""

_MOST = 1000.0  # octaves of a peak, which a float holds

Curve = tuple[tuple[float, ...], ...]
"""Losses, inf where diverged: of each learning rate, of each seed."""


@dataclass(frozen=True, slots=True)
class Valleys:
    """Curves on common seeds.

    Attributes:
        ratio: Largest ratio of the search.
        base: Curve of the base model, which is the same under all rules.
        rules: Name -> curve at that ratio.
        peaks: Name -> largest share of the loss that one update would buy there with the base's
            best learning rate, of each seed; under ``BASE`` at the base. Empty where a program of
            the user's trains, and where updates do not grow with the gradient.
    """

    ratio: float
    base: Curve
    rules: Mapping[str, Curve]
    peaks: Mapping[str, tuple[float, ...]] = field(default_factory=dict[str, tuple[float, ...]])

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

    def peak(self, name: str, ratio: float) -> float:
        """Foretell at a ratio the largest share of the loss that one update would buy.

        It is taken to go on by the power by which it grew, from the base to the largest ratio.

        Args:
            name: Of the rule.
            ratio: The target.

        Returns:
            The geometric mean over seeds; 0 where peaks are not known.
        """
        if name not in self.peaks:
            return 0.0
        base, last = (fmean(map(_log2, self.peaks[each])) for each in (BASE, name))
        on = math.log2(ratio / self.ratio) / math.log2(self.ratio)
        return 2.0 ** min(last + max(0.0, on) * (last - base), _MOST)

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
        peaks = {name: list(each) for name, each in self.peaks.items()}
        return {"ratio": self.ratio, "base": _plain(self.base), "rules": rules, "peaks": peaks}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Valleys":
        """Read what ``to_json`` gave."""
        rules = {name: _curve(rows) for name, rows in data["rules"].items()}
        peaks = {name: tuple(each) for name, each in data["peaks"].items()}
        return Valleys(data["ratio"], _curve(data["base"]), rules, peaks)


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
    plain = neutral(setting.optimizer, [setting.axis])  # at ratio 1 it stands for all
    base, base_peaks = _trained(setting, setting.base_scale, {BASE: plain}, lrs, seeds, watch)
    scale = setting.base_scale * ratio
    found, peaks = _trained(setting, scale, rules, lrs, seeds, watch)
    return Valleys(float(ratio), base[BASE], found, {**base_peaks, **peaks})


def _trained(
    setting: Setting,
    scale: int,
    rules: Mapping[str, Rule],
    lrs: Sequence[float],
    seeds: Sequence[int],
    watch: Watch,
) -> tuple[dict[str, Curve], dict[str, tuple[float, ...]]]:
    """Give the curves of rules at a scale, and the peaks of the runs at the base's best rate."""
    points = product(range(len(rules)), lrs, seeds)
    members = [Member(*point) for point in points]
    place = workload_at(setting, scale)
    probes = [PeakShare()] if degrees(setting.optimizer).k > 0 else []
    outcome = train_members(setting, place, list(rules.values()), members, watch, probes)
    shape = (len(rules), len(lrs), len(seeds))
    losses = shaped(outcome.final, *shape).tolist()
    curves = {name: _curve(rows) for name, rows in zip(rules, losses, strict=True)}
    if "peak_share" not in outcome.probes:
        return curves, {}
    shares = shaped(outcome.probes["peak_share"], *shape)[:, OCTAVES.index(0)].tolist()
    return curves, {name: tuple(row) for name, row in zip(rules, shares, strict=True)}


def _bottom(curve: Curve, seeds: Sequence[int]) -> float:
    """Give the octaves to the best learning rate; 0 where all diverged."""
    rows = [[row[seed] for seed in seeds] for row in curve]
    best = optimum([2.0**x for x in OCTAVES], rows)
    return 0.0 if best is None else best.log2_lr


def _lowest(curve: Curve, seeds: Sequence[int]) -> float:
    """Give the lowest mean log loss."""
    return min(fmean(_log(row[seed], 1.0) for seed in seeds) for row in curve)


def _log2(share: float) -> float:
    return math.log2(max(share, 1e-9))  # of a run in which no update would buy anything


def _log(loss: float, lowest: float) -> float:
    if not math.isfinite(loss):
        return WORST
    return min(math.log(max(loss, 1e-12) / lowest), WORST_LOG_LOSS)


def _plain(curve: Curve) -> list[list[float | None]]:
    return [[loss if math.isfinite(loss) else None for loss in row] for row in curve]


def _curve(rows: Sequence[Sequence[float | None]]) -> Curve:
    return tuple(tuple(math.inf if loss is None else float(loss) for loss in row) for row in rows)
