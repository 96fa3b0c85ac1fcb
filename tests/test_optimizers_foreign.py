"""Optimizer classes from anywhere, against plain runs with the class, in float64."""

import sys

import pytest
import torch
from optimizer_runs import DECAYS, EPS, LRS, MEMBERS, TENSORS, gradients, hyper, normals, run

from paramsearch.errors import ParamsearchError
from paramsearch.rules.degrees import Degrees, degrees
from paramsearch.rules.torch_class import step_once
from paramsearch.train.optimizers.table import optimizer_entry


class ByNorm(torch.optim.Optimizer):
    """Steps of length lr along the gradient of each tensor: elements mix."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.data.sub_(group["lr"] * p.grad / p.grad.norm())


class Relative(ByNorm):
    """Steps in proportion to the parameter, linear in lr."""

    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.data.sub_(group["lr"] * p.grad.sign() * p.data.abs())


class Tame(ByNorm):
    """Grows neither as a power of the gradient nor otherwise."""

    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.data.sub_(group["lr"] * p.grad.tanh())


class Needs(ByNorm):
    def __init__(self, params, radius, lr=0.1):
        super().__init__(params, lr)


class NoRate(torch.optim.Optimizer):
    def __init__(self, params):
        super().__init__(params, {})


class NoParams(torch.optim.Optimizer):
    def __init__(self):
        super().__init__([torch.ones(1)], {"lr": 0.1})


class Refuses(ByNorm):
    def __init__(self, params, lr=0.1):
        raise ValueError("not today")


class Exits(ByNorm):
    def __init__(self, params, lr=0.1):
        sys.exit("bye")


class ExitsAtWork(ByNorm):
    def step(self):
        sys.exit(3)


class Loose(torch.optim.SGD):
    """Takes lr by keyword, though it does not name it."""

    def __init__(self, params, **others):
        super().__init__(params, **others)


class LooseWithout(torch.optim.Optimizer):
    """Takes what its base does not."""

    def __init__(self, params, **others):
        super().__init__(params, {}, **others)


HERE = f"{__name__}:"

CLASSES = (
    "torch.optim:RMSprop",
    "torch.optim:Adagrad",
    "torch.optim:NAdam",
    "torch.optim:RAdam",
    "torch.optim:Adadelta",
    "torch.optim:Rprop",
    "torch.optim:ASGD",
    "torch.optim:Adafactor",
    HERE + "ByNorm",
    HERE + "Relative",
)


def plain_run(name: str, decays: bool, halved: bool = False):
    """Every member with a torch optimizer of its own."""
    own = [{n: torch.nn.Parameter(p[m]) for n, p in normals(0).items()} for m in range(MEMBERS)]
    optimizers = []
    for m, tensors in enumerate(own):
        settings = {"lr": LRS[m], "weight_decay": DECAYS[m] if decays else 0.0}
        settings |= {"eps": EPS[m]} if degrees(name).eps else {}
        groups = [{"params": [p], **settings} for p in tensors.values()]
        optimizers.append(optimizer_entry(name).reference(groups))
    for grads in gradients():
        for m, optimizer in enumerate(optimizers):
            for n, p in own[m].items():
                p.grad = grads[n][m].clone()
            optimizer.step()
        yield {n: torch.stack([tensors[n].detach() for tensors in own]) for n in own[0]}


def assert_close(path, expected):
    for found, wanted in zip(path, expected, strict=True):
        for name in wanted:
            torch.testing.assert_close(found[name], wanted[name], rtol=1e-10, atol=1e-11)


DECAYING = [(n, d) for n in CLASSES for d in (False, True) if not d or degrees(n).decay]


@pytest.mark.parametrize(("name", "decays"), DECAYING)
def test_every_member_equals_a_plain_run(name, decays):
    optimizer = optimizer_entry(name).make(TENSORS)
    assert not optimizer.pure
    assert_close(run(optimizer, decays), list(plain_run(name, decays)))


def test_a_second_run_starts_afresh():
    optimizer = optimizer_entry("torch.optim:RMSprop").make(TENSORS)
    first, second = run(optimizer, decays=False), run(optimizer, decays=False)
    assert_close(first, second)


def test_the_learning_rate_may_follow_a_schedule():
    """Rprop-like classes, too, are told the rate of every step."""
    optimizer = optimizer_entry("torch.optim:ASGD").make(TENSORS)
    params = normals(0)
    own = {n: torch.nn.Parameter(p[1].clone()) for n, p in params.items()}
    plain = torch.optim.ASGD(own.values(), lr=1.0)
    state = optimizer.init(params)
    for step, grads in enumerate(gradients(6)):
        factor = 1 / (1 + step)
        updates, state = optimizer.update(grads, state, params, hyper(False, factor))
        params = {n: p + updates[n] for n, p in params.items()}
        plain.param_groups[0]["lr"] = LRS[1] * factor
        for n, p in own.items():
            p.grad = grads[n][1].clone()
        plain.step()
    assert_close([{n: p[1] for n, p in params.items()}], [{n: p.data for n, p in own.items()}])


BAD = {
    "no.such.module:Adam": r"module 'no.such.module' cannot be imported",
    "torch.optim:Adan": "module 'torch.optim' has no class 'Adan'",
    "torch.nn:Linear": "allowed: a subclass of torch.optim.Optimizer",
    "torch.optim:LBFGS": "closure",
    "torch.optim:SparseAdam": "does not support dense gradients",
    HERE + "Needs": "needs radius; allowed: classes that need no more than parameters and lr",
    HERE + "NoRate": "takes no lr, which a rule scales",
    HERE + "NoParams": "takes no parameters, which it would train",
    HERE + "LooseWithout": "cannot be made with lr .*unexpected keyword argument 'lr'",
    HERE + "Refuses": "cannot be made with lr .not today.",
    HERE + "Exits": r"cannot be made with lr .sys.exit\('bye'\)",
    HERE + "ExitsAtWork": r"cannot make a step .* .sys.exit\(3\)",
    "torch.optim.Adam": "a class is given as module:Class: 'torch.optim:Adam'",
    HERE + "Tame": "gradients 4 times as large give updates that are no power of 4",
}


@pytest.mark.parametrize("name", BAD)
def test_a_class_that_cannot_be_used_is_refused_in_one_sentence(name):
    with pytest.raises(ParamsearchError, match=BAD[name]) as caught:
        optimizer_entry(name).make(TENSORS)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_class_for_matrices_alone_serves_models_of_matrices():
    maker = optimizer_entry("torch.optim:Muon").make
    assert not maker([t for t in TENSORS if len(t.shape) == 2]).pure
    with pytest.raises(ParamsearchError, match="Muon only supports 2D parameters"):
        maker(TENSORS)


def test_decay_asked_of_a_class_without_any_is_refused():
    with pytest.raises(ParamsearchError, match=r"'torch.optim:Rprop' has no weight decay"):
        run(optimizer_entry("torch.optim:Rprop").make(TENSORS), decays=True)


def test_a_class_may_take_lr_among_others():
    name = HERE + "Loose"
    assert degrees(name) == Degrees(k=1, j=0, decay=None, eps=False)
    assert_close(run(optimizer_entry(name).make(TENSORS), decays=False), plain_run(name, False))


class Hungry(ByNorm):
    def step(self):
        raise MemoryError


def test_memory_that_runs_out_is_not_taken_for_a_fault_of_the_class():
    with pytest.raises(MemoryError):
        step_once(HERE + "Hungry", Hungry([torch.nn.Parameter(torch.ones(1))]))
