"""What a trace says it could not decide."""

import pytest
import torch
from nasty_cases import CASES
from nasty_models import Numbers, Raw, TiedReadout
from torch import nn

from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import Arch, load_arch
from paramsearch.tracing.trace import trace


def undecided(model: type[nn.Module]) -> tuple[str, ...]:
    task, axes = next((task, axes) for kind, task, axes, _ in CASES if kind is model)
    return trace(Arch(model, axes), task=task()).undecided


@pytest.mark.parametrize("name", ["mlp", "resmlp", "gpt"])
def test_clear_models_leave_nothing_open(name):
    arch = load_arch(name)
    task = load_task("bytes:context=4,batch=2" if arch.task == "bytes" else arch.task)
    assert trace(arch, task=task).undecided == ()


def test_tensors_without_gradient():
    (sentence,) = undecided(Raw)
    assert sentence == "forgotten: no gradient was seen, so what it does is not known"


def test_tensors_used_in_two_ways():
    (sentence,) = undecided(TiedReadout)
    assert sentence.startswith("readout.weight: used in two ways, as readout.weight and embed.weig")


class Open(nn.Module):
    """A matrix that stays, sizes that are rounded, and projections that only numbers tell apart."""

    def __init__(self, inputs: int, outputs: int, width: int):
        super().__init__()
        odd = round(width**0.8)
        self.fixed, self.enter = nn.Linear(inputs, 3), nn.Linear(3, width)
        self.qkv = nn.ModuleList(nn.Linear(width, width) for _ in range(3))
        self.odd, self.readout = nn.Linear(width, odd), nn.Linear(odd, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.enter(self.fixed(x))
        q, k, v = (layer(x[:, None]) for layer in self.qkv)
        x = (x[:, None] + (q @ k.mT).softmax(-1) @ v)[:, 0]
        return self.readout(self.odd(x))


def test_matrices_that_stay_odd_growth_and_factors_that_are_alike():
    found = trace(Arch(Open, {"width": 64}), task=Numbers()).undecided
    starts = [
        "fixed.weight: a matrix of which no dimension grows along width, so its role is scalar",
        "odd.weight, odd.bias, readout.weight: a dimension grows as width^0.807",
        "qkv.*.bias: two factors of one product, such as query and key, with names that differ",
    ]
    for start in starts:
        assert any(sentence.startswith(start) for sentence in found), (start, found)


def test_no_axis_and_an_axis_of_depth_alone():
    arch = Arch(Open, {}, options={"width": 8})
    assert trace(arch, task=Numbers()).undecided[0].startswith("no axis is declared, so nothing gr")
    deep = trace(Arch(lambda depth, **dims: Open(**dims, width=8), {"depth": 1}), task=Numbers())
    assert "declare an axis of width too, as in --set axis:width=hidden_size" in deep.undecided[0]
