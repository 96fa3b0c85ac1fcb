"""Means whose gradient is a view of what comes back, not a tensor of the inputs' size.

Autograd spreads a mean's gradient out and then divides it; divided first, it is spread out as a
view. After the last layer of a convolutional network that is the largest tensor on the way back.
"""

import math
from typing import Any

import torch
from torch import Tensor

_EXACT = (torch.float32, torch.float64)  # others are added up in more digits than they have


def mean(input: Tensor, dim: Any = None, keepdim: bool = False, **others: Any) -> Tensor:
    """Give the mean over some dimensions, called as ``torch.mean``, to the same last bit.

    Where all elements are averaged, or more is asked for, it is that.

    Example:
        >>> import torch
        >>> mean(torch.tensor([[1.0, 3.0], [5.0, 7.0]]), dim=-1)
        tensor([2., 6.])
    """
    dims = (dim,) if isinstance(dim, int) else dim
    if not dims or others or input.dtype not in _EXACT or not input.ndim:
        where = {"dim": dim, "keepdim": keepdim} if keepdim or dim is not None else {}
        return torch.mean(input, **where, **others)
    return input.sum(dims, keepdim) / math.prod(input.shape[d] for d in dims)
