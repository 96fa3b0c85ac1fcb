"""Group norms of all members at once against torch's own under vmap, in float64."""

import pytest
import torch
from formulated import MEMBERS, drawn, formulated
from torch.func import vmap
from torch.nn import functional

from paramsearch.train.group_norm import group_norm

GROUPS = 2


def norm(x, weight, bias):
    return functional.group_norm(x, GROUPS, weight, bias, 1e-3)


@pytest.mark.parametrize("places", [(), (5,), (4, 3)])
@pytest.mark.parametrize("dims", [(0, 0, 0), (None, 0, 1), (1, None, 0), (0, None, None)])
def test_outputs_and_gradients_are_those_of_vmap(places, dims):
    values = [drawn(6, 4, *places), drawn(4), drawn(4)]
    values = [
        v if d is None else torch.stack([v + i for i in range(MEMBERS)], d).requires_grad_()
        for v, d in zip(values, dims, strict=True)
    ]
    leaves = [value for value in values if value.requires_grad]
    found, expected = (each(norm, dims)(*values) for each in (formulated, vmap))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    pull = drawn(*found.shape)
    grads = [torch.autograd.grad(out, leaves, pull) for out in (found, expected)]
    torch.testing.assert_close(*grads, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("affine", [True, False])
def test_without_members_gradients_hold(affine):
    x = drawn(3, 4, 5).requires_grad_()
    weight, bias = (drawn(4).requires_grad_() if affine else None for _ in range(2))
    assert torch.autograd.gradcheck(lambda *t: group_norm(t[0], 2, *t[1:]), (x, weight, bias))


def test_without_scale_and_shift():
    x = drawn(MEMBERS, 6, 4, 5)
    found = formulated(lambda x: functional.group_norm(x, GROUPS), (0,))(x)
    expected = torch.stack([functional.group_norm(member, GROUPS) for member in x])
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
