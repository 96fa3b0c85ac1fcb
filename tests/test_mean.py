"""Means of all members: the numbers and gradients of torch's, to the last bit."""

import pytest
import torch
from formulated import MEMBERS, drawn, formulated

from paramsearch.train.backend import batched
from paramsearch.train.meter import Meter

CALLS = {
    "one": lambda x: x.mean(1),
    "last two": lambda x: x.mean(dim=(-2, -1)),
    "kept": lambda x: torch.mean(x, (0, 2), keepdim=True),
    "all": lambda x: x.mean(),
    "all, kept": lambda x: x.mean(None, True),
    "none": lambda x: x.mean(dim=()),
    "in another type": lambda x: x.mean(-1, dtype=torch.float64),
    "of a number": lambda x: x.sum().mean(0),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_means_are_those_of_torch(call, dtype):
    x, found = drawn(MEMBERS, 4, 3, 5).to(dtype), []
    for way in (batched, formulated):
        leaf = x.clone().requires_grad_()
        value = way(call, (0,))(leaf)
        (grad,) = torch.autograd.grad(value.square().sum(), leaf)
        found.append((value, grad))
    for ours, theirs in zip(found[1], found[0], strict=True):
        assert ours.dtype == theirs.dtype and ours.equal(theirs)


def test_integers_have_no_mean():
    with pytest.raises(RuntimeError, match="mean"):
        formulated(lambda x: x.mean(0), (0,))(torch.ones(MEMBERS, 2, dtype=torch.int64))


def test_the_gradient_takes_no_memory_of_the_inputs_size():
    peaks = []
    for way in (batched, formulated):
        leaf = drawn(MEMBERS, 100, 100).requires_grad_()
        loss = way(lambda x: x.mean((0, 1)), (0,))(leaf).sum()
        with Meter() as meter:
            torch.autograd.grad(loss, leaf)
        peaks.append(meter.peak)
    assert peaks[1] < leaf.nbytes / 10 < leaf.nbytes <= peaks[0]
