"""Operations in models of transformers that ``vmap`` cannot batch, done by equivalents that it can.

Three kinds: functions with a gradient of their own in the style from before ``torch.func``;
operations without a batching rule; and layers that read sizes from the values of tensors, or count
tokens that pad.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib import import_module
from inspect import isclass
from types import MethodType, ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.overrides import TorchFunctionMode

from paramsearch.tracing.adapters.hf_experts import LAYERS


def _scatter(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return x.copy_(x.scatter(*args, **kwargs))


def _masked_fill(x: Tensor, mask: Tensor, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return torch.where(mask, value.to(x.dtype), x)
    return x.masked_fill(mask, value)


_EQUIVALENTS: dict[Callable[..., Any], Callable[..., Any]] = {
    Tensor.scatter_: _scatter,
    Tensor.masked_fill: _masked_fill,
    torch.masked_fill: _masked_fill,
}


_PACKED = "find_packed_sequence_indices"


class Equivalents(TorchFunctionMode):
    """Calls equivalents of what has no batching rule, as long as it is entered.

    Example:
        >>> index, one = torch.tensor([[2], [0]]), torch.tensor([[1.0], [2.0]])
        >>> with Equivalents():
        ...     torch.vmap(lambda i, x: torch.zeros(3).to(x) + 0 * x.sum())(index, one).shape
        torch.Size([2, 3])
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call a function of torch, or its equivalent."""
        given: Callable[..., Any] = func
        return _EQUIVALENTS.get(given, given)(*args, **(kwargs or {}))


@contextmanager
def whole_sequences() -> Generator[None, None, None]:
    """Let models make their masks without asking positions whether sequences are packed in a row.

    That is decided by the values of a tensor, which nobody knows while a step is traced. None are.
    """
    masks: Any = import_module("transformers.masking_utils")
    asked: Any = getattr(masks, _PACKED, None)
    if asked is None:
        yield
        return
    setattr(masks, _PACKED, _ignore)
    try:
        yield
    finally:
        setattr(masks, _PACKED, asked)


def batchable(function: type[Function]) -> type[Function]:
    """Give a function with its own gradient in the style that ``vmap`` takes.

    The old style notes what the gradient needs while it computes; the new one notes it afterwards.
    So it is computed twice.

    Args:
        function: One whose ``forward`` takes a context.

    Returns:
        One with the same values and gradients.

    Example:
        >>> class Square(Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return x * x
        ...     @staticmethod
        ...     def backward(ctx, grad):
        ...         return 2 * ctx.saved_tensors[0] * grad
        >>> torch.vmap(torch.func.grad(batchable(Square).apply))(torch.tensor([1.0, 3.0]))
        tensor([2., 6.])
    """
    old: Any = function

    class Same(Function):
        """The same function."""

        generate_vmap_rule = True

        @staticmethod
        def forward(*args: Any) -> Any:
            """Compute the value."""
            unheard = SimpleNamespace(save_for_backward=_ignore, mark_non_differentiable=_ignore)
            return old.forward(unheard, *args)

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
            """Note what the gradient needs."""
            old.forward(ctx, *inputs)

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            """Compute the gradients of the arguments."""
            with Equivalents():
                return old.backward(ctx, *grads)

    Same.__name__ = function.__name__
    return Same


def _ignore(*tensors: Tensor) -> None:
    """Take tensors, and say nothing of them."""


def teach(module: ModuleType) -> None:
    """Replace the functions of a module of Python that are in the old style.

    Args:
        module: Where a model of transformers is defined; its models compute the same as before.
    """
    for name, value in list(vars(module).items()):
        if isclass(value) and issubclass(value, Function) and value is not Function:
            old: Any = value
            if old.setup_context is Function.setup_context:
                setattr(module, name, batchable(value))


def places(layer: Any, shape: tuple[int, int], device: Any, **_: Any) -> tuple[Tensor, Tensor]:
    """Embed the places of tokens without asking which of them pad.

    Args:
        layer: Of ProphetNet, with a table (places, width).
        shape: Batch and context.
        device: Where the tokens lie.
        **_: More that the layer is told.

    Returns:
        Embeddings (batch, context, width), and the places from 1 on (batch, context).
    """
    found = torch.arange(1, shape[1] + 1, device=device).expand(shape)
    return nn.functional.embedding(found, layer.weight), found


_LAYERS = {**LAYERS, "ProphetNetPositionalEmbeddings": places}


def replace(model: nn.Module) -> None:
    """Let layers that ask tensors for their values compute the same without, see `_LAYERS`."""
    for layer in model.modules():
        found = _LAYERS.get(type(layer).__name__)
        if found is not None:
            layer.forward = MethodType(found, layer)
