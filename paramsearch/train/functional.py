"""Functions that change their inputs, traced as torch's compiler wants to have them.

In place of ``x.add_(1)`` the compiler wants ``y = x + 1``, and at the end a copy of y to x. Given a
trace with changes in place, it traces that once more to find out about them, which takes a fifth of
all the time that it needs for a transformer. So the first trace is made that way.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode
from torch._subclasses.functional_tensor import FunctionalTensor, FunctionalTensorMode
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

Flat = Callable[..., list[Tensor]]
"""Tensors in, tensors out; may change its inputs."""

_torch: Any = torch
"""What torch's compiler itself uses for this has no types and no public name."""


def fakes_of(values: Sequence[Tensor]) -> tuple[FakeTensorMode, list[Tensor]]:
    """Give stand-ins for tensors, without data, to trace with."""
    from torch.fx.experimental.symbolic_shapes import ShapeEnv  # takes two seconds

    # With an environment of shapes, what is compiled is kept on disk and found again.
    mode = FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True)
    return mode, [mode.from_tensor(value, static_shapes=True) for value in values]


def functional_trace(
    function: Flat,
    mode: FakeTensorMode,
    fakes: Sequence[Tensor],
    decompositions: Any,
) -> GraphModule:
    """Trace a function, its changes in place as copies at the end.

    Args:
        function: What to trace.
        mode: Of the stand-ins.
        fakes: Stand-ins for its inputs.
        decompositions: Operations to be written as several others.

    Returns:
        The graph; called with real tensors it does what the function does.
    """
    with mode:
        graph = make_fx(
            _copying(function),
            decomposition_table=decompositions,
            tracing_mode="real",  # of stand-ins
            _allow_non_fake_inputs=True,
        )(*fakes)
    graph.graph.eliminate_dead_code()
    return graph


def _copying(function: Flat) -> Flat:
    """Give a function that copies to its inputs at the end what it has changed in them."""
    below = _torch._C.DispatchKeySet(_torch._C.DispatchKey.Functionalize)

    def pure(*values: Tensor) -> list[Tensor]:
        with _torch._C._ExcludeDispatchKeyGuard(below), FunctionalTensorMode():
            wrapped: list[Any] = [FunctionalTensor.to_functional(value) for value in values]
            results = [_plain(result) for result in function(*wrapped)]
            after = [
                _plain(each) if _torch._functionalize_has_data_mutation(each.elem) else None
                for each in wrapped
            ]
        for value, new in zip(values, after, strict=True):
            if new is not None:
                value.copy_(new)
        return results

    return pure


def _plain(value: Tensor) -> Tensor:
    """Take the wrapper off."""
    if not isinstance(value, FunctionalTensor):
        return value
    _torch._sync(value)
    return _torch._from_functional_tensor(value.elem)
