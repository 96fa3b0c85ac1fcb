"""The loss-versus-learning-rate curve of the base model, on which a search stands."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from paramsearch.discovery.curves import base_optimum, shaped
from paramsearch.discovery.evaluation import BaseCurve
from paramsearch.discovery.setting import Setting
from paramsearch.discovery.tracking import across, track
from paramsearch.score.curve import BESIDE, mean_over_seeds
from paramsearch.train.outcome import Outcome
from paramsearch.train.population import Member

Array = NDArray[np.float64]

BASE_SEEDS = 4
"""Seeds of the base curve: it is trained once and everything hangs on its optimum."""


def base_curve(setting: Setting, train: Callable[[Sequence[Member]], Outcome]) -> BaseCurve:
    """Find the base model's best learning rate on the wide grid.

    Unless the objective wants all of it, the grid is bracketed in coarse steps and refined, and in
    the end measured on either side of the lowest point as far as the optimum is read from.

    Args:
        setting: Its objective gives the grid.
        train: Trains members of one rule at the base scale.

    Returns:
        The curve and its optimum.

    Raises:
        ParamsearchError: Every learning rate diverged, or the best lies at the grid's end.
    """
    grid = setting.objective.fidelity.lr
    rates, failures = grid.values(), list[str]()

    def add(points: Sequence[tuple[int, int]]) -> Array:
        members = [Member(0, rates[k], seed) for _, k in points for seed in range(BASE_SEEDS)]
        outcome = train(members)
        failures.extend(outcome.failures.values())
        return shaped(outcome.final, len(points), BASE_SEEDS)

    everything = range(len(rates))
    (known,) = track(add, [everything if grid.base == "dense" else across(everything)], everything)
    while missing := [(0, k) for k in _beside(known, everything) if k not in known]:
        found = zip(missing, add(missing), strict=True)
        known = dict(sorted({**known, **{k: losses for (_, k), losses in found}}.items()))
    lrs, losses = [rates[k] for k in known], np.stack(list(known.values()))
    best = base_optimum(setting, lrs, losses)
    return BaseCurve(
        scale=setting.base_scale,
        lrs=lrs,
        losses=losses.tolist(),
        optimum=best.lr,
        center=min(lrs, key=lambda lr: abs(np.log2(lr) - best.log2_lr)),
        best_loss=best.loss,
        failed=len(failures),
        failure=next(iter(failures), ""),
    )


def _beside(known: Mapping[int, Array], limits: range) -> list[int]:
    """Give the points around the lowest that are in the grid."""
    lowest = list(known)[int(np.argmin(mean_over_seeds(np.stack(list(known.values())))))]
    return [k for k in range(lowest - BESIDE, lowest + BESIDE + 1) if k in limits]
