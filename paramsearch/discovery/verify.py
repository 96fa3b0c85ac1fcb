"""Learning-rate curves of a rule and its baselines at scales that the search never saw.

All rules are trained on the same seeds and data. Learning rates stand on one grid in half-octaves,
the same at every scale, so that the loss at the base scale's optimum is measured and not
interpolated. Curves are tracked: beside that point, only what it takes to find their optimum is
measured, starting from that at the next smaller scale. Or they are dense: a common stretch of the
grid, extended where the optimum lies at its edge.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paramsearch.discovery.curves import base_optimum, point_losses, workload_at
from paramsearch.discovery.progress import Listener, Progress, Watch
from paramsearch.discovery.setting import Setting
from paramsearch.discovery.tracking import Known, Train, across, around, track
from paramsearch.errors import ParamsearchError
from paramsearch.rules.rule import Rule
from paramsearch.score.curve import Optimum, mean_over_seeds, optimum
from paramsearch.score.fidelity import LrGrid

Array = NDArray[np.float64]

_STEP = 0.5  # octaves between neighbours
_GROW = 2  # grid points by which a dense curve is extended at a time
_REACH = 24  # grid points beyond the first grid at most, on either side


@dataclass(frozen=True, slots=True)
class Curve:
    """Loss versus learning rate of one rule at one scale.

    Attributes:
        lrs: Base learning rates, increasing, shape (K,).
        losses: Final losses, inf where diverged, shape (K, seeds).
    """

    lrs: tuple[float, ...]
    losses: Array

    @property
    def best(self) -> Optimum | None:
        """The optimum, None if every learning rate diverged."""
        return optimum(self.lrs, self.losses)

    def at(self, lr: float) -> Array:
        """Give the losses at a learning rate of the grid, shape (seeds,)."""
        index = int(np.argmin(np.abs(np.log2(self.lrs) - np.log2(lr))))
        return self.losses[index]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was measured.

    Attributes:
        axis: The axis.
        base_scale: Size at ratio 1, where all rules are the same model.
        base_lr: The learning rate tuned at the base, on the grid.
        curves: Rule -> scale -> curve; the base scale comes first.
    """

    axis: str
    base_scale: int
    base_lr: float
    curves: Mapping[str, Mapping[int, Curve]]


def check_scales(
    scales: Sequence[int], base: int, axis: str, searched: Sequence[int], allow_searched: bool
) -> list[int]:
    """Check that scales are held out, and sort them.

    Args:
        scales: Sizes along the axis.
        base: The base size.
        axis: The axis, for the message.
        searched: Sizes that the search trained at.
        allow_searched: Whether those may be verified all the same.

    Returns:
        The sizes, increasing, each once.

    Raises:
        ParamsearchError: None is given, or one is not above the base, or was searched.

    Example:
        >>> check_scales([512, 256], 32, "width", [32, 64, 128], False)
        [256, 512]
    """
    if not scales:
        raise ParamsearchError("--scales is empty; give at least one size, for instance 512")
    for scale in sorted(scales):
        if scale <= base:
            raise ParamsearchError(
                f"--scales: {axis} {scale} is not above the base {axis} {base}; "
                f"held-out scales are larger than the base"
            )
        if scale in searched and not allow_searched:
            raise ParamsearchError(
                f"--scales: {axis} {scale} was trained in the search "
                f"({', '.join(map(str, searched))}), so it proves nothing; "
                f"choose a larger one or add --allow-searched"
            )
    return sorted(set(scales))


