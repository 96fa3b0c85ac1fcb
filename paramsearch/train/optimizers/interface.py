"""The optimizer interface: a pair of functions on tensors stacked over members."""

from collections.abc import Callable, Hashable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

Tensors = dict[str, Tensor]
"""Tensor name -> values of all members, shape (members, *shape of the tensor)."""


class Hyper(NamedTuple):
    """Hyperparameters per tensor and member, each of shape (members, 1, ..., 1).

    Attributes:
        lr: Learning rate of this step, with the schedule's factor in it.
        weight_decay: Decay per unit of learning rate, as in ``torch.optim``; of the optimizers
            with independent decay, the share of the parameter that a step takes away.
        eps: Added to the denominator by Adam and its kin.
        decays: Whether any weight decay is not zero; saves the work when none is.
        schedule: The schedule's factor of this step, for what does not follow from ``lr``.
    """

    lr: Mapping[str, Tensor]
    weight_decay: Mapping[str, Tensor]
    eps: Mapping[str, Tensor]
    decays: bool
    schedule: Tensor | float = 1.0


class State(NamedTuple):
    """What an optimizer remembers, and how many updates it made.

    Attributes:
        slots: Slot ("first", "second", ...) -> tensor name -> values, members in front.
        step: Number of updates made so far, a float64 tensor without dimensions: a compiled
            update must not be traced anew at every step. It lies where the parameters do, or, of
            an optimizer that is not steady, on the host: to look at it there waits for no GPU.
    """

    slots: dict[str, Tensors]
    step: Tensor


def kept(state: State, rows: Tensor) -> State:
    """Give the state of some members, by their indices, where it says all.

    Example:
        >>> state = State({"first": {"w": torch.arange(3.0)}}, torch.ones(()))
        >>> kept(state, torch.tensor([0, 2])).slots
        {'first': {'w': tensor([0., 2.])}}
    """
    slots = {slot: taken(values, rows) for slot, values in state.slots.items()}
    return State(slots, state.step)


def taken(values: Mapping[str, Tensor], rows: Tensor) -> Tensors:
    """Give the rows of some members of every tensor, by their indices."""
    return {name: value.index_select(0, rows) for name, value in values.items()}


def _alike(name: str) -> Hashable:
    """Tell no tensor from another."""
    del name
    return None


class Optimizer(NamedTuple):
    """An optimizer as two functions.

    Attributes:
        init: ``init(params) -> state``; called once, before the first step.
        update: ``update(grads, state, params, hyper) -> (updates, state)``; called once per step;
            the caller adds the updates to the parameters. It may reuse the storage of the old
            state, which must not be used again, but never that of the gradients or parameters.
        pure: Whether the state says all, so that tensors can be updated one by one; False for
            optimizers that keep a memory of their own.
        steady: Whether every update makes the same operations, whatever the values, so that it can
            be compiled or recorded.
        kind: Tensor name -> what it is to the optimizer: tensors of one shape and one kind are
            updated alike, so that one may stand for the other.
        keep: ``keep(state, rows) -> state``; called between steps, when only the members of these
            increasing indices go on.
    """

    init: Callable[[Tensors], State]
    update: Callable[[Tensors, State, Tensors, Hyper], tuple[Tensors, State]]
    pure: bool = True
    steady: bool = True
    kind: Callable[[str], Hashable] = _alike
    keep: Callable[[State, Tensor], State] = kept


def zeros(params: Tensors) -> Tensors:
    """Give a slot of the parameters' shapes, filled with zeros."""
    return {name: torch.zeros_like(p) for name, p in params.items()}


def no_steps(params: Tensors, *, steady: bool = True) -> Tensor:
    """Give the step count of a fresh state, on the parameters' device or, if not steady, the host.

    Example:
        >>> no_steps({"w": torch.ones(2, 3)})
        tensor(0., dtype=torch.float64)
    """
    device = next((p.device for p in params.values() if steady), None)
    return torch.zeros((), dtype=torch.float64, device=device)
