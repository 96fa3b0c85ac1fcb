"""Learning-rate curves of a rule and its baselines at scales that the search never saw.

All rules are trained on the same seeds and data. Learning rates stand on one grid in half-octaves,
the same at every scale, so that the loss at the base scale's optimum is measured and not
interpolated. A curve whose optimum lies at an edge is extended on that side.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paramsearch.discovery.curves import base_optimum, lr_losses
from paramsearch.discovery.progress import Listener, Progress
from paramsearch.discovery.setting import Setting
from paramsearch.errors import ParamsearchError
from paramsearch.rules.rule import Rule
from paramsearch.score.curve import Optimum, optimum

Array = NDArray[np.float64]
Trainer = Callable[[int, Sequence[Rule], Sequence[float]], Array]
"""Gives final losses (rules, lrs, seeds) at a scale."""

_STEP = 0.5  # octaves between neighbours
_GROW = 2  # grid points by which a curve is extended at a time
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
) -> Evidence:
    """Train every rule at the base and at every scale.

    Args:
        setting: Model, task, optimizer and fidelity.
        rules: Name -> rule; the first is the one to verify.
        scales: Held-out sizes.
        seeds: Of every run.
        listen: Told about progress.

    Returns:
        The curves.

    Raises:
        ParamsearchError: At the base scale every learning rate diverges, or the best is at the
            end of the grid.
    """
    base = setting.base_scale
    members = 0.0
    done = 0

    def on_steps(count: int) -> None:
        nonlocal members
        members += count / setting.objective.fidelity.steps
        listen(Progress("verify", done, len(scales) + 1, None, members))

    def train(scale: int, some: Sequence[Rule], lrs: Sequence[float]) -> Array:
        return np.asarray(lr_losses(setting, scale, some, lrs, seeds, on_steps), dtype=np.float64)

    name, rule = next(iter(rules.items()))
    grid = setting.objective.fidelity.lr
    count = round(float(np.log2(grid.high / grid.low)) / _STEP) + 1
    at_base = _curves(train, base, {name: rule}, grid.low, range(count))[name]
    best = base_optimum(setting, at_base.lrs, at_base.losses)
    center = round((best.log2_lr - float(np.log2(grid.low))) / _STEP)
    reach = max(2, round(grid.window / _STEP))
    curves = {name: {base: at_base} for name in rules}
    for scale in scales:
        done += 1
        near = range(center - reach, center + reach + 1)
        for rule_name, curve in _curves(train, scale, rules, grid.low, near).items():
            curves[rule_name][scale] = curve
    listen(Progress("verify", len(scales) + 1, len(scales) + 1, None, members))
    return Evidence(setting.axis, base, grid.low * 2.0 ** (_STEP * center), curves)


def _curves(
    train: Trainer, scale: int, rules: Mapping[str, Rule], low: float, first: range
) -> dict[str, Curve]:
    """Measure one scale: a common grid, extended rule by rule where the optimum is at an edge."""
    losses: dict[str, dict[int, Array]] = {name: {} for name in rules}

    def add(names: Sequence[str], offsets: Sequence[int]) -> None:
        lrs = [low * 2.0 ** (_STEP * k) for k in offsets]
        found = train(scale, [rules[name] for name in names], lrs)
        for name, rows in zip(names, found, strict=True):
            losses[name].update(dict(zip(offsets, rows, strict=True)))

    def curve(name: str) -> Curve:
        offsets = sorted(losses[name])
        lrs = tuple(low * 2.0 ** (_STEP * k) for k in offsets)
        return Curve(lrs, np.stack([losses[name][k] for k in offsets]))

    add(list(rules), list(first))
    for _ in range(_REACH // _GROW):
        sides = {name: _side(curve(name)) for name in rules}
        for side in (-1, 1):
            edges: dict[int, list[str]] = {}
            for name in (name for name in rules if sides[name] == side):
                edge = min(losses[name]) if side < 0 else max(losses[name])
                edges.setdefault(edge, []).append(name)
            for edge, names in edges.items():
                add(names, sorted(edge + side * k for k in range(1, _GROW + 1)))
        if not any(sides.values()):
            break
    return {name: curve(name) for name in rules}


def _side(curve: Curve) -> int:
    """Say on which side a curve ends too soon: -1 below, 1 above, 0 on neither."""
    best = curve.best
    if best is None:
        return -1  # everything diverged: only smaller learning rates can help
    if best.interior:
        return 0
    return -1 if best.log2_lr < (np.log2(curve.lrs[0]) + np.log2(curve.lrs[-1])) / 2 else 1