def measure(
    setting: Setting,
    rules: Mapping[str, Rule],
    scales: Sequence[int],
    seeds: Sequence[int],
    listen: Listener,
    dense: bool = False,
) -> Evidence:
    """Train every rule at the base and at every scale.

    Args:
        setting: Model, task, optimizer and fidelity.
        rules: Name -> rule; the first is the one to verify.
        scales: Held-out sizes, increasing.
        seeds: Of every run.
        listen: Told about progress.
        dense: Whether to measure a common grid at every scale, instead of tracking the optimum.

    Returns:
        The curves.

    Raises:
        ParamsearchError: At the base scale every learning rate diverges, or the best is at the
            end of the grid.
    """
    base, grid = setting.base_scale, setting.objective.fidelity.lr
    members = 0.0
    done = 0

    def steps(count: int) -> None:
        nonlocal members
        members += count / setting.objective.fidelity.steps
        listen(Progress("verify", done, len(scales) + 1, None, members))

    def note(words: str) -> None:
        listen(Progress("verify", done, len(scales) + 1, None, members, words))

    watch = Watch(steps, note)

    def curves_at(
        scale: int, some: Sequence[Rule], first: Sequence[Collection[int]], within: range
    ) -> list[Curve]:
        workload = workload_at(setting, scale)

        def train(points: Sequence[tuple[int, int]]) -> Array:
            at = [(rule, _lr(grid.low, k)) for rule, k in points]
            return point_losses(setting, workload, some, at, seeds, watch)

        limits = range(within.start - _REACH, within.stop + _REACH)
        found = _dense(train, len(some), within) if dense else track(train, first, limits)
        return [_curve(grid.low, known) for known in found]

    whole = wide(grid)
    (at_base,) = curves_at(base, [next(iter(rules.values()))], [across(whole)], whole)
    center = _index(grid.low, base_optimum(setting, at_base.lrs, at_base.losses))
    curves = {name: {base: at_base} for name in rules}
    guesses = [center] * len(rules)
    for previous, scale in zip((base, *scales), scales, strict=False):
        done += 1
        first = [[center, *around(guess, scale / previous)] for guess in guesses]
        found = curves_at(scale, list(rules.values()), first, nearby(grid, center))
        for name, curve in zip(rules, found, strict=True):
            curves[name][scale] = curve
        optima = [curve.best for curve in found]
        guesses = [
            guess if best is None else _index(grid.low, best)
            for guess, best in zip(guesses, optima, strict=True)
        ]
    listen(Progress("verify", len(scales) + 1, len(scales) + 1, None, members))
    return Evidence(setting.axis, base, _lr(grid.low, center), curves)


def wide(grid: LrGrid) -> range:
    """Give the points of the grid between the ends that the objective names."""
    return range(round(float(np.log2(grid.high / grid.low)) / _STEP) + 1)


def nearby(grid: LrGrid, center: int) -> range:
    """Give the points of a dense curve around the base's optimum."""
    reach = max(2, round(grid.window / _STEP))
    return range(center - reach, center + reach + 1)


def _lr(low: float, index: int) -> float:
    return low * 2.0 ** (_STEP * index)


def _index(low: float, best: Optimum) -> int:
    return round((best.log2_lr - float(np.log2(low))) / _STEP)


def _curve(low: float, known: Known) -> Curve:
    return Curve(tuple(_lr(low, k) for k in known), np.stack(list(known.values())))


def _dense(train: Train, rules: int, first: range) -> list[dict[int, Array]]:
    """Measure a common grid, extended rule by rule where the optimum is at an edge."""
    known: list[dict[int, Array]] = [{} for _ in range(rules)]
    points = [(rule, k) for rule in range(rules) for k in first]
    for _ in range(1 + _REACH // _GROW):
        for (rule, k), losses in zip(points, train(points), strict=True):
            known[rule][k] = losses
        known = [dict(sorted(curve.items())) for curve in known]
        points = [(rule, k) for rule, curve in enumerate(known) for k in _further(curve)]
        if not points:
            break
    return known


def _further(known: Known) -> list[int]:
    """Give the points by which a dense curve is to be extended; none where it rises both ways."""
    heights = mean_over_seeds(np.stack(list(known.values())))
    best = int(np.argmin(heights))
    if best == 0 or not np.isfinite(heights[best]):  # smaller learning rates alone can help
        return [min(known) - k for k in range(1, _GROW + 1)]
    last = best == len(heights) - 1
    return [max(known) + k for k in range(1, _GROW + 1)] if last else []
