"""Stochastic gradient descent, with or without momentum, and coupled weight decay."""

from paramsearch.train.optimizers.interface import (
    Hyper,
    Optimizer,
    State,
    Tensors,
    no_steps,
    zeros,
)


def sgd(momentum: float = 0.9, nesterov: bool = False) -> Optimizer:
    """Make SGD: ``b <- momentum b + g + wd p``, ``update = -lr b``, as ``torch.optim.SGD``.

    Nesterov's form steps along ``g + wd p + momentum b`` with the new b. Without momentum nothing
    is remembered.

    Args:
        momentum: Decay of the momentum buffer per step; 0 is plain gradient descent.
        nesterov: Whether to look one step of momentum ahead.

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
        return State({"first": zeros(params)} if momentum else {}, no_steps(params))

    def update(
        grads: Tensors, state: State, params: Tensors, hyper: Hyper
    ) -> tuple[Tensors, State]:
        updates: Tensors = {}
        for name, grad in grads.items():
            if hyper.decays:
                grad = grad.addcmul(hyper.weight_decay[name], params[name])
            if momentum:
                buffer = state.slots["first"][name].mul_(momentum).add_(grad)
                grad = grad.add(buffer, alpha=momentum) if nesterov else buffer
            updates[name] = grad * hyper.lr[name].neg()
        return updates, State(state.slots, state.step + 1)

    return Optimizer(init, update)
