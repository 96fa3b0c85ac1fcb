"""The base model's learning-rate curve: bracketed and refined, its optimum that of all of it."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from test_evaluate import tiny

from paramsearch.discovery.base_curve import BASE_SEEDS, base_curve
from paramsearch.discovery.evaluate import Evaluator
from paramsearch.discovery.progress import Watch
from paramsearch.errors import ParamsearchError
from paramsearch.score.curve import optimum


def test_the_base_is_the_optimum_of_the_wide_grid_and_is_trained_once():
    counts, about = [], tiny(step=0.5, base="dense")
    evaluator = Evaluator(about, Watch(counts.append))
    base = evaluator.base()
    assert base.lrs == about.objective.fidelity.lr.values()
    assert np.shape(base.losses) == (len(base.lrs), BASE_SEEDS)
    best = optimum(base.lrs, base.losses)
    assert (base.optimum, base.best_loss) == pytest.approx((best.lr, best.loss))
    assert base.center in base.lrs and abs(np.log2(base.center / base.optimum)) <= 0.25 + 1e-9
    assert evaluator.base() is base
    assert evaluator.member_steps == sum(counts) == len(base.lrs) * BASE_SEEDS * 8


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_tracked_base_is_that_of_the_wide_grid_for_half_the_members(optimizer):
    grid = {"low": 6e-5, "high": 16.0, "step": 0.5}
    few, full = (
        Evaluator(tiny(optimizer, **grid, base=base)).base() for base in ("track", "dense")
    )
    assert (few.optimum, few.center) == pytest.approx((full.optimum, full.center))
    assert few.best_loss == pytest.approx(full.best_loss)
    assert set(few.lrs) < set(full.lrs) and len(few.lrs) <= len(full.lrs) / 2


def based(lowest, dip):
    """The base curve of losses that rise from one grid point on, with another a bit lower."""

    def train(members):
        places = [round(np.log2(member.lr)) + 8 for member in members]
        losses = [0.99 if k == dip else 1.0 + abs(k - lowest) for k in places]
        return SimpleNamespace(final=torch.tensor(losses), failures={})

    base = base_curve(tiny(low=2.0**-8, high=1.0, step=1.0), train)
    return [round(np.log2(lr)) + 8 for lr in base.lrs], np.mean(base.losses, axis=1)


@pytest.mark.parametrize("lowest", [1, 3, 5])
def test_the_base_is_measured_as_far_as_its_optimum_is_read_from(lowest):
    known, losses = based(lowest, lowest + 2)
    best = known[int(np.argmin(losses))]
    assert best == lowest + 2 and known == sorted(set(known))
    assert set(range(best - 2, min(best + 2, 8) + 1)) <= set(known)


def test_the_end_of_the_grid_is_no_optimum():
    with pytest.raises(ParamsearchError, match="is the last of the grid"):
        based(8, 8)
