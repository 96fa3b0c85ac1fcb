"""SOAP: Adam in the slowly turning eigenbasis of Shampoo (Vyas et al. 2024, arXiv 2409.11321)."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from paramsearch.tracing.tensor import TensorInfo
from paramsearch.train.optimizers.adam import adam, adam_change, corrections
from paramsearch.train.optimizers.interface import (
    Hyper,
    Optimizer,
    State,
    Tensors,
    no_steps,
    zeros,
)
from paramsearch.train.optimizers.matrices import as_matrices, fan_dims
from paramsearch.train.optimizers.partition import partition

BETAS = (0.95, 0.95)
FREQUENCY = 10

RIDGE = 1e-3
"""Share of the mean eigenvalue that is added to all. Eigenvectors stay what they are, and
directions that no gradient has entered yet keep still rather than follow rounding errors."""

_LINALG: Any = torch.linalg  # has no types
_SIDES = ("left", "right")


def soap(
    tensors: Sequence[TensorInfo],
    betas: tuple[float, float] = BETAS,
    frequency: int = FREQUENCY,
) -> Optimizer:
    """Make SOAP for matrices, and AdamW with the same betas for vectors and scalars.

    ``L`` and ``R`` follow ``G G^T`` and ``G^T G`` with weight ``1 - beta2``; their eigenvectors
    ``Q_L``, ``Q_R`` start as the identity and after step 1, 1 + frequency, ... are brought up to
    date by one power iteration, ``Q <- qr(L Q)``. Adam sees ``G' = Q_L^T G Q_R`` and ``M' = Q_L^T
    M Q_R``, and its update is turned back. Embeddings and output layers are turned on the side of
    their features alone, as the paper does where the vocabulary is large.

    Args:
        tensors: The tensors of the model.
        betas: Decay per step of the first moment, and of the second, L and R.
        frequency: Steps from one power iteration to the next.

    Returns:
        The pair (init, update).

    Example:
        >>> weight = TensorInfo("w", (4, 2), "linear", "hidden", 2, 4, {}, False, "hidden")
        >>> slots = soap([weight]).init({"w": torch.ones(3, 4, 2)}).slots
        >>> slots["basis left"]["w"].shape, slots["basis right"]["w"].shape
        (torch.Size([3, 4, 4]), torch.Size([3, 2, 2]))
    """
    matrices = {tensor.name: tensor for tensor in tensors if len(tensor.shape) > 1}
    parts = {"soap": _soap(matrices, betas, frequency), "adam": adam(betas, "decoupled")}
    return partition(lambda name: "soap" if name in matrices else "adam", parts)


def _soap(tensors: dict[str, TensorInfo], betas: tuple[float, float], frequency: int) -> Optimizer:
    beta1, beta2 = betas

    def init(params: Tensors) -> State:
        slots: dict[str, Tensors] = {"first": zeros(params), "second": zeros(params)}
        for side in _SIDES:
            factors: Tensors = {}
            for name, p in params.items():
                if side in _turned(tensors[name]):
                    factors[name] = torch.zeros_like(_gram(as_matrices(p, tensors[name]), side))
            slots[f"factor {side}"] = factors
            slots[f"basis {side}"] = {name: f + _identity(f) for name, f in factors.items()}
        return State(slots, no_steps(params, steady=False))

    def update(
        grads: Tensors, state: State, params: Tensors, hyper: Hyper
    ) -> tuple[Tensors, State]:
        step, slots = state.step + 1, dict(state.slots)
        bias = corrections(step, betas)
        updates: Tensors = {}
        for name, grad in grads.items():
            bases = {side: slots[f"basis {side}"].get(name) for side in _SIDES}
            matrix = as_matrices(grad, tensors[name])
            first = slots["first"][name].lerp_(grad, 1 - beta1)
            mean = _turn(as_matrices(first, tensors[name]), bases).reshape(grad.shape)
            seen = _turn(matrix, bases).reshape(grad.shape)
            second = slots["second"][name].mul_(beta2).addcmul_(seen, seen, value=1 - beta2)
            change = as_matrices(adam_change(mean, second, bias, hyper, name), tensors[name])
            change = _turn(change, bases, back=True).reshape(grad.shape)
            if hyper.decays:
                pace = hyper.lr[name] * hyper.weight_decay[name]
                change = change.addcmul(pace, params[name], value=-1)
            for side in _turned(tensors[name]):
                slots[f"factor {side}"][name].lerp_(_gram(matrix, side), 1 - beta2)
            updates[name] = change
        due = state.step.remainder(frequency) == 0
        for side in _SIDES:
            slots[f"basis {side}"] = _refreshed(
                due, slots[f"factor {side}"], slots[f"basis {side}"]
            )
        return updates, State(slots, step)

    return Optimizer(init, update, steady=False)


def _turned(tensor: TensorInfo) -> list[str]:
    """Name the sides that get a basis."""
    if tensor.op in ("embedding", "tied"):
        return ["right"]
    if tensor.role == "output":
        _, fan_in = fan_dims(tensor)
        return ["right" if fan_in == len(tensor.shape) - 1 or tensor.op == "conv" else "left"]
    return list(_SIDES)


def _gram(matrices: Tensor, side: str) -> Tensor:
    """Give ``G G^T`` (left) or ``G^T G`` (right)."""
    return matrices @ matrices.mT if side == "left" else matrices.mT @ matrices


def _identity(like: Tensor) -> Tensor:
    return torch.eye(like.shape[-1], dtype=like.dtype, device=like.device)


def _turn(matrices: Tensor, bases: Mapping[str, Tensor | None], back: bool = False) -> Tensor:
    """Give ``Q_L^T G Q_R``, or ``Q_L G Q_R^T`` on the way back; a side without basis stays."""
    left, right = bases["left"], bases["right"]
    if left is not None:
        matrices = (left if back else left.mT) @ matrices
    if right is not None:
        matrices = matrices @ (right.mT if back else right)
    return matrices


def _refreshed(due: Tensor, factors: Tensors, bases: Tensors) -> Tensors:
    """Make one power iteration on every basis when it is due."""
    if not bases or not due:
        return bases
    return {name: _iterated(factors[name], basis) for name, basis in bases.items()}


def _iterated(factor: Tensor, basis: Tensor) -> Tensor:
    mean = factor.diagonal(dim1=-2, dim2=-1).mean(dim=-1)[..., None, None]
    turned = factor @ basis + RIDGE * mean * basis
    basis, _ = _LINALG.qr(turned)
    return basis.contiguous()
