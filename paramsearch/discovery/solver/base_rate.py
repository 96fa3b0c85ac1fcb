"""The learning rate and the number of steps at which probes are taken."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from paramsearch.discovery.curves import shaped, train_members, workload_at
from paramsearch.discovery.progress import Watch
from paramsearch.discovery.setting import Setting
from paramsearch.discovery.tracking import across, track
from paramsearch.errors import ParamsearchError
from paramsearch.rules.neutral import neutral
from paramsearch.score.curve import optimum
from paramsearch.train.population import Member

Array = NDArray[np.float64]

STEPS = 20
"""Steps of a probed run where nothing else is asked; twice as many until learning is under way."""

MOST_STEPS = 160

BEGUN = 0.9
"""Share of the loss at initialization under which learning has begun. It is under way once it has
slowed down again, too: the first half of the steps has brought more than the second. Where it only
gathers speed, wider models are faster at it under any rule, and update shares grow with the width:
as m^0.2 under muP on a convnet (base width 32, momentum) after 40 steps, as m^0.04 after 80."""

NEAR = 0.5
"""Share of the best learning rate at which probes are taken. Far below it exponents come out
biased; at it, SGD with momentum stands at the edge of stability, where what an exponent does is no
longer linear: the MLP's hidden learning rate came out as -0.23 there, and as -0.04 at half."""

_LOW, _HIGH, _OCTAVE = -20, 8, 2  # powers of 2 of the grid; points per octave
_LEAST, _MOST = -14, 1  # between which the first points lie

FIRST = across(range((_LEAST - _LOW) * _OCTAVE, (_MOST - _LOW) * _OCTAVE + 1))
"""Learning rates that are tried first, by their place on the grid."""


@dataclass(frozen=True, slots=True)
class BaseRate:
    """What the base model says about the runs to be probed.

    Attributes:
        optimum: Best learning rate of the base model after so many steps; None if not looked for.
        lr: The learning rate at which probes are taken.
        steps: Steps of a run.
        lrs: Learning rates that were tried.
        losses: Final losses, inf where diverged, (lrs, seeds).
    """

    optimum: float | None
    lr: float
    steps: int
    lrs: list[float]
    losses: Array

    @staticmethod
    def near(optimum: float, steps: int) -> "BaseRate":
        """Take half of a best learning rate that is known."""
        return BaseRate(optimum, NEAR * optimum, steps, [], np.zeros((0, 0)))

    @staticmethod
    def given(lr: float, steps: int) -> "BaseRate":
        """Take the learning rate that a user gives."""
        return BaseRate(None, lr, steps, [], np.zeros((0, 0)))


def base_rate(
    setting: Setting,
    seeds: Sequence[int],
    steps: int | None = None,
    watch: Watch = Watch(),  # noqa: B008 - frozen
) -> BaseRate:
    """Find the base model's best learning rate, with as many steps as learning takes to get going.

    Args:
        setting: Model, task, axis and optimizer; the number of steps of its objective is not used.
        seeds: Seeds of the initial parameters.
        steps: Steps of a run; by default 20, doubled until the loss at the best learning rate has
            fallen by a tenth, and more in the first half of the steps than in the second; 160 at
            most.
        watch: Told about progress.

    Raises:
        ParamsearchError: Every learning rate diverged, or the best lies at the end of the grid,
            2^-20 to 2^8.
    """
    fixed, count = steps is not None, steps or STEPS
    while True:
        found, course = _curve(with_steps(setting, count), seeds, count, watch)
        if fixed or count >= MOST_STEPS or under_way(course):
            return found
        count *= 2


def under_way(course: Array) -> bool:
    """Say whether learning has begun and is past its fastest.

    Args:
        course: Loss at every step, the same learning rate throughout, (steps,).

    Example:
        >>> [under_way(np.array(c)) for c in ([8, 8, 7, 6, 4, 1], [8, 6, 4, 3, 2, 2], [8, 8, 8])]
        [False, True, False]
    """
    size = max(1, len(course) // 10)  # single batches differ
    middle = len(course) // 2
    first, last = course[0], course[-size:].mean()
    half = course[middle - size // 2 : middle - size // 2 + size].mean()
    return bool(last <= BEGUN * first and first - half >= half - last)


def with_steps(setting: Setting, steps: int) -> Setting:
    """Give the setting with another number of steps."""
    fidelity = setting.objective.fidelity.model_copy(update={"steps": steps})
    return replace(setting, objective=setting.objective.model_copy(update={"fidelity": fidelity}))


def _curve(
    setting: Setting, seeds: Sequence[int], steps: int, watch: Watch
) -> tuple[BaseRate, Array]:
    """Track the base model's curve; gives also the loss at every step, near the best rate."""
    grid = [2.0 ** (k / _OCTAVE) for k in range(_LOW * _OCTAVE, _HIGH * _OCTAVE + 1)]
    workload = workload_at(setting, setting.base_scale)
    rules = [neutral(setting.optimizer, [setting.axis])]
    courses: dict[int, Array] = {}

    def add(points: Sequence[tuple[int, int]]) -> Array:
        members = [Member(0, grid[k], seed) for _, k in points for seed in seeds]
        outcome = train_members(setting, workload, rules, members, watch)
        each = shaped(outcome.losses, len(points), len(seeds), steps).mean(axis=1)
        courses.update(zip((k for _, k in points), each, strict=True))
        return shaped(outcome.final, len(points), len(seeds))

    (known,) = track(add, [FIRST], range(len(grid)))
    lrs, losses = [grid[k] for k in known], np.stack(list(known.values()))
    best, at = optimum(lrs, losses), f"{setting.axis}={setting.base_scale}"
    if best is None or not best.interior:
        what = "every learning rate diverged" if best is None else f"{best.lr:.3g} was the best"
        raise ParamsearchError(
            f"no best learning rate of {setting.optimizer} at {at}: of those from {lrs[0]:.3g} to "
            f"{lrs[-1]:.3g}, {what}; give one by --lr"
        )
    nearest = min(known, key=lambda k: abs(np.log2(grid[k] / best.lr)))
    return BaseRate(best.lr, NEAR * best.lr, steps, lrs, losses), courses[nearest]
