"""How probes name the groups of tensors that they report on."""

from collections.abc import Callable

from paramsearch.tracing.tensor import TensorInfo

Label = Callable[[TensorInfo], str]
"""Gives the name of a tensor's group."""


def group_of(tensor: TensorInfo) -> str:
    """Give the group by role, as the trace names it."""
    return tensor.group
