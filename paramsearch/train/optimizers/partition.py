"""One optimizer made of several: every tensor goes to the one that its label names."""

from collections.abc import Callable, Hashable, Mapping

from paramsearch.train.optimizers.interface import Hyper, Optimizer, State, Tensors, no_steps


def partition(label: Callable[[str], str], parts: Mapping[str, Optimizer]) -> Optimizer:
    """Make the optimizer that hands every tensor to one of its parts.

    Slots of the same name hold the tensors of all parts side by side.

    Args:
        label: Tensor name -> key of its part.
        parts: Pure optimizers.

    Returns:
        The pair (init, update).

    Example:
        >>> import torch
        >>> from paramsearch.train.optimizers.sgd import sgd
        >>> both = partition(lambda name: name, {"a": sgd(0.9), "b": sgd(0.0)})
        >>> list(both.init({"a": torch.ones(1), "b": torch.ones(1)}).slots["first"])
        ['a']
    """

    def init(params: Tensors) -> State:
        states = [part.init(_of(key, params)) for key, part in parts.items()]
        return State(_merged(states), no_steps(params, steady=steady))

    def update(
        grads: Tensors, state: State, params: Tensors, hyper: Hyper
    ) -> tuple[Tensors, State]:
        updates: Tensors = {}
        states: list[State] = []
        for key, part in parts.items():
            mine = State({s: _of(key, slot) for s, slot in state.slots.items()}, state.step)
            changes, after = part.update(_of(key, grads), mine, _of(key, params), hyper)
            updates |= changes
            states.append(after)
        return updates, State(_merged(states), state.step + 1)

    def _of(key: str, tensors: Tensors) -> Tensors:
        return {name: tensor for name, tensor in tensors.items() if label(name) == key}

    def kind(name: str) -> Hashable:
        return label(name), parts[label(name)].kind(name)

    steady = all(part.steady for part in parts.values())
    return Optimizer(init, update, steady=steady, kind=kind)


def _merged(states: list[State]) -> dict[str, Tensors]:
    slots: dict[str, Tensors] = {}
    for state in states:
        for slot, tensors in state.slots.items():
            slots[slot] = {**slots.get(slot, {}), **tensors}
    return slots
