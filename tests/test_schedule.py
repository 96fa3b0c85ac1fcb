"""Schedules against ``torch.optim.lr_scheduler``, and clipping against torch's."""

import math

import pytest
import torch
from optimizer_runs import MEMBERS, normals
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LinearLR, SequentialLR

from paramsearch.errors import ParamsearchError
from paramsearch.train.clip import clip
from paramsearch.train.schedule import SCHEDULES, Schedule

STEPS = 40


def torch_factors(pieces) -> list[float]:
    """Factors of schedulers one after the other, each with the steps it lasts."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    made = [make(optimizer) for make, _ in pieces]
    ends = [sum(steps for _, steps in pieces[: i + 1]) for i in range(len(pieces) - 1)]
    scheduler = SequentialLR(optimizer, made, milestones=ends)
    found = []
    for _ in range(STEPS):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def warmup(steps):
    return (lambda o: LinearLR(o, 1 / steps, 1.0, total_iters=steps - 1)), steps


def stable(steps):
    return (lambda o: ConstantLR(o, 1.0)), steps


def linear(steps, final):
    return (lambda o: LinearLR(o, 1.0, final, total_iters=steps)), steps


def cosine(steps, final):
    return (lambda o: CosineAnnealingLR(o, steps, eta_min=final)), steps


CASES = {
    Schedule("constant", warmup=0.25): [warmup(10), stable(30)],
    Schedule("linear", warmup=0.1, final=0.2): [warmup(4), linear(36, 0.2)],
    Schedule("linear"): [linear(40, 0.0)],
    Schedule("cosine", warmup=0.2, final=0.1): [warmup(8), cosine(32, 0.1)],
    Schedule("cosine"): [cosine(40, 0.0)],
    Schedule("wsd", 0.1, 0.3, 0.05): [warmup(4), stable(24), linear(12, 0.05)],
}


@pytest.mark.parametrize("schedule", CASES, ids=lambda s: f"{s.name}-{s.warmup}")
def test_factors_equal_those_of_torch(schedule):
    assert schedule.factors(STEPS) == pytest.approx(torch_factors(CASES[schedule]), abs=1e-12)


@pytest.mark.parametrize("steps", [0, 1, 2, 7])
@pytest.mark.parametrize("name", SCHEDULES)
def test_short_runs_have_a_factor_for_every_step(name, steps):
    factors = Schedule(name, warmup=0.5, decay=0.5 if name == "wsd" else 0.0).factors(steps)
    assert len(factors) == steps
    assert all(0 < factor <= 1 for factor in factors)


def test_all_warmup():
    assert Schedule("cosine", warmup=1.0).factors(4) == [0.25, 0.5, 0.75, 1.0]


BAD = {
    r"unknown schedule 'cos'; did you mean 'cosine'": {"name": "cos"},
    r"schedule 'linear': warmup: received 1.5; allowed: 0 to 1": {"name": "linear", "warmup": 1.5},
    r"schedule 'cosine': final: received -1; allowed: 0 to 1": {"name": "cosine", "final": -1},
    r"final: received nan": {"name": "cosine", "final": math.nan},
    r"schedule 'wsd': decay: received 0.0; allowed: above 0": {"name": "wsd"},
    r"decay: received 0.2; allowed: 0, for only wsd": {"name": "cosine", "decay": 0.2},
    r"received warmup 0.6 and decay 0.5; allowed: together at most 1": {
        "name": "wsd",
        "warmup": 0.6,
        "decay": 0.5,
    },
}


@pytest.mark.parametrize("message", BAD)
def test_a_bad_schedule_is_refused_in_one_sentence(message):
    with pytest.raises(ParamsearchError, match=message):
        Schedule(**BAD[message])


@pytest.mark.parametrize("limit", [0.1, 7.0, 100.0])
def test_every_member_is_clipped_like_torch(limit):
    grads = normals(1)
    for name in grads:
        grads[name][0] *= 0.05
    clipped = clip(grads, limit)
    for m in range(MEMBERS):
        own = {n: torch.nn.Parameter(g[m].clone()) for n, g in grads.items()}
        for n, p in own.items():
            p.grad = grads[n][m].clone()
        torch.nn.utils.clip_grad_norm_(own.values(), limit)
        for n, p in own.items():
            torch.testing.assert_close(clipped[n][m], p.grad, rtol=0, atol=1e-12)


def test_clipping_leaves_its_arguments_and_other_members_alone():
    grads = normals(1)
    grads["down.weight"][1] = torch.nan
    before = {n: g.clone() for n, g in grads.items()}
    clipped = clip(grads, 0.5)
    torch.testing.assert_close(grads, before, equal_nan=True)
    assert clipped["norm.weight"][[0, 2]].isfinite().all()
    assert clipped["norm.weight"][1].isnan().all()
