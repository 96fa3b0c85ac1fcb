"""Gradient clipping by the global norm of each member."""

import torch

from paramsearch.train.optimizers.interface import Tensors

_TINY = 1e-6


def clip(grads: Tensors, limit: float) -> Tensors:
    """Shorten the gradients of every member whose norm is above a limit.

    With n the norm over all tensors of a member, its gradients are multiplied by
    ``min(1, limit / (n + 1e-6))``, as by ``torch.nn.utils.clip_grad_norm_``.

    Args:
        grads: Tensor name -> gradients, (members, *shape).
        limit: Largest norm.

    Returns:
        The gradients, in memory of their own.

    Example:
        >>> clip({"w": torch.tensor([[3.0, 4.0], [0.3, 0.4]])}, limit=1.0)["w"]
        tensor([[0.6000, 0.8000],
                [0.3000, 0.4000]])
    """
    if not grads:
        return {}
    squares = [g.reshape(len(g), -1).square().sum(dim=1) for g in grads.values()]
    norm = torch.stack(squares).sum(dim=0).sqrt()
    factor = (limit / (norm + _TINY)).clamp(max=1.0)
    return {name: g * factor.view(-1, *(1 for _ in g.shape[1:])) for name, g in grads.items()}
