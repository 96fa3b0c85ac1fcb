"""Batched linear layers against torch's own, in float64."""

import pytest
import torch
from formulated import MEMBERS, drawn, formulated
from torch import nn
from torch.func import functional_call, grad_and_value, vmap
from torch.nn import functional

from paramsearch.train.backend import LOOP, STACKED
from paramsearch.train.formulations import Formulations


def loss(params, inputs):
    hidden = functional.linear(inputs, params["a"], params.get("b")).tanh()
    return functional.linear(hidden, params["c"]).square().mean()


def gradients(backend, params, inputs):
    with Formulations(least=0):
        return backend.gradients(loss, (0, None))(params, inputs)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("lead", [(), (4,), (2, 5)])
def test_gradients_are_those_of_torch_func(bias, lead):
    params = {"a": drawn(MEMBERS, 6, 8), "c": drawn(MEMBERS, 2, 6)}
    params |= {"b": drawn(MEMBERS, 6)} if bias else {}
    inputs = drawn(*lead, 8)
    expected = vmap(grad_and_value(loss), (0, None))(params, inputs)
    for backend in (STACKED, LOOP):
        found = gradients(backend, params, inputs)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_gradients_lie_in_memory_as_the_weights_do():
    params = {"a": drawn(MEMBERS, 6, 8), "c": drawn(MEMBERS, 2, 6)}
    grads, _ = gradients(STACKED, params, drawn(5, 8))
    assert all(grad.is_contiguous() for grad in grads.values())


@pytest.mark.parametrize("dims", [(0, 0, 0), (0, None, None), (None, 1, None), (1, None, 0)])
def test_whatever_members_share(dims):
    shapes = ((5, 8), (6, 8), (6,))
    values = [drawn(*shape) for shape in shapes]
    values = [
        v if d is None else torch.stack([v + i for i in range(MEMBERS)], d)
        for v, d in zip(values, dims, strict=True)
    ]
    found = formulated(functional.linear, dims)(*values)
    torch.testing.assert_close(found, vmap(functional.linear, dims)(*values), rtol=1e-12, atol=0)


def test_a_tensor_without_use_has_gradient_zero():
    params = {"a": drawn(MEMBERS, 6, 8), "c": drawn(MEMBERS, 2, 6), "idle": drawn(MEMBERS, 2)}
    grads, _ = gradients(STACKED, params, drawn(5, 8))
    assert not grads["idle"].any() and grads["a"].any()


def test_without_members_it_is_the_function_of_torch():
    model, inputs = nn.Linear(8, 6), torch.ones(2, 8)
    with Formulations(least=0):
        found = functional_call(model, dict(model.named_parameters()), (inputs,))
    torch.testing.assert_close(found, model(inputs))


def test_mixed_precision_is_left_to_torch():
    model, inputs = nn.Linear(8, 6), torch.ones(2, 8)
    with torch.autocast("cpu", torch.bfloat16), Formulations(least=0):
        assert torch.equal(model(inputs), functional.linear(inputs, model.weight, model.bias))
