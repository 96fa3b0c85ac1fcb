"""Adam (Kingma & Ba 2014, arXiv 1412.6980) and its three ways to decay weights."""

from typing import NamedTuple

import torch
from torch import Tensor

from paramsearch.rules.degrees import Decay
from paramsearch.train.optimizers.interface import (
    Hyper,
    Optimizer,
    State,
    Tensors,
    no_steps,
    zeros,
)

BETAS = (0.9, 0.999)
"""Decay per step of Adam's first and second moment, as in ``torch.optim``."""


class Corrections(NamedTuple):
    """What the moments lack after few steps, taken out of the division by the second one.

    ``(m / c1) / (sqrt(v / c2) + eps) = (r / c1) m / (sqrt(v) + r eps)`` with ``c = 1 - beta^t`` and
    ``r = sqrt(c2)``: ``pace`` is ``r / c1``, and ``root`` is r.
    """

    pace: Tensor
    root: Tensor


def corrections(step: Tensor, betas: tuple[float, float]) -> Corrections:
    """Give the bias corrections of the update that makes ``step`` updates in all.

    Example:
        >>> corrections(torch.tensor(1.0), (0.75, 0.75))
        Corrections(pace=tensor(2.), root=tensor(0.5000))
    """
    root = (1 - betas[1] ** step).sqrt()
    lacking = torch.stack([root / (1 - betas[0] ** step), root])
    # A product with the identity changes nothing, but no compiler fuses it into what follows:
    # otherwise the powers are taken anew for every element of every tensor.
    identity = torch.eye(2, dtype=step.dtype, device=step.device)
    return Corrections(*torch.mm(lacking[None], identity)[0].unbind())


def adam(betas: tuple[float, float] = BETAS, decay: Decay = "coupled") -> Optimizer:
    """Make Adam, step by step equal to ``torch.optim.Adam`` or, decoupled, ``torch.optim.AdamW``.

    With bias-corrected moments m and v of the gradient g (+ wd p when coupled),
    ``update = -lr m / (sqrt(v) + eps)``, and beside it ``-lr wd p`` when decoupled (Loshchilov &
    Hutter 2017, arXiv 1711.05101) or ``-wd p``, times the schedule's factor, when independent of
    the learning rate (Wortsman et al. 2023, arXiv 2309.14322).

    Args:
        betas: Decay per step of the first and the second moment.
        decay: How weight decay enters.

    Returns:
        The pair (init, update).

    Example:
        >>> import torch
        >>> one = {"w": torch.ones(1, 1)}
        >>> optimizer = adam()
        >>> hyper = Hyper({"w": 0.5 * one["w"]}, {}, {"w": 0 * one["w"]}, decays=False)
        >>> updates, _ = optimizer.update(one, optimizer.init(one), one, hyper)
        >>> round(updates["w"].item(), 6)
        -0.5
    """
    beta1, beta2 = betas

    def init(params: Tensors) -> State:
        return State({"first": zeros(params), "second": zeros(params)}, no_steps(params))

    def update(
        grads: Tensors, state: State, params: Tensors, hyper: Hyper
    ) -> tuple[Tensors, State]:
        step = state.step + 1
        bias = corrections(step, betas)
        updates: Tensors = {}
        for name, grad in grads.items():
            if hyper.decays and decay == "coupled":
                grad = grad.addcmul(hyper.weight_decay[name], params[name])
            first = state.slots["first"][name].lerp_(grad, 1 - beta1)
            second = state.slots["second"][name].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
            change = adam_change(first, second, bias, hyper, name)
            if hyper.decays and decay != "coupled":
                pace = hyper.lr[name] if decay == "decoupled" else hyper.schedule
                change.addcmul_(pace * hyper.weight_decay[name], params[name], value=-1)
            updates[name] = change
        return updates, State(state.slots, step)

    return Optimizer(init, update)


def adam_change(
    first: Tensor, second: Tensor, bias: Corrections, hyper: Hyper, name: str
) -> Tensor:
    """Give ``-lr m / (sqrt(v) + eps)`` with bias-corrected moments, in memory of its own.

    Args:
        first: First moment, (members, *shape).
        second: Second moment, of the same shape.
        bias: The corrections of this step.
        hyper: Holds lr and eps.
        name: The tensor, as hyper knows it.
    """
    # Divisions and memory traffic are what this takes longest for: one division, one buffer.
    denominator = second.sqrt().add_(hyper.eps[name] * bias.root)
    return torch.div(first, denominator, out=denominator).mul_(hyper.lr[name] * -bias.pace)
