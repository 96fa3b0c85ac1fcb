"""Cross entropies of all members at once, with one tensor of their logits' size on the way back.

``vmap`` takes the loss apart into a logarithm of softmax and a gather, whose gradient is a tensor
of zeros with a few others put into it: as much memory once more, which no compiler fuses away.
"""

from typing import Any, cast

from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

from paramsearch.train.in_front import in_front

_USUAL = (None, None, None, "mean", 0.0)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Give the mean cross entropy, called as ``torch.nn.functional.cross_entropy``.

    Where logits are not (rows, classes), targets not classes, or more is asked for, it is that.

    Example:
        >>> import torch
        >>> cross_entropy(torch.zeros(3, 4), torch.tensor([0, 1, -100])).exp()
        tensor(4.)
    """
    asked = (weight, size_average, reduce, reduction, label_smoothing)
    if asked != _USUAL or input.ndim != 2 or target.is_floating_point():
        return functional.cross_entropy(
            input,
            target,
            weight,
            size_average,
            ignore_index,
            reduce,
            reduction,
            label_smoothing,
        )
    counted = target != ignore_index
    lost, _ = cast(Any, CrossEntropy).apply(input, target * counted)
    return (lost * counted).sum() / counted.sum()


class CrossEntropy(Function):
    """``-log softmax(x)_t`` of each row: x (rows, classes), t (rows); members in front of all."""

    @staticmethod
    def forward(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Compute it for one member, or all, and all logarithms for the way back."""
        logs = logits.log_softmax(-1)
        return logs.gather(-1, target.unsqueeze(-1)).squeeze(-1).neg(), logs

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        """Keep what the gradient needs."""
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(inputs[1], output[1])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, None]:
        """Give the gradient by the logits: ``softmax(x)`` less 1 at t."""
        if grads[0] is None:
            return None, None
        target, logs = ctx.saved_tensors
        place, weight = target.unsqueeze(-1), grads[0].unsqueeze(-1)
        grad = logs.exp().mul_(weight)
        return grad.scatter_(-1, place, grad.gather(-1, place) - weight), None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], *args: Any
    ) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        """Lay members out in front, also of what all have in common."""
        return cast(Any, CrossEntropy).apply(*in_front(args, in_dims, info.batch_size)), (0, 0)
