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
"""Steps of a probed run where nothing else is asked; twice as many until learning has begun."""

MOST_STEPS = 160

BEGUN = 0.9
"""Share of the loss at initialization under which learning has begun."""

NEAR = 0.5
"""Share of the best learning rate at which probes are taken. Far below it exponents come out
biased; at it, SGD with momentum stands at the edge of stability, where what an exponent does is no
longer linear: the MLP's hidden learning rate came out as -0.23 there, and as -0.04 at half."""

_LOW, _HIGH, _OCTAVE = -20, 8, 2  # powers of 2 of the grid; points per octave
_FIRST = (-14, 1)  # between which the first points lie


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
    """Find the base model's best learning rate, with as many steps as learning takes to begin.

    Args:
        setting: Model, task, axis and optimizer; the number of steps of its objective is not used.
        seeds: Seeds of the initial parameters.
        steps: Steps of a run; by default 20, doubled until the loss at the best learning rate has
            fallen by a tenth, 160 at most.
        watch: Told about progress.

    Raises:
        ParamsearchError: Every learning rate diverged, or the best lies at the end of the grid,
            2^-20 to 2^8.
    """
    fixed, count = steps is not None, steps or STEPS
    while True:
        found, start = _curve(with_steps(setting, count), seeds, count, watch)
        begun = found.losses.mean(axis=1).min() <= BEGUN * start
        if begun or fixed or count >= MOST_STEPS:
            return found
        count *= 2


def with_steps(setting: Setting, steps: int) -> Setting:
    """Give the setting with another number of steps."""
    fidelity = setting.objective.fidelity.model_copy(update={"steps": steps})
    return replace(setting, objective=setting.objective.model_copy(update={"fidelity": fidelity}))


def _curve(
    setting: Setting, seeds: Sequence[int], steps: int, watch: Watch
) -> tuple[BaseRate, float]:
    """Track the base model's curve; gives also its loss at initialization."""
    grid = [2.0 ** (k / _OCTAVE) for k in range(_LOW * _OCTAVE, _HIGH * _OCTAVE + 1)]
    workload = workload_at(setting, setting.base_scale)
    rules = [neutral(setting.optimizer, [setting.axis])]
    starts: list[float] = []

    def add(points: Sequence[tuple[int, int]]) -> Array:
        members = [Member(0, grid[k], seed) for _, k in points for seed in seeds]
        outcome = train_members(setting, workload, rules, members, watch)
        starts.append(float(outcome.losses[:, 0].mean()))
        return shaped(outcome.final, len(points), len(seeds))

    low, high = ((power - _LOW) * _OCTAVE for power in _FIRST)
    first = across(range(low, high + 1))
    (known,) = track(add, [first], range(len(grid)))
    lrs, losses = [grid[k] for k in known], np.stack(list(known.values()))
    best, at = optimum(lrs, losses), f"{setting.axis}={setting.base_scale}"
    if best is None or not best.interior:
        what = "every learning rate diverged" if best is None else f"{best.lr:.3g} was the best"
        raise ParamsearchError(
            f"no best learning rate of {setting.optimizer} at {at}: of those from {lrs[0]:.3g} to "
            f"{lrs[-1]:.3g}, {what}; give one by --lr"
        )
    return BaseRate(best.lr, NEAR * best.lr, steps, lrs, losses), starts[0]
