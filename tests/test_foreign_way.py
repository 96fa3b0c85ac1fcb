"""How members of a class are laid out: the fastest way that keeps every member as if alone."""

from dataclasses import replace

import pytest
import torch
from optimizer_runs import MEMBERS, hyper, normals

from paramsearch.rules.rule import Rule
from paramsearch.rules.torch_class import load_class, takes
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import load_arch
from paramsearch.train.engine import train
from paramsearch.train.optimizers import foreign_way
from paramsearch.train.optimizers.foreign_run import Run
from paramsearch.train.optimizers.foreign_way import ALONE, WAYS, find_way
from paramsearch.train.optimizers.interface import Hyper
from paramsearch.train.population import Member
from paramsearch.train.recipe import Execution, Recipe
from paramsearch.train.workload import prepare


class Steps(torch.optim.Optimizer):
    """Goes against the gradient; others say how far."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.data.sub_(self.change(p, p.grad, group))

    def change(self, p, grad, group):
        return group["lr"] * grad


class ByNorm(Steps):
    """Elements mix."""

    def change(self, p, grad, group):
        return group["lr"] * grad / grad.norm()


class Relative(Steps):
    """In proportion to the parameter."""

    def change(self, p, grad, group):
        return group["lr"] * grad.sign() * p.abs()


class Saturating(Steps):
    """Neither linear in lr nor independent of the parameter; elements do not mix."""

    def change(self, p, grad, group):
        return (group["lr"] * grad).tanh() * p.abs().sqrt()


class Clipped(Steps):
    """Elements mix, in a way that is not linear in lr; and there is an eps."""

    def __init__(self, params, lr=0.1, eps=1e-8):
        torch.optim.Optimizer.__init__(self, params, {"lr": lr, "eps": eps})

    def change(self, p, grad, group):
        return (group["lr"] * grad / (grad.norm() + group["eps"])).tanh()


class Factored(Steps):
    """Second moments factored over the two largest dimensions, where these are large."""

    def change(self, p, grad, group):
        square = grad.square()
        largest = sorted(range(p.ndim), key=lambda dim: p.shape[dim])[-2:]
        if p.ndim > 1 and p.shape[largest[0]] >= 32:
            rows, columns = (square.mean(dim, keepdim=True) for dim in largest)
            square = rows * columns / square.mean(largest, keepdim=True)
        return group["lr"] * grad / (square.sqrt() + 1e-8)


class ByCount(Steps):
    """Elements mix only in tensors of many."""

    def change(self, p, grad, group):
        return group["lr"] * (grad / grad.norm() if p.numel() > 1000 else grad)


class ByFew(Steps):
    """Elements mix only in tensors of few rows."""

    def change(self, p, grad, group):
        return group["lr"] * (grad - grad.mean(0) if p.ndim and len(p) < 32 else grad)


HERE = f"{__name__}:"
SHAPES = ((), (2,), (2, 3), (2, 3, 2, 2))
HELD = WAYS[0]
FASTEST = {
    "torch.optim:RMSprop": HELD,
    "torch.optim:Adagrad": HELD,
    "torch.optim:NAdam": HELD,
    "torch.optim:RAdam": HELD,
    "torch.optim:Adadelta": HELD,
    "torch.optim:Rprop": WAYS[2],
    "torch.optim:ASGD": WAYS[3],
    "torch.optim:Adafactor": ALONE,
    HERE + "Relative": WAYS[1],
    HERE + "Saturating": WAYS[3],
    HERE + "ByNorm": ALONE,
    HERE + "Clipped": ALONE,
}


@pytest.mark.parametrize("name", FASTEST)
def test_the_fastest_right_way_is_found(name):
    settings = tuple(s for s in ("lr", "weight_decay", "eps") if takes(load_class(name), s))
    assert find_way(name, settings, SHAPES) == FASTEST[name]


BY_SIZE = [
    ("Factored", (10, 64), False),
    ("Factored", (10, 16), True),
    ("ByCount", (10, 64), False),
    ("ByCount", (3, 5), True),
    ("ByFew", (64, 64), False),
]


@pytest.mark.parametrize(("name", "shape", "stacked"), BY_SIZE)
def test_a_class_that_goes_by_size_is_tried_on_the_shapes_at_hand(name, shape, stacked):
    assert find_way(HERE + name, ("lr",), (shape, (shape[0],))).stacked == stacked


@pytest.mark.parametrize("optimizer", ["Factored", "ByCount"])
def test_a_member_among_many_trains_as_if_alone(optimizer):
    arch, task, name = load_arch("mlp"), load_task("digits"), HERE + optimizer
    rule = Rule.load("sp").model_copy(update={"optimizer": name})
    members = [Member(0, 1e-3, seed % 4) for seed in range(80)]
    many, alone = (
        train(
            prepare(arch, task, {"width": 64}, dtype=torch.float64),
            [rule],
            members[:count],
            Recipe(name, 3),
            execution=Execution(compile=False, chunk=count),
        ).losses[0]
        for count in (80, 1)
    )
    torch.testing.assert_close(many, alone, rtol=1e-10, atol=1e-12)


def test_what_a_trial_takes_is_bounded(monkeypatch):
    monkeypatch.setattr(foreign_way, "TRIED_BYTES", 8 * 120)
    shapes = (((3, 4),), ((8, 8),))
    ways = [find_way.__wrapped__("torch.optim:SGD", ("lr",), each) for each in shapes]
    assert ways == [replace(HELD, most=10), ALONE]


ADAM = ("torch.optim:Adam", ("lr", "weight_decay", "eps"))
LAID = [HELD, replace(HELD, most=2), WAYS[3], ALONE]


def settings(unlike: bool, rows: torch.Tensor) -> Hyper:
    given = hyper(decays=True)
    columns = [
        {name: (v if unlike else v[:1].expand_as(v))[rows] for name, v in values.items()}
        for values in given[:3]
    ]
    return Hyper(*columns, decays=True)


def last_updates(way, unlike, leaving):
    """What the first and the last member's fourth update is, with or without the others."""
    run, rows = Run(*ADAM, way), torch.arange(MEMBERS)
    for step in range(4):
        if step == 2 and leaving:
            rows = rows[[0, -1]]
            run.keep(rows)
        grads, params = ({n: v[rows] for n, v in normals(k).items()} for k in (step + 1, 0))
        updates = run.update(grads, params, settings(unlike, rows))
    return {name: update[[0, -1]] for name, update in updates.items()}


@pytest.mark.parametrize("unlike", [False, True])
@pytest.mark.parametrize("way", LAID)
def test_members_that_leave_do_not_disturb_the_others_however_they_are_laid_out(way, unlike):
    expected = last_updates(ALONE, unlike, leaving=False)
    found = last_updates(way, unlike, leaving=True)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
