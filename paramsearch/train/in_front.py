"""Lay members out in front in the tensors that a function's own rule for ``vmap`` is handed."""

from collections.abc import Sequence

from torch import Tensor


def in_front(
    values: Sequence[Tensor | None], in_dims: Sequence[int | None], members: int
) -> list[Tensor | None]:
    """Bring the dimension of the members to the front, and give one to what all share.

    Args:
        values: Arguments of the function; None stays None.
        in_dims: Where members are in each; None where all share it.
        members: How many there are.

    Example:
        >>> import torch
        >>> shared, own = in_front([torch.ones(2), torch.ones(2, 3)], [None, 1], members=3)
        >>> shared.shape, own.shape
        (torch.Size([3, 2]), torch.Size([3, 2]))
    """
    return [_moved(value, dim, members) for value, dim in zip(values, in_dims, strict=True)]


def _moved(value: Tensor | None, dim: int | None, members: int) -> Tensor | None:
    if value is None:
        return None
    if dim is None:
        return value.expand(members, *value.shape)
    return value.movedim(dim, 0) if dim else value
