"""The optimizer interface: a pair of functions on tensors stacked over members."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch import Tensor

Tensors = dict[str, Tensor]
"""Tensor name -> values of all members, shape (members, *shape of the tensor)."""


class Hyper(NamedTuple):
    """Hyperparameters per tensor and member, each of shape (members, 1, ..., 1).

    Attributes:
        lr: Learning rate.
        weight_decay: Decay per unit of learning rate, as in ``torch.optim``.
        eps: Added to the denominator by Adam and its kin.
        decays: Whether any weight decay is not zero; saves the work when none is.
    """

    lr: Mapping[str, Tensor]
    weight_decay: Mapping[str, Tensor]
    eps: Mapping[str, Tensor]
    decays: bool


class State(NamedTuple):
    """Moments per tensor, and how many updates were made.

    Attributes:
        first: First moment or momentum buffer.
        second: Second moment; empty when the optimizer has none.
        step: Number of updates made so far.
    """

    first: Tensors
    second: Tensors
    step: int


class Optimizer(NamedTuple):
    """An optimizer as two functions.

    Attributes:
        init: ``init(params) -> state``; called once, before the first step.
        update: ``update(grads, state, params, hyper) -> (updates, state)``; called once per step;
            the caller adds the updates to the parameters. It may reuse the storage of the old
            state, which must not be used again, but never that of the gradients or parameters.
    """

    init: Callable[[Tensors], State]
    update: Callable[[Tensors, State, Tensors, Hyper], tuple[Tensors, State]]
