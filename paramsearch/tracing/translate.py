"""Translate the use of a derived tensor into the use of a parameter behind it."""

from collections.abc import Iterable

from paramsearch.tracing.dims import NOTHING, Dims, Shape, size_of
from paramsearch.tracing.recording import Use


def translate(used: Use, dims: Dims, shape: Shape, own: Shape, composite: bool) -> Use:
    """Translate a use of a tensor into the use of one parameter that it is a function of.

    Args:
        used: Op, summed and copied dimensions, counted in the tensor; its other fields are unused.
        dims: For each dimension of the tensor, the parameter's dimensions that lie along it.
        shape: Shape of the tensor.
        own: Shape of the parameter.
        composite: Whether the tensor is a function of several parameters.

    Returns:
        The use, its dimensions counted in the parameter.

    Example:
        >>> used = Use("linear", frozenset({0}), frozenset(), frozenset(), 1, 1)
        >>> transposed = (frozenset({1}), frozenset({0}))
        >>> use = translate(used, transposed, (64, 32), (32, 64), composite=False)
        >>> sorted(use.summed), use.fan_in, use.fan_out
        ([1], 64, 32)
    """

    def lying(where: Iterable[int]) -> frozenset[int]:
        return frozenset[int]().union(*(dims[i] for i in where))

    rest = frozenset(range(len(shape))) - used.summed - used.copies
    summed, kept, copies = lying(used.summed), lying(rest), lying(used.copies)
    absent = frozenset(range(len(own))) - summed - kept - copies
    if not used.summed:
        sizes = [size for size in own if size > 1]
        return Use(used.op, NOTHING, kept, copies, 1, sizes[-1] if sizes else 1)
    if composite and size_of(own, summed) == 1 and not absent:  # the gain of a weight norm
        return Use("mul", NOTHING, kept, NOTHING, 1, size_of(own, kept))
    if composite:  # the product of parameters already sums over the dimensions that are gone
        summed, kept = (summed, kept | absent) if summed else (absent, kept)
    if summed & kept:  # one dimension of the parameter is split between sum and output
        fans = size_of(shape, used.summed), size_of(shape, rest)
    else:
        fans = size_of(own, summed), size_of(own, kept - copies)
    return Use(used.op, summed, kept, copies, *fans)
