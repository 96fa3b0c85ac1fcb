"""Adam (Kingma & Ba 2014, arXiv 1412.6980) and AdamW (Loshchilov & Hutter 2017, 1711.05101)."""

import torch

from paramsearch.train.optimizer import Hyper, Optimizer, State, Tensors


def adam(betas: tuple[float, float] = (0.9, 0.999), decoupled: bool = False) -> Optimizer:
    """Make Adam, step by step equal to ``torch.optim.Adam`` or, decoupled, ``torch.optim.AdamW``.

    With bias-corrected moments m and v of the gradient g (+ wd p when coupled),
    ``update = -lr m / (sqrt(v) + eps)`` (- lr wd p when decoupled).

    Args:
        betas: Decay per step of the first and the second moment.
        decoupled: Whether weight decay acts on the parameter itself rather than on the gradient.

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
        return State(
            {name: torch.zeros_like(p) for name, p in params.items()},
            {name: torch.zeros_like(p) for name, p in params.items()},
            0,
        )

    def update(
        grads: Tensors, state: State, params: Tensors, hyper: Hyper
    ) -> tuple[Tensors, State]:
        step = state.step + 1
        correction1 = 1 - beta1**step
        root_correction2 = (1 - beta2**step) ** 0.5
        updates: Tensors = {}
        for name, grad in grads.items():
            if hyper.decays and not decoupled:
                grad = grad.addcmul(hyper.weight_decay[name], params[name])
            first = state.first[name].lerp_(grad, 1 - beta1)
            second = state.second[name].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
            denominator = second.sqrt().div_(root_correction2).add_(hyper.eps[name])
            lr = hyper.lr[name]
            # One buffer from here on: memory traffic, not arithmetic, bounds this loop.
            change = torch.div(first, denominator, out=denominator).mul_(lr / -correction1)
            if hyper.decays and decoupled:
                change.addcmul_(lr * hyper.weight_decay[name], params[name], value=-1)
            updates[name] = change
        return updates, State(state.first, state.second, step)

    return Optimizer(init, update)
