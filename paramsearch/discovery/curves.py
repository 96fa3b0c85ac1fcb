"""Loss-versus-learning-rate curves of many rules at one scale, as one population."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from paramsearch.discovery.setting import Setting
from paramsearch.errors import ParamsearchError
from paramsearch.rules.rule import Rule
from paramsearch.score.curve import Optimum, optimum
from paramsearch.train.engine import Recipe, train
from paramsearch.train.population import Member
from paramsearch.train.workload import prepare

Array = NDArray[np.float64]


def lr_losses(
    setting: Setting,
    scale: int,
    rules: Sequence[Rule],
    lrs: Sequence[float],
    seeds: Sequence[int],
    on_steps: Callable[[int], None] | None = None,
) -> Array:
    """Train every rule at every learning rate and seed, all on the same batches.

    Args:
        setting: Model, task, axis, optimizer and number of steps.
        scale: Size along the axis.
        rules: The rules.
        lrs: Base learning rates.
        seeds: Seeds of the initial parameters.
        on_steps: Called with the number of member-steps just made.

    Returns:
        Mean losses over the last quarter of the steps, inf where diverged, shape
        (rules, lrs, seeds).
    """
    workload = prepare(setting.arch, setting.task, {setting.axis: scale}, device=setting.device)
    outcome = train(workload, rules, grid(rules, lrs, seeds), recipe(setting), on_steps=on_steps)
    return shaped(outcome.final, len(rules), len(lrs), len(seeds))


def base_optimum(setting: Setting, lrs: Sequence[float], losses: Array) -> Optimum:
    """Give the best learning rate of the base model, from which everything else is transferred.

    Args:
        setting: Names the axis and the base.
        lrs: Learning rates, increasing.
        losses: Losses of the base model, (lrs, seeds).

    Raises:
        ParamsearchError: Every learning rate diverged, or the best is at the end of the grid.
    """
    at = f"{setting.axis}={setting.base_scale}"
    span = f"from {lrs[0]:.3g} to {lrs[-1]:.3g}"
    keys = "(fidelity.lr.low and fidelity.lr.high of the objective)"
    best = optimum(lrs, losses)
    if best is None:
        raise ParamsearchError(
            f"every learning rate {span} diverged at {at}; move the grid down {keys}"
        )
    if not best.interior:
        way = "down" if best.log2_lr < np.log2(lrs[0]) + 1e-6 else "up"
        raise ParamsearchError(
            f"at {at} the best learning rate is the last of the grid {span}; move the grid {way} "
            f"{keys}"
        )
    return best


def grid(rules: Sequence[Rule], lrs: Sequence[float], seeds: Sequence[int]) -> list[Member]:
    """List the members of a full grid, seeds running fastest."""
    return [Member(r, lr, seed) for r in range(len(rules)) for lr in lrs for seed in seeds]


def recipe(setting: Setting) -> Recipe:
    """Give the recipe of the setting's objective."""
    return Recipe(setting.optimizer, setting.objective.fidelity.steps)


def shaped(values: Tensor, *shape: int) -> Array:
    """Turn a tensor over members into a float64 array of the grid's shape."""
    return values.double().cpu().numpy().reshape(*shape)
