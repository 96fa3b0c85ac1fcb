"""The coordinate check: how outputs of every layer, and their change, follow the scale.

Train a few steps at several scales. Under a parameterization that holds, every layer's output
keeps its size, and moves by as much, however large the model is (Yang et al., 2022, arXiv
2203.03466, appendix D.1); both are power laws of the scale, and the slopes tell how far off it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from paramsearch.discovery.layers import Layer, layers
from paramsearch.discovery.progress import Listener, Progress, silent
from paramsearch.probes.coords import Coordinates
from paramsearch.rules.rule import Rule
from paramsearch.tasks.task import Task
from paramsearch.tracing.arch import Arch
from paramsearch.train.engine import train
from paramsearch.train.outcome import Outcome
from paramsearch.train.population import Member
from paramsearch.train.recipe import Engine, Execution, Recipe
from paramsearch.train.workload import Workload, prepare

Array = NDArray[np.float64]
Word = Literal["flat", "grows", "shrinks", "unclear", "none", "diverges"]

TOLERANCE = 0.25
"""Slopes nearer to 0 count as flat: exponents are wrong by a half or more where they are wrong."""


@dataclass(frozen=True, slots=True)
class Slope:
    """The power with which something follows the scale.

    Attributes:
        value: Mean over seeds of the slope of log size against log scale; nan where a size is 0 or
            not finite.
        spread: Standard error over seeds.
    """

    value: float
    spread: float

    @property
    def word(self) -> Word:
        """Say where the scale leads; unclear where the spread over seeds leaves that open."""
        if np.isnan(self.value):
            return "none"
        if abs(self.value) <= TOLERANCE:
            return "flat"
        if abs(self.value) - self.spread <= TOLERANCE:
            return "unclear"
        return "grows" if self.value > 0 else "shrinks"


@dataclass(frozen=True, slots=True)
class Coordinate:
    """What was measured of one layer.

    Attributes:
        layer: The layer.
        size: Root mean square of its output, (scales, steps + 1, seeds); from before the first
            update to after the last.
        change: The same of what has been added since initialization, (scales, steps + 1, seeds).
        scales: The scales.
    """

    layer: Layer
    size: Array
    change: Array
    scales: tuple[int, ...]

    @property
    def start(self) -> Slope:
        """Slope of the output's size at initialization."""
        return fitted(self.scales, self.size[:, 0])

    @property
    def moves(self) -> tuple[Slope, ...]:
        """Slope of the change after 1, 2, ... steps."""
        return tuple(
            fitted(self.scales, self.change[:, step]) for step in range(1, self.change.shape[1])
        )

    @property
    def word(self) -> Word:
        """Say whether the layer keeps its coordinates; none, if nothing moved it.

        An output of the whole model that is smaller at the start is as it should be: under muP it
        vanishes with the width, and what counts is how far it moves.
        """
        if not (np.isfinite(self.size).all() and np.isfinite(self.change).all()):
            return "diverges"
        start, *moves = (slope.word for slope in (self.start, *self.moves))
        if self.layer.role == "output" and self.start.value < 0:
            start = "flat"
        if "grows" in (start, *moves):
            return "grows"
        for word in ("shrinks", "unclear"):
            if word in (start, moves[-1]):
                return word
        return "flat" if moves[-1] == "flat" else "none"


def fitted(scales: Sequence[int], values: Array) -> Slope:
    """Fit the slope of log value against log scale, seed by seed.

    Args:
        scales: At least two, different.
        values: (scales, seeds).

    Returns:
        Mean slope and its standard error; nan where a value is 0 or not finite.

    Example:
        >>> slope = fitted([1, 2, 4], np.array([[3.0, 1.0], [6.0, 2.0], [12.0, 4.0]]))
        >>> round(slope.value, 6), round(slope.spread, 6), slope.word
        (1.0, 0.0, 'grows')
    """
    if not (np.isfinite(values) & (values > 0)).all():
        return Slope(float("nan"), float("nan"))
    x = np.log2(np.array(scales, dtype=np.float64))
    x = x - x.mean()
    slopes: Array = x @ np.log2(values) / (x @ x)
    seeds = len(slopes)
    spread = float(slopes.std(ddof=1)) / seeds**0.5 if seeds > 1 else 0.0
    return Slope(float(slopes.mean()), spread)


@dataclass(frozen=True, slots=True)
class Check:
    """What to train for a coordinate check.

    Attributes:
        arch: The architecture.
        task: What it is trained on.
        axis: The axis.
        rule: The rule.
        scales: Sizes along the axis, increasing.
        lr: Base learning rate.
        recipe: Optimizer and steps.
        seeds: Of the initial parameters; all train together.
        device: Where.
        engine: How.
    """

    arch: Arch
    task: Task
    axis: str
    rule: Rule
    scales: tuple[int, ...]
    lr: float
    recipe: Recipe
    seeds: tuple[int, ...]
    device: str
    engine: Engine


def coordinates(check: Check, listen: Listener = silent) -> tuple[Coordinate, ...]:
    """Train at every scale and measure the outputs of all layers.

    Args:
        check: What to train.
        listen: Told about progress.

    Returns:
        One entry per layer that every scale has, in the model's order.

    Raises:
        ParamsearchError: The model cannot be built or trained, or the rule does not match it.
    """
    members = [Member(0, check.lr, seed) for seed in check.seeds]
    found: list[dict[Layer, tuple[Array, Array]]] = []
    for number, scale in enumerate(check.scales):
        listen(Progress("coords", number, len(check.scales), None, number * len(members)))
        workload = _workload(check, scale)
        known = layers(workload.tensors)
        probe = Coordinates(frozenset(part for layer in known for part in _parts(layer)))
        # Every step is looked at, so none is compiled; there are too few to measure one first.
        how = Execution(compile=False, chunk=len(members))
        outcome = train(workload, [check.rule], members, check.recipe, [probe], None, how)
        found.append(_measured(known, outcome))
    listen(Progress("coords", len(found), len(found), None, len(found) * len(members)))
    kinds = [{(layer.name, layer.role): pair for layer, pair in each.items()} for each in found]
    result: list[Coordinate] = []
    for layer in found[0]:
        key = (layer.name, layer.role)
        if all(key in each for each in kinds):
            size, change = (np.stack([each[key][i] for each in kinds]) for i in (0, 1))
            result.append(Coordinate(layer, size, change, check.scales))
    return tuple(result)


def _workload(check: Check, scale: int) -> Workload:
    return prepare(
        check.arch,
        check.task,
        {check.axis: scale},
        device=check.device,
        engine=check.engine,
    )


def _parts(layer: Layer) -> list[tuple[str, ...]]:
    """Give the tensors whose outputs are added up, block by block where none are."""
    return [layer.tensors] if layer.summed else [(name,) for name in layer.tensors]


def _measured(known: Sequence[Layer], outcome: Outcome) -> dict[Layer, tuple[Array, Array]]:
    """Give size and change per layer, each (steps + 1, seeds); blocks are pooled."""
    found: dict[Layer, tuple[Array, Array]] = {}
    for layer in known:
        names = [name for name in layer.tensors if f"size/{name}" in outcome.probes]
        if names:
            found[layer] = _pooled(outcome, "size", names), _pooled(outcome, "change", names)
    return found


def _pooled(outcome: Outcome, kind: str, names: Sequence[str]) -> Array:
    squares = torch.stack([outcome.probes[f"{kind}/{name}"].double() for name in names])
    curve: Array = squares.mean(dim=0).sqrt().T.cpu().numpy()
    return curve
