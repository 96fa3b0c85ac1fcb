"""Catch the output of the operation that consumes each parameter tensor, also under ``vmap``."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves


class Capture(TorchFunctionMode):
    """Record, while active, the output of the first operation that joins a parameter to data.

    A tensor computed from parameters alone (a transpose, a cast, a low-rank product) stands for
    them.

    Args:
        params: Name -> the very tensor objects that the model will see.

    Attributes:
        outputs: Parameter name -> output of its consuming operation. A parameter whose consuming
            operation does not return a single tensor is left out.

    Example:
        >>> import torch
        >>> w, x = torch.ones(3, 2), torch.ones(5, 2)
        >>> with Capture({"w": w}) as capture:
        ...     y = torch.nn.functional.linear(x, w).relu()
        >>> capture.outputs["w"].shape
        torch.Size([5, 3])
    """

    def __init__(self, params: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.outputs: dict[str, Tensor] = {}
        self._names = {id(tensor): {name} for name, tensor in params.items()}
        # Ids are only unique among living objects: keep every tensor that has one here alive.
        self._alive: list[Tensor] = list(params.values())

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run the operation, then note whose output it is."""
        result = func(*args, **(kwargs or {}))
        if not isinstance(result, Tensor):
            return result
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        known = [self._names[id(tensor)] for tensor in tensors if id(tensor) in self._names]
        names = set[str]().union(*known)
        if not names:
            return result
        if len(known) < len(tensors):
            for name in sorted(names):  # the order of a set differs between processes
                self.outputs.setdefault(name, result)
        elif id(result) not in self._names:
            self._names[id(result)] = names
            self._alive.append(result)
        return result
