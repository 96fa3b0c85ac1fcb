"""Muon: momentum made orthogonal (Jordan et al. 2024; Liu et al. 2025, arXiv 2502.16982)."""

from collections.abc import Hashable, Sequence
from math import sqrt

import torch
from torch import Tensor

from paramsearch.tracing.tensor import TensorInfo
from paramsearch.train.optimizers.adam import adam
from paramsearch.train.optimizers.interface import (
    Hyper,
    Optimizer,
    State,
    Tensors,
    no_steps,
    zeros,
)
from paramsearch.train.optimizers.matrices import as_matrices, is_matrix
from paramsearch.train.optimizers.partition import partition

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic of one Newton-Schulz step: its slope at zero is as large as possible."""

STEPS = 5
SMALLEST_NORM = 1e-7


def muon(tensors: Sequence[TensorInfo], momentum: float = 0.95) -> Optimizer:
    """Make Muon for hidden matrices and AdamW, with the same learning rate, for all else.

    With ``b <- momentum b + (1 - momentum) g`` and Nesterov's ``n = (1 - momentum) g + momentum
    b``: ``update = -lr sqrt(max(1, fan_out / fan_in)) orthogonalized(n) - lr wd p``, as
    ``torch.optim.Muon`` with its original adjustment of the learning rate.

    Args:
        tensors: The tensors of the model; those with role ``hidden`` are Muon's.
        momentum: Decay of the momentum buffer per step.

    Returns:
        The pair (init, update).

    Example:
        >>> weight = TensorInfo("w", (2, 2), "linear", "hidden", 2, 2, {}, False, "hidden")
        >>> ones = {"w": torch.ones(1, 2, 2), "b": torch.ones(1, 2)}
        >>> list(muon([weight]).init(ones).slots["second"])
        ['b']
    """
    matrices = {tensor.name: tensor for tensor in tensors if is_matrix(tensor)}
    parts = {"muon": _muon(matrices, momentum), "adam": adam(decay="decoupled")}
    return partition(lambda name: "muon" if name in matrices else "adam", parts)


def _muon(tensors: dict[str, TensorInfo], momentum: float) -> Optimizer:
    def init(params: Tensors) -> State:
        return State({"first": zeros(params)}, no_steps(params))

    def update(
        grads: Tensors, state: State, params: Tensors, hyper: Hyper
    ) -> tuple[Tensors, State]:
        updates: Tensors = {}
        for name, grad in grads.items():
            tensor, lr = tensors[name], hyper.lr[name]
            first = state.slots["first"][name].lerp_(grad, 1 - momentum)
            ahead = as_matrices(grad.lerp(first, momentum), tensor)
            change = orthogonalized(ahead).reshape(grad.shape) * (lr * -_pace(tensor))
            if hyper.decays:
                change.addcmul_(lr * hyper.weight_decay[name], params[name], value=-1)
            updates[name] = change
        return updates, State(state.slots, state.step + 1)

    def kind(name: str) -> Hashable:
        return tensors[name].op == "conv", _pace(tensors[name])

    return Optimizer(init, update, kind=kind)


def _pace(tensor: TensorInfo) -> float:
    return sqrt(max(1.0, tensor.fan_out / tensor.fan_in))


def orthogonalized(matrices: Tensor) -> Tensor:
    """Bring all singular values near 1, by five steps of Newton-Schulz.

    A step takes ``X`` to ``a X + (b X X^T + c (X X^T)^2) X``; it starts from the matrix divided
    by its Frobenius norm. Singular values end between about 0.7 and 1.2.

    Args:
        matrices: Shape (..., rows, columns).

    Returns:
        The same shape.

    Example:
        >>> orthogonalized(torch.diag(torch.tensor([3.0, 5.0]))).diagonal().round()
        tensor([1., 1.])
    """
    a, b, c = COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x.reshape(-1, *x.shape[-2:])
    x = x / x.square().sum(dim=(-2, -1), keepdim=True).sqrt().clamp(min=SMALLEST_NORM)
    for _ in range(STEPS):
        gram = x @ x.mT
        change = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, change, x, beta=a)
    x = x.mT if tall else x
    return x.reshape(matrices.shape)
