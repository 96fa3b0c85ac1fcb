"""Adafactor: factored second moments, relative steps (Shazeer & Stern 2018, arXiv 1804.04235)."""

import torch
from torch import Tensor

from paramsearch.train.optimizers.interface import Hyper, Optimizer, State, Tensors, no_steps

SMALLEST_RMS = 1e-3
"""A parameter whose rms is smaller is taken to have this one, so that zeros can grow."""


def adafactor(beta2_decay: float = -0.8, clip: float = 1.0) -> Optimizer:
    """Make Adafactor, step by step equal to ``torch.optim.Adafactor``.

    The second moment of a tensor with two or more dimensions is the product of the means over its
    last and its last but one, divided by the mean of both; it follows ``g^2`` with weight
    ``t^beta2_decay``. With ``u = g / sqrt(v)``, ``update = -min(lr, 1 / sqrt(t)) max(1e-3, rms(p))
    u / max(1, rms(u) / clip) - lr wd p``. Its two epsilons are torch's: the resolution of the
    number format below the second moment, and the 1e-3 above; ``hyper.eps`` has no part in it.

    Args:
        beta2_decay: Power of the step with which new gradients lose weight.
        clip: Largest rms of an update in units of ``lr rms(p)``.

    Returns:
        The pair (init, update).

    Example:
        >>> one = {"w": torch.ones(1, 1)}
        >>> optimizer = adafactor()
        >>> hyper = Hyper({"w": 0.5 * one["w"]}, {}, {}, decays=False)
        >>> updates, _ = optimizer.update(one, optimizer.init(one), {"w": 4 * one["w"]}, hyper)
        >>> updates["w"].item()
        -2.0
    """

    def init(params: Tensors) -> State:
        matrices = {name: p for name, p in params.items() if p.ndim > 2}
        vectors = {name: p for name, p in params.items() if p.ndim <= 2}
        slots = {
            "row": {name: torch.zeros_like(p[..., :1]) for name, p in matrices.items()},
            "column": {name: torch.zeros_like(p[..., :1, :]) for name, p in matrices.items()},
            "second": {name: torch.zeros_like(p) for name, p in vectors.items()},
        }
        return State(slots, no_steps(params))

    def update(
        grads: Tensors, state: State, params: Tensors, hyper: Hyper
    ) -> tuple[Tensors, State]:
        step = state.step + 1
        updates: Tensors = {}
        for name, grad in grads.items():
            param, lr = params[name], hyper.lr[name]
            smallest = torch.finfo(grad.dtype).eps
            moment = _second_moment(grad, state, name, (step**beta2_decay).to(grad.dtype))
            change = moment.clamp_(min=smallest**2).rsqrt_().mul_(grad)
            pace = torch.minimum(lr, step.rsqrt()) * _rms(param).clamp_(min=SMALLEST_RMS)
            change = change.mul_(pace.div_(_rms(change).div_(clip).clamp_(min=1.0)).neg_())
            if hyper.decays:
                change.addcmul_(lr * hyper.weight_decay[name], param, value=-1)
            updates[name] = change
        return updates, State(state.slots, step)

    return Optimizer(init, update)


def _second_moment(grad: Tensor, state: State, name: str, weight: Tensor) -> Tensor:
    """Move the moments on and give the estimate of ``g^2``, in memory of its own."""
    square = grad.square()
    if grad.ndim <= 2:
        return state.slots["second"][name].lerp_(square, weight).clone()
    row = state.slots["row"][name].lerp_(square.mean(dim=-1, keepdim=True), weight)
    column = state.slots["column"][name].lerp_(square.mean(dim=-2, keepdim=True), weight)
    mean = row.mean(dim=-2, keepdim=True).clamp_(min=torch.finfo(grad.dtype).eps)
    return square.copy_(row).mul_(column).div_(mean)


def _rms(values: Tensor) -> Tensor:
    """Root mean square per member, shape (members, 1, ..., 1)."""
    rms = values.reshape(len(values), -1).square().mean(dim=1).sqrt()
    return rms.view(-1, *(1 for _ in values.shape[1:]))
