"""Lion: the sign of an interpolated momentum (Chen et al. 2023, arXiv 2302.06675)."""

from paramsearch.train.optimizers.interface import (
    Hyper,
    Optimizer,
    State,
    Tensors,
    no_steps,
    zeros,
)


def lion(betas: tuple[float, float] = (0.9, 0.99)) -> Optimizer:
    """Make Lion: ``update = -lr (sign(beta1 m + (1 - beta1) g) + wd p)``, then m moves on.

    The momentum ``m <- beta2 m + (1 - beta2) g`` follows after it was used.

    Args:
        betas: Weight of the momentum in the update; decay of the momentum per step.

    Returns:
        The pair (init, update).

    Example:
        >>> import torch
        >>> one = {"w": torch.ones(1, 1)}
        >>> optimizer = lion()
        >>> hyper = Hyper({"w": 0.5 * one["w"]}, {}, {}, decays=False)
        >>> updates, _ = optimizer.update({"w": 3 * one["w"]}, optimizer.init(one), one, hyper)
        >>> updates["w"].item()
        -0.5
    """
    beta1, beta2 = betas

    def init(params: Tensors) -> State:
        return State({"first": zeros(params)}, no_steps(params))

    def update(
        grads: Tensors, state: State, params: Tensors, hyper: Hyper
    ) -> tuple[Tensors, State]:
        updates: Tensors = {}
        for name, grad in grads.items():
            first, lr = state.slots["first"][name], hyper.lr[name]
            change = first.lerp(grad, 1 - beta1).sign_().mul_(lr.neg())
            if hyper.decays:
                change.addcmul_(lr * hyper.weight_decay[name], params[name], value=-1)
            first.lerp_(grad, 1 - beta2)
            updates[name] = change
        return updates, State(state.slots, state.step + 1)

    return Optimizer(init, update)
