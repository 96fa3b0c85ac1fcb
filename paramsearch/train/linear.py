"""Linear layers of all members at once, whose gradients lie in memory as the weights do.

Autograd's own gradient of a batched product ``x W^T`` comes out transposed. An optimizer that reads
it beside the weights then jumps through memory, compiled or not.
"""

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

from paramsearch.train.in_front import in_front


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Give ``x W^T + b``, called as ``torch.nn.functional.linear``.

    In mixed precision, where torch chooses the number format of every operation, it is that.

    Example:
        >>> linear(torch.tensor([1.0, 2.0]), torch.tensor([[3.0, 4.0]]), torch.tensor([5.0]))
        tensor([16.])
    """
    if torch.is_autocast_enabled(input.device.type):
        return functional.linear(input, weight, bias)
    rows = _apply(input.reshape(-1, input.shape[-1]), weight, bias)
    return rows.reshape(*input.shape[:-1], len(weight))


def _apply(*tensors: Tensor | None) -> Tensor:
    return cast(Any, Linear).apply(*tensors)


class Linear(Function):
    """``x W^T + b`` with x (rows, fan_in), W (fan_out, fan_in), b (fan_out); members in front."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Compute it for one member, or all."""
        product = _product(x, weight.mT)
        return product if bias is None else product.add_(bias.unsqueeze(-2))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep what the gradients need."""
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        """Give the gradients by x, W and b."""
        x, weight = ctx.saved_tensors
        (grad,), (by_x, by_weight, by_bias) = grads, ctx.needs_input_grad
        return (
            _product(grad, weight) if by_x else None,
            _product(grad.mT, x) if by_weight else None,
            grad.sum(-2) if by_bias else None,
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[Tensor, int]:
        """Lay members out in front, also of what all have in common."""
        return _apply(*in_front(args, in_dims, info.batch_size)), 0


def _product(left: Tensor, right: Tensor) -> Tensor:
    """Multiply matrices; ``@`` of all members' is one operation too, but traced as seven."""
    return torch.bmm(left, right) if left.ndim == 3 else left @ right
