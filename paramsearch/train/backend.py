"""How a function of one member is applied to all: batched by ``vmap``, or one after the other."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.func import vmap
from torch.utils._pytree import tree_flatten, tree_unflatten

from paramsearch.train.formulations import Formulations
from paramsearch.train.optimizers.interface import Tensors


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
        gradients: Gives, of a function of one member's parameters and other tensors that returns
            its loss, that of all members' which returns their gradients by the parameters, named
            as these are, and their losses, (members,).
        reason: Why it was chosen, where it is not the usual one.
    """

    name: str
    each: Each
    gradients: Each
    reason: str = ""


def batched(function: Callable[..., Any], in_dims: tuple[int | None, ...]) -> Callable[..., Any]:
    """Apply a function to all members at once, by ``torch.func.vmap``."""
    together = vmap(function, in_dims=in_dims)

    def call(*args: Any) -> Any:
        with Formulations():
            return together(*args)

    return call


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


def differentiated(function: Callable[..., Tensor]) -> Callable[..., tuple[Tensors, Tensor]]:
    """Make, of a function that gives losses, one that gives their sum's gradient and the losses.

    By autograd, which lets go of what it saved as it goes back; ``torch.func.grad`` keeps all to
    the end, for there may be second derivatives. Members do not share parameters, so the gradient
    of the sum holds that of every member.

    Args:
        function: Of parameters by name, and of other arguments; of one member or of many.

    Example:
        >>> square = lambda params: (params["w"] ** 2).sum(-1)
        >>> differentiated(square)({"w": torch.tensor([[1.0], [3.0]])})
        ({'w': tensor([[2.],
                [6.]])}, tensor([1., 9.]))
    """

    def call(params: Tensors, *others: Any) -> tuple[Tensors, Tensor]:
        with torch.enable_grad():
            leaves = {name: values.detach().requires_grad_() for name, values in params.items()}
            losses = function(leaves, *others)
            found = torch.autograd.grad(
                losses.sum(), list(leaves.values()), allow_unused=True, materialize_grads=True
            )
        return dict(zip(leaves, found, strict=True)), losses.detach()

    return call


def batched_gradients(
    function: Callable[..., Tensor], in_dims: tuple[int | None, ...]
) -> Callable[..., tuple[Tensors, Tensor]]:
    """Differentiate all members at once: ``vmap`` within autograd."""
    return differentiated(batched(function, in_dims))


def looped_gradients(
    function: Callable[..., Tensor], in_dims: tuple[int | None, ...]
) -> Callable[..., tuple[Tensors, Tensor]]:
    """Differentiate one member after the other, so that one's activations are in memory."""
    return looped(differentiated(function), in_dims)


def _member(nest: Any, index: int) -> Any:
    leaves, spec = tree_flatten(nest)
    return tree_unflatten([_row(leaf, index) for leaf in leaves], spec)


def _row(leaf: Any, index: int) -> Any:
    return leaf[index] if isinstance(leaf, Tensor) else leaf


STACKED = Backend("stacked", batched, batched_gradients)
LOOP = Backend("loop", looped, looped_gradients, "asked for")
