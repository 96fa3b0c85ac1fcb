"""GI-Adam: Adam whose second moment starts at the first gradient (arXiv 2406.09405)."""

import torch

from paramsearch.train.optimizers.adam import BETAS, adam, adam_change, corrections
from paramsearch.train.optimizers.interface import Hyper, Optimizer, State, Tensors


def gi_adam(betas: tuple[float, float] = BETAS) -> Optimizer:
    """Make AdamW with ``v_0 = g_0^2``, both bias corrections kept (Kalra & Barkeshli 2024).

    The second moment has no bias then, so its correction turns into a warmup of the learning rate
    by ``sqrt(1 - beta2^t)``. Here g_0 is the gradient of the first step itself, ``v_1 = g_1^2``;
    the paper draws one more batch for it.

    Args:
        betas: Decay per step of the first and the second moment.

    Returns:
        The pair (init, update).

    Example:
        >>> one = {"w": torch.ones(1, 1)}
        >>> optimizer = gi_adam((0.9, 0.75))
        >>> hyper = Hyper({"w": 0.5 * one["w"]}, {}, {"w": 0 * one["w"]}, decays=False)
        >>> updates, _ = optimizer.update(one, optimizer.init(one), one, hyper)
        >>> round(updates["w"].item(), 6)
        -0.25
    """
    beta1, beta2 = betas

    def update(
        grads: Tensors, state: State, params: Tensors, hyper: Hyper
    ) -> tuple[Tensors, State]:
        step = state.step + 1
        bias = corrections(step, betas)
        # The weight of the new square: 1 at the first step.
        fresh = torch.where(step == 1, torch.ones_like(step), 1 - beta2)
        updates: Tensors = {}
        for name, grad in grads.items():
            first = state.slots["first"][name].lerp_(grad, 1 - beta1)
            second = state.slots["second"][name].lerp_(grad.square(), fresh.to(grad.dtype))
            change = adam_change(first, second, bias, hyper, name)
            if hyper.decays:
                pace = hyper.lr[name] * hyper.weight_decay[name]
                change.addcmul_(pace, params[name], value=-1)
            updates[name] = change
        return updates, State(state.slots, step)

    return Optimizer(adam(betas).init, update)
