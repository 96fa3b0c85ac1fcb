"""Cross entropies of all members at once against torch's own, in float64."""

import pytest
import torch
from formulated import MEMBERS, drawn, formulated
from torch.func import vmap
from torch.nn import functional

from paramsearch.train.cross_entropy import cross_entropy

ROWS, CLASSES = 7, 5
LOGITS = 3 * drawn(MEMBERS, ROWS, CLASSES)
TARGETS = drawn(MEMBERS, ROWS, CLASSES).argmax(-1)
TARGETS[:, 2] = -100


@pytest.mark.parametrize("dims", [(0, None), (0, 0), (None, 0)])
@pytest.mark.parametrize("more", [{}, {"ignore_index": 3}, {"reduction": "sum"}])
def test_losses_and_gradients_are_those_of_vmap(dims, more):
    values = [v if d == 0 else v[0] for v, d in zip((LOGITS, TARGETS), dims, strict=True)]
    if more:  # a class index is needed everywhere else
        values[1] = values[1].clamp(min=0)
    logits = values[0].clone().requires_grad_()

    def loss(x, t):
        return functional.cross_entropy(x, t, **more)

    found, expected = (each(loss, dims)(logits, values[1]) for each in (formulated, vmap))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    grads = [torch.autograd.grad(out.sum(), logits)[0] for out in (found, expected)]
    torch.testing.assert_close(*grads, rtol=1e-11, atol=1e-11)


def test_without_members():
    logits = LOGITS[0].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: cross_entropy(x, TARGETS[0]), (logits,))
    torch.testing.assert_close(
        cross_entropy(logits, TARGETS[0]), functional.cross_entropy(logits, TARGETS[0])
    )


def test_shares_of_classes_are_left_to_torch():
    shares = LOGITS[0].softmax(-1)
    found = cross_entropy(LOGITS[0], shares)
    torch.testing.assert_close(found, functional.cross_entropy(LOGITS[0], shares))
