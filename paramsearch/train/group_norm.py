"""Group norms of all members at once, as more groups of one norm.

``vmap`` would lay members in front, scale and shift by themselves, and bring them back between the
channels, where grouped convolutions have them: three copies of the activations more per norm.
"""

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

from paramsearch.train.in_front import in_front


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalize groups of channels, called and computed as ``torch.nn.functional.group_norm``.

    Example:
        >>> group_norm(torch.tensor([[1.0, 3.0, 5.0, 5.0]]), 2, eps=0.0)[0, :2]
        tensor([-1.,  1.])
    """
    return cast(Any, GroupNorm).apply(input, weight, bias, num_groups, eps)


class GroupNorm(Function):
    """The norm of one member: x (batch, channels, ...), weight and bias (channels) or None."""

    @staticmethod
    def forward(
        x: Tensor, weight: Tensor | None, bias: Tensor | None, groups: int, eps: float
    ) -> Tensor:
        """Compute it without other members."""
        return functional.group_norm(x, groups, weight, bias, eps)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep what the gradients need."""
        ctx.save_for_backward(*inputs[:3])
        ctx.how = inputs[3:]

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        """Give the gradients by x, weight and bias, where there is one member only."""
        groups, eps = ctx.how
        with torch.enable_grad():
            inputs: list[Any] = [
                None if t is None else t.detach().requires_grad_() for t in ctx.saved_tensors
            ]
            out = functional.group_norm(inputs[0], groups, inputs[1], inputs[2], eps)
        given = [tensor for tensor in inputs if tensor is not None]
        found = iter(torch.autograd.grad(out, given, grads))
        return *(None if tensor is None else next(found) for tensor in inputs), None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[Tensor, int]:
        """Lay members out among the channels."""
        groups, eps = args[3:]
        x, weight, bias = in_front(args[:3], in_dims[:3], info.batch_size)
        assert x is not None, "only scale and shift may be left out"
        scale, shift = (None if t is None else t.flatten() for t in (weight, bias))
        among = x.movedim(0, 1).flatten(1, 2)  # (batch, members * channels, ...)
        out: Any = functional.group_norm(among, info.batch_size * groups, scale, shift, eps)
        return out.unflatten(1, (info.batch_size, -1)), 1
