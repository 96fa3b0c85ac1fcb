"""Watch which module of a running model is at work, and what enters its layers."""

from collections.abc import Callable, Iterable
from typing import Any, cast

from torch import Tensor, nn
from torch._C._functorch import is_batchedtensor
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.hooks import RemovableHandle

from paramsearch.tracing.modules import module_op


class Watch:
    """Hooks on every module of a model, from `start` to `stop`."""

    def __init__(
        self,
        model: nn.Module,
        entering: Callable[[Tensor], Tensor],
        leaving: Callable[[list[Tensor], list[Tensor]], None],
    ):
        """Know the model and what to call.

        Args:
            model: The model.
            entering: Called with each tensor that enters one of torch's own layers; what it gives
                enters instead.
            leaving: Called as a module ends, with the tensors that entered and that it returns.
        """
        self._model = model
        self._entering = entering
        self._leaving = leaving
        self._path: list[str] = []
        self._hooks: list[RemovableHandle] = []

    @property
    def module(self) -> str:
        """Path of the innermost running module; empty for the model itself."""
        return self._path[-1] if self._path else ""

    def start(self) -> None:
        """Watch from now on."""
        for name, module in cast(Iterable[tuple[str, nn.Module]], self._model.named_modules()):
            enter = self._enter(name, module_op(module) is not None)
            self._hooks.append(module.register_forward_pre_hook(enter, with_kwargs=True))
            self._hooks.append(module.register_forward_hook(self._leave, always_call=True))

    def stop(self) -> None:
        """Watch no longer."""
        for hook in self._hooks:
            hook.remove()

    def _enter(self, name: str, is_layer: bool) -> Callable[..., Any]:
        def enter(_: nn.Module, args: Any, kwargs: Any) -> Any:
            self._path.append(name)
            return tree_map(self._made_of, (args, kwargs)) if is_layer else None

        return enter

    def _made_of(self, value: Any) -> Any:
        return self._entering(value) if _is_plain(value) else value

    def _leave(self, _: nn.Module, args: Any, output: Any) -> None:
        if self._path:
            self._path.pop()
        self._leaving(_plain(args), _plain(output))


def _plain(nest: Any) -> list[Tensor]:
    """List the tensors of a nest whose memory can be told."""
    return [leaf for leaf in tree_leaves(nest) if _is_plain(leaf)]


def _is_plain(value: Any) -> bool:
    return isinstance(value, Tensor) and not is_batchedtensor(value)
