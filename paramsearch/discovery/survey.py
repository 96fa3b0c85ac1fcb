"""What a member takes at every scale: counted where that is cheap, else foretold from smaller ones.

Operations of a step, and the bytes that it moves and holds, are polynomials in the scale: of matrix
products, attention or a number of layers. So a few small models tell what one takes that nobody
would build only to count.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from paramsearch.discovery.curves import recipe, workload_at
from paramsearch.discovery.probed import Kind, probes_for
from paramsearch.discovery.setting import Setting
from paramsearch.errors import ParamsearchError
from paramsearch.train.cost import Cost, forward_flops
from paramsearch.train.engine import cost_of
from paramsearch.train.probe import Probe
from paramsearch.train.workload import Workload

DEAR = 0.1
"""Effort of a member that is not trained for a step only to count what it takes."""

_OPERATION = 2e-5  # seconds that Python takes for each operation of a step, about
_DOUBLINGS = (2, 4, 8)  # scales that are counted for the sake of larger ones
_USUAL = 2.0  # power of the scale with which a step grows where one scale alone is known
_ENOUGH = 3  # scales that tell a polynomial


@dataclass(frozen=True, slots=True)
class Needs:
    """What one member takes at one scale.

    Attributes:
        costs: Of a member of each kind.
        forward: Floating-point operations of a forward pass over a training batch.
        evaluation: The same over the batch of the evaluation.
    """

    costs: Mapping[Kind, Cost]
    forward: float
    evaluation: float

    @property
    def effort(self) -> float:
        """Seconds of a step of one member alone, roughly, on two ordinary cores."""
        cost = self.costs["plain"]
        return cost.seconds + _OPERATION * cost.operations


@dataclass(frozen=True, slots=True)
class Survey:
    """What a member takes along an axis.

    Attributes:
        workloads: Ratio -> the model, where it was counted.
        counted: Ratio -> what was counted.
        bent: Whether the base differs from all others along another axis too.
    """

    workloads: dict[float, Workload]
    counted: dict[float, Needs]
    bent: bool

    def needs(self, ratio: float) -> Needs:
        """Give what a member takes at a scale over the base."""
        if ratio in self.counted:
            return self.counted[ratio]
        along = {m: n for m, n in self.counted.items() if m != 1 or not self.bent}
        return foretold(along or self.counted, ratio)

    def cheap(self, ratio: float) -> bool:
        """Say whether what a member takes at a scale can be counted."""
        return self.needs(ratio).effort <= DEAR

    def nearest(self, ratio: float, dear: float) -> float:
        """Give the largest scale up to one at which members may be trained for a moment.

        Args:
            ratio: The scale over the base.
            dear: Effort of a member that is too much, but for the base.
        """
        small = [m for m, n in self.counted.items() if m <= ratio and n.effort <= dear]
        return max(small, default=1.0)


def survey(setting: Setting, ratios: Iterable[float], kinds: Iterable[Kind]) -> Survey:
    """Count what members take at some scales over the base, and at smaller ones where those do.

    Args:
        setting: Model, task, axis, optimizer, objective and device.
        ratios: Scales over the base.
        kinds: Of populations to come.

    Raises:
        ParamsearchError: The model cannot be built or trained at one of these scales.
    """
    found = Survey({}, {}, bent=bool(setting.held))
    count = partial(_count, found, kinds=["plain", *kinds])
    count(1, setting)
    aside = replace(setting, places=dict(setting.places))  # these are not kept
    for ratio in sorted(set(ratios) - {1}):
        for smaller in (m for m in _DOUBLINGS if m < ratio and m not in found.counted):
            if found.cheap(ratio) or not found.cheap(smaller):
                break
            try:
                count(smaller, aside)
            except ParamsearchError:  # the axis may not take every number
                break
        if found.cheap(ratio):
            count(ratio, setting)
    return found


def _count(found: Survey, ratio: float, setting: Setting, kinds: Sequence[Kind]) -> None:
    """Build the model at a scale, and count what a member takes."""
    workload, made = workload_at(setting, round(setting.base_scale * ratio)), recipe(setting)
    assert isinstance(workload, Workload)
    found.workloads[ratio] = workload
    found.counted[ratio] = Needs(
        {kind: cost_of(workload, made, probes_of(setting, kind)) for kind in dict.fromkeys(kinds)},
        forward_flops(workload, workload.batch(0)),
        forward_flops(workload, workload.evaluation()),
    )


def probes_of(setting: Setting, kind: Kind) -> list[Probe]:
    """Give the probes that watch a population of a kind."""
    if kind == "plain":
        return []
    fidelity, weights = setting.objective.fidelity, setting.objective.weights
    if kind == "probed":
        weights = weights.model_copy(update={"sharpness_collapse": 0.0})
    return probes_for(weights, setting.optimizer, fidelity.lr.low, fidelity.sharpness_steps())


def foretold(known: Mapping[float, Needs], ratio: float) -> Needs:
    """Give what a member takes at a scale, from what it takes at smaller ones.

    Args:
        known: Ratio -> what was counted there, at least one.
        ratio: The scale over the base.
    """

    def at(read: Callable[[Needs], float], usual: float = _USUAL, most: int = 2) -> float:
        return extrapolated({m: read(n) for m, n in known.items()}, ratio, usual, most)

    def cost(kind: Kind) -> Cost:
        return Cost(
            # An optimizer may multiply square matrices.
            flops=at(lambda needs: needs.costs[kind].flops, most=3),
            traffic=at(lambda needs: needs.costs[kind].traffic),
            member_bytes=at(lambda needs: needs.costs[kind].member_bytes),
            shared_bytes=at(lambda needs: needs.costs[kind].shared_bytes),
            operations=round(at(lambda needs: needs.costs[kind].operations, usual=0.0)),
        )

    kinds = next(iter(known.values())).costs
    return Needs(
        {kind: cost(kind) for kind in kinds},
        at(lambda needs: needs.forward),
        at(lambda needs: needs.evaluation),
    )


def extrapolated(values: Mapping[float, float], at: float, usual: float, most: int) -> float:
    """Give the value of a polynomial that only rises, from its values at smaller numbers.

    Args:
        values: Number -> value, not negative.
        at: A larger number.
        usual: Power with which it grows where one value alone is known; two tell the power.
        most: Highest power of the polynomial; no term but the constant is negative.

    Example:
        >>> round(extrapolated({1: 3.0, 2: 17.0, 4: 63.0}, 1000, usual=2.0, most=2), 3)
        3004995.0
        >>> extrapolated({1: 3.0}, 10, usual=2.0, most=2)
        300.0
        >>> round(extrapolated({1: 3.0, 2: 6.0}, 10, usual=2.0, most=2), 3)
        30.0
    """
    numbers = sorted(values)
    last = numbers[-1]
    if min(values.values()) <= 0 or len(numbers) == 1:
        return values[last] * (at / last) ** usual
    if len(numbers) < _ENOUGH:
        before = numbers[-2]
        slope = math.log(values[last] / values[before]) / math.log(last / before)
        return values[last] * (at / last) ** max(0.0, slope)
    powers = np.arange(1, 1 + min(most, len(numbers) - 1))
    terms = np.array(numbers, dtype=float)[:, None] ** powers
    size = np.array([values[number] for number in numbers])
    rises = (np.diff(terms, axis=0) / size[1:, None], np.diff(size) / size[1:])
    found: NDArray[np.float64] = cast(Any, optimize).nnls(*rises)[0]
    return values[last] + float(found @ (float(at) ** powers - terms[-1]))
