"""Follow the dimensions of a parameter through views, casts and products of parameters.

A tensor that is a function of parameters alone carries, for each of its own dimensions, the set of
dimensions of each parameter that lie along it.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, cast

Dims = tuple[frozenset[int], ...]
"""For each dimension of a derived tensor, the parameter's dimensions that lie along it."""

Pure = Mapping[str, Dims]
"""Parameter name -> its dimensions in a tensor that depends on parameters only."""

Shape = Sequence[int]

_VIEWS = {"view", "_unsafe_view", "reshape", "_reshape_alias", "view_as", "unflatten", "flatten"}
NOTHING: frozenset[int] = frozenset()


def whole(shape: Shape) -> Dims:
    """Give the dimensions of a parameter itself.

    Example:
        >>> whole((4, 3))
        (frozenset({0}), frozenset({1}))
    """
    return tuple(frozenset({axis}) for axis in range(len(shape)))


def follow(op: str, args: Sequence[Any], dims: Dims, shape: Shape, out: Shape) -> Dims:
    """Carry dimensions through an op with one tensor operand.

    Args:
        op: Base name of the aten op.
        args: Its arguments, the tensor first.
        dims: Dimensions of the operand.
        shape: Shape of the operand.
        out: Shape of the result.

    Returns:
        Dimensions of the result.

    Example:
        >>> follow("t", (), whole((4, 3)), (4, 3), (3, 4))
        (frozenset({1}), frozenset({0}))
    """
    order = list(range(len(shape)))
    if op == "t":
        order.reverse()
    elif op in ("transpose", "swapaxes"):
        i, j = args[1], args[2]
        order[i], order[j] = order[j], order[i]
    elif op == "permute":
        order = [i % len(shape) for i in args[1]]
    elif op == "unsqueeze":
        at = args[1] % len(out)
        return (*dims[:at], NOTHING, *dims[at:])
    elif op in ("select", "unbind", "squeeze") and len(out) < len(shape):
        order = _without(op, args, shape)
    elif op in _VIEWS:
        return regroup(dims, shape, out)
    elif op == "view_as_complex":  # the last dimension holds both parts
        order.pop()
    elif op == "view_as_real":
        return (*dims, NOTHING)
    elif op == "unfold":  # windows along a dimension
        return (*dims, dims[cast(int, args[1])])
    elif len(out) < len(shape):  # a reduction
        order = _without(op, args, shape)
    elif len(out) > len(shape):  # a broadcast, aligned at the last dimension
        return (*(NOTHING for _ in range(len(out) - len(shape))), *dims)
    return tuple(dims[i] for i in order)


def copied(pure: Pure, shape: Shape, own: Mapping[str, Shape]) -> bool:
    """Say whether a function of parameters repeats them, as data does that enters a layer.

    Args:
        pure: Its dimensions.
        shape: Its shape.
        own: Parameter name -> shape.

    Returns:
        Whether one of its dimensions is longer than what lies along it: a learned query, repeated
        for every example of a batch, but not a product of two low-rank factors.

    Example:
        >>> queries = {"queries": (NOTHING, frozenset({0}), frozenset({1}))}
        >>> copied(queries, (8, 4, 32), {"queries": (4, 32)})
        True
    """
    return any(
        size > prod(size_of(own[name], dims[i]) for name, dims in pure.items())
        for i, size in enumerate(shape)
    )


def _without(op: str, args: Sequence[Any], shape: Shape) -> list[int]:
    """List the dimensions that survive an op which drops some."""
    default = 0 if op == "unbind" else None
    dropped = args[1] if len(args) > 1 else default
    if op == "squeeze" and dropped is None:
        return [i for i, size in enumerate(shape) if size != 1]
    if isinstance(dropped, int):
        dropped = [dropped]
    if not isinstance(dropped, (list, tuple)):
        return []
    gone = {i % len(shape) for i in cast(Sequence[int], dropped)}
    return [i for i in range(len(shape)) if i not in gone]


