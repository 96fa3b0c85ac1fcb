"""Stochastic gradient descent with heavy-ball momentum and coupled weight decay."""

import torch

from paramsearch.train.optimizer import Hyper, Optimizer, State, Tensors


def sgd(momentum: float = 0.9) -> Optimizer:
    """Make SGD: ``b <- momentum b + g + wd p``, ``update = -lr b``, as ``torch.optim.SGD``.

    Args:
        momentum: Decay of the momentum buffer per step.

    Returns:
        The pair (init, update).

    Example:
        >>> import torch
        >>> one = {"w": torch.ones(1, 1)}
        >>> optimizer = sgd(momentum=0.0)
        >>> hyper = Hyper({"w": 0.5 * one["w"]}, {}, {}, decays=False)
        >>> updates, _ = optimizer.update(one, optimizer.init(one), one, hyper)
        >>> updates["w"].item()
        -0.5
    """

    def init(params: Tensors) -> State:
        return State({name: torch.zeros_like(p) for name, p in params.items()}, {}, 0)

    def update(
        grads: Tensors, state: State, params: Tensors, hyper: Hyper
    ) -> tuple[Tensors, State]:
        updates: Tensors = {}
        for name, grad in grads.items():
            buffer = state.first[name].mul_(momentum).add_(grad)
            if hyper.decays:
                buffer.addcmul_(hyper.weight_decay[name], params[name])
            updates[name] = buffer * hyper.lr[name].neg()
        return updates, State(state.first, {}, state.step + 1)

    return Optimizer(init, update)
