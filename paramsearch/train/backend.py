"""How a function of one member is applied to all: batched by ``vmap``, or one after the other."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.func import vmap
from torch.utils._pytree import tree_flatten, tree_unflatten


class Each(Protocol):
    """Makes, of a function of one member's tensors, the function of all members' at once."""

    def __call__(
        self, function: Callable[..., Any], in_dims: tuple[int | None, ...]
    ) -> Callable[..., Any]:
        """Give the function of all members.

        Args:
            function: Of one member; takes and returns nests of tensors.
            in_dims: Per argument 0 where members come first in its tensors, None where the
                argument is the same for all.
        """
        ...


@dataclass(frozen=True, slots=True)
class Backend:
    """A way to train members.

    Attributes:
        name: ``"stacked"`` or ``"loop"``.
        each: Applies a function to all members.
        reason: Why it was chosen, where it is not the usual one.
    """

    name: str
    each: Each
    reason: str = ""


def batched(function: Callable[..., Any], in_dims: tuple[int | None, ...]) -> Callable[..., Any]:
    """Apply a function to all members at once, by ``torch.func.vmap``."""
    return vmap(function, in_dims=in_dims)


def looped(function: Callable[..., Any], in_dims: tuple[int | None, ...]) -> Callable[..., Any]:
    """Apply a function to one member after the other; for what ``vmap`` cannot take.

    Example:
        >>> clipped = lambda x, limit: x if x < limit else limit    # asks for a tensor's value
        >>> looped(clipped, (0, None))(torch.tensor([1.0, 5.0]), torch.tensor(2.0))
        tensor([1., 2.])
    """

    def call(*args: Any) -> Any:
        pairs = list(zip(args, in_dims, strict=True))
        leaves = [leaf for arg, dim in pairs if dim == 0 for leaf in tree_flatten(arg)[0]]
        results = [
            function(*(arg if dim is None else _member(arg, index) for arg, dim in pairs))
            for index in range(len(leaves[0]))
        ]
        flat, specs = zip(*map(tree_flatten, results), strict=True)
        stacked = [torch.stack(values) for values in zip(*flat, strict=True)]
        return tree_unflatten(stacked, specs[0])

    return call


def _member(nest: Any, index: int) -> Any:
    leaves, spec = tree_flatten(nest)
    return tree_unflatten([_row(leaf, index) for leaf in leaves], spec)


def _row(leaf: Any, index: int) -> Any:
    return leaf[index] if isinstance(leaf, Tensor) else leaf


STACKED = Backend("stacked", batched)
LOOP = Backend("loop", looped, "asked for")
