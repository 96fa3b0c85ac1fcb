"""Traces of functions that change their inputs, without changes in place."""

import torch
from torch import Tensor

from paramsearch.train.functional import fakes_of, functional_trace


def step(x: Tensor, y: Tensor, z: Tensor) -> list[Tensor]:
    """Change x as it is, y through a view, not z; with a gradient on the way."""
    with torch.enable_grad():
        w = z.detach().requires_grad_()
        (grad,) = torch.autograd.grad((w * x).square().sum(), [w])
    x.add_(grad).mul_(2)
    y[0].sub_(x[0])
    return [x.sum(), z + y]


def drawn() -> list[Tensor]:
    return list(torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0)).unbind())


def test_a_trace_does_what_the_function_does_with_copies_at_the_end():
    mode, fakes = fakes_of(drawn())
    graph = functional_trace(step, mode, fakes, {})
    plain, traced = drawn(), drawn()
    for a, b in zip(step(*plain), graph(*traced), strict=True):
        torch.testing.assert_close(a, b)
    for a, b in zip(plain, traced, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    calls = [node.target for node in graph.graph.nodes if node.op == "call_function"]
    in_place = [str(target) for target in calls if target._schema.is_mutable]
    assert in_place == ["aten.copy_.default"] * 2 and calls[-2:] == calls[-1:] * 2


def test_operations_are_decomposed():
    mode, fakes = fakes_of(drawn())
    table = {torch.ops.aten.add.Tensor: lambda a, b: a - (-b)}
    graph = functional_trace(lambda x, y, z: [x + y], mode, fakes, table)
    names = {str(node.target) for node in graph.graph.nodes if node.op == "call_function"}
    assert names == {"aten.neg.default", "aten.sub.Tensor"}
