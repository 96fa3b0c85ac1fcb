"""From NumPy arrays to tensors."""

from typing import Any, cast

import torch
from torch import Tensor


def tensor(array: object) -> Tensor:
    """Give the tensor that shares the memory of an array; stubs of torch do not say its type.

    Example:
        >>> import numpy as np
        >>> tensor(np.arange(3)).tolist()
        [0, 1, 2]
    """
    return cast(Any, torch).from_numpy(array)