def regroup(dims: Dims, shape: Shape, out: Shape) -> Dims:
    """Carry dimensions through a reshape: match the smallest groups of equal size.

    Args:
        dims: Dimensions before.
        shape: Shape before.
        out: Shape after, of the same total size.

    Returns:
        Dimensions after; a dimension that is split lies along all its parts, and one of length
        one that is dropped along its neighbour.

    Example:
        >>> regroup(whole((6, 5)), (6, 5), (2, 3, 5))
        (frozenset({0}), frozenset({0}), frozenset({1}))
        >>> regroup(whole((6, 1)), (6, 1), (6,))
        (frozenset({0, 1}),)
    """
    result: list[frozenset[int]] = []
    i = j = 0
    while j < len(out):
        size, parts = out[j], 1
        j += 1
        if size == 1 and (i >= len(shape) or shape[i] != 1):
            result.append(NOTHING)
            continue
        have, lying = shape[i], dims[i]
        i += 1
        while have != size:
            if have < size:
                have, lying = have * shape[i], lying | dims[i]
                i += 1
            else:
                size, parts = size * out[j], parts + 1
                j += 1
        result.extend([lying] * parts)
    if result:  # what is left has length one
        result[-1] = result[-1].union(*dims[i:])
    return tuple(result)


def union(values: Sequence[tuple[Pure, Shape]], out: Shape, stacked: int | None = None) -> Pure:
    """Carry dimensions through an elementwise op, a concatenation or a stack of parameters.

    Args:
        values: The operands and their shapes.
        out: Shape of the result; operands are aligned at the last dimension.
        stacked: The new dimension of a stack.

    Returns:
        All parameters of the operands, with their dimensions in the result.
    """
    result: dict[str, Dims] = {}
    for pure, _ in values:
        for name, dims in pure.items():
            if stacked is not None:
                dims = (*dims[:stacked], NOTHING, *dims[stacked:])
            dims = (*(NOTHING for _ in range(len(out) - len(dims))), *dims)[-len(out) :]
            dims = dims if out else ()
            known = result.get(name, tuple(NOTHING for _ in out))
            result[name] = tuple(a | b for a, b in zip(known, dims, strict=True))
    return result


def along_channels(pure: Pure, rank: int) -> Pure:
    """Lay vectors along the second dimension, as a norm over channels does with gain and bias.

    Args:
        pure: A function of parameters; one that is no vector stays as it is.
        rank: Number of dimensions of what is normalized.

    Returns:
        Its dimensions there: of a weight that is itself normalized, the gain is one per channel.

    Example:
        >>> along_channels({"gain": (frozenset({0}),)}, 3)
        {'gain': (frozenset(), frozenset({0}), frozenset())}
    """
    if rank < 2:
        return pure
    after = (NOTHING,) * (rank - 2)
    return {n: (NOTHING, *dims, *after) if len(dims) == 1 else dims for n, dims in pure.items()}


def contract(left: Pure | None, right: Pure | None, out: Shape) -> Pure:
    """Carry dimensions through a matrix product in which no activation takes part.

    Args:
        left: First factor; ``None`` for a constant.
        right: Second factor; ``None`` for a constant.
        out: Shape of the product.

    Returns:
        The parameters of both; the summed dimension is gone from each.
    """
    batch = max(len(out) - 2, 0)
    result: dict[str, Dims] = {}
    for pure, is_left in ((left, True), (right, False)):
        for name, dims in (pure or {}).items():
            own = dims[batch:-1] if is_left else (*dims[batch : len(dims) - 2], *dims[-1:])
            if not is_left and len(dims) == 1:
                own = ()
            free = len(out) - batch - len(own)
            padding = tuple(NOTHING for _ in range(free))
            kept = (*own, *padding) if is_left else (*padding, *own)
            placed = (*dims[:batch], *kept)
            known = result.get(name, tuple(NOTHING for _ in out))
            result[name] = tuple(a | b for a, b in zip(known, placed, strict=True))
    return result


def size_of(shape: Shape, dims: frozenset[int]) -> int:
    """Multiply the sizes of some dimensions of a shape; 1 for none."""
    return prod(shape[d] for d in dims)
