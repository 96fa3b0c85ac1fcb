"""Tensors of one shape as one of more members, for an optimizer that treats them alike.

A compiled step then has one update for all of them: of a transformer's twenty tensors four shapes.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from paramsearch.train.optimizers.interface import Optimizer, Tensors

Groups = Mapping[str, Sequence[str]]
"""Name of a wide tensor, that of its first -> names of the tensors in it, in their order."""


def groups_of(params: Tensors, optimizer: Optimizer) -> Groups:
    """Say which tensors can be laid end to end.

    Args:
        params: Tensor name -> parameters, (members, *shape).
        optimizer: What will update them.

    Example:
        >>> from paramsearch.train.optimizers.sgd import sgd
        >>> params = {"b": torch.ones(2, 3), "a": torch.ones(2, 3), "c": torch.ones(2, 4)}
        >>> groups_of(params, sgd(0.0))
        {'a': ['a', 'b'], 'c': ['c']}
    """
    found: dict[object, list[str]] = {}
    for name in sorted(params):
        found.setdefault((params[name].shape, optimizer.kind(name)), []).append(name)
    return {names[0]: names for names in found.values()}


def joined(values: Mapping[str, Tensor], groups: Groups) -> Tensors:
    """Lay the members of tensors end to end.

    Args:
        values: Of every tensor of a group or of none of it, (members, ...).
        groups: The groups.

    Returns:
        Name of a group -> values, (tensors * members, ...), in memory of their own if of several.

    Example:
        >>> joined({"a": torch.zeros(1, 2), "b": torch.ones(1, 2)}, {"a": ["a", "b"]})
        {'a': tensor([[0., 0.],
                [1., 1.]])}
    """
    return {
        first: values[first] if len(names) == 1 else torch.cat([values[name] for name in names])
        for first, names in groups.items()
        if first in values
    }


def apart(values: Mapping[str, Tensor], groups: Groups) -> Tensors:
    """Give the tensors of groups one by one, in the same memory.

    Example:
        >>> apart({"a": torch.tensor([[0.0], [1.0]])}, {"a": ["a", "b"]})
        {'a': tensor([[0.]]), 'b': tensor([[1.]])}
    """
    return {
        name: part
        for first, wide in values.items()
        for name, part in zip(groups[first], wide.chunk(len(groups[first])), strict=True)
    }


def moved(values: Tensors, groups: Groups) -> Tensors:
    """Lay the members of tensors end to end, and make the tensors parts of what comes out.

    One group after the other, so that little is in memory twice.

    Example:
        >>> values = {"a": torch.zeros(1), "b": torch.ones(1)}
        >>> wide = moved(values, {"a": ["a", "b"]})
        >>> wide["a"] += 1
        >>> values
        {'a': tensor([1.]), 'b': tensor([2.])}
    """
    wide: Tensors = {}
    for first, names in groups.items():
        wide |= (one := joined(values, {first: names}))
        values |= apart(one, groups)
    return wide
