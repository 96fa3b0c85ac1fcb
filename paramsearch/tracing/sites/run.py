"""Run a model and meet its sites: ends of branches, products q.k, and tied readouts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, cast

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.hooks import RemovableHandle

from paramsearch.tracing.consumers import LAYERS, PRODUCTS, is_fresh
from paramsearch.tracing.memory import Memory
from paramsearch.tracing.sites.marks import (
    FUSED,
    NONLINEAR,
    Key,
    Mark,
    Sighting,
    combined,
    constant,
)
from paramsearch.tracing.sites.ops import Met, Op, branch, looked_up, product, readout

_PIECES = frozenset({"split", "split_with_sizes", "unbind", "select"})
_SOFTMAX = frozenset({"_softmax", "_safe_softmax", "exp", "sigmoid"})


class Span(NamedTuple):
    """Where a residual branch leaves its stream and where it joins it again.

    Attributes:
        stream: Bit of the stream.
        before: Bits of all that the stream depends on.
        end: Bits of all that the end of the branch depends on.
        sum: Bit of the sum.
    """

    stream: int
    before: int
    end: int
    sum: int


class SiteRun(TorchDispatchMode):
    """A context in which a model runs and its sites are met, and scaled where that is asked.

    Args:
        model: The model.
        parameters: Name -> the tensor that the model uses.
        inputs: Any nest of tensors that enter it.
        scaled: Sites whose value is multiplied.
        factor: By what.

    Attributes:
        found: The sites met, in order, each as it was met first.
    """

    def __init__(
        self,
        model: nn.Module,
        parameters: Mapping[str, Tensor],
        inputs: Any,
        scaled: frozenset[Key] = frozenset(),
        factor: float = 1.0,
    ):
        """Mark the parameters and the inputs."""
        super().__init__()  # pyright: ignore[reportUnknownMemberType]
        self.found: dict[Key, Sighting] = {}
        self._spans: dict[Key, Span] = {}
        self._vectors: dict[str, int] = {}
        self._model, self._scaled, self._factor = model, scaled, factor
        self._memory: Memory[Mark] = Memory()
        self._bits = 1
        self._path: list[str] = []
        self._hooks: list[RemovableHandle] = []
        for name, parameter in parameters.items():
            self._memory.set(parameter, Mark(frozenset({name}), pure=True, near=name))
        for tensor in tree_leaves(inputs):
            if isinstance(tensor, Tensor):
                self._memory.set(tensor, Mark(bit=1, past=1))

    def __enter__(self) -> "SiteRun":
        """Watch which module runs."""
        for name, module in cast(Iterable[tuple[str, nn.Module]], self._model.named_modules()):
            self._hooks.append(module.register_forward_pre_hook(self._entering(name)))
            leave = module.register_forward_hook(self._leaving, always_call=True)
            self._hooks.append(leave)
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        """Stop watching."""
        super().__exit__(*error)  # pyright: ignore[reportUnknownMemberType]
        for hook in self._hooks:
            hook.remove()

    def inner(self) -> frozenset[Key]:
        """Give the branches that lie inside another branch."""
        return frozenset(
            key
            for key, one in self._spans.items()
            for other in self._spans.values()
            if one.sum != other.sum and one.sum & other.end and other.stream & one.before
        )

    def _entering(self, name: str) -> Callable[..., None]:
        return lambda *_: self._path.append(name)

    def _leaving(self, *_: Any) -> None:
        if self._path:
            self._path.pop()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run one aten op, scale a site that lies there, then mark the results."""
        kwargs = kwargs or {}
        op: str = func.overloadpacket.__name__
        in_place = op.endswith("_") and bool(func._schema.is_mutable)
        op = op[:-1] if in_place else op
        inside: list[Any] = tree_leaves((args, kwargs))
        tensors = [leaf for leaf in inside if isinstance(leaf, Tensor)]
        marks = [self._memory.get(tensor) for tensor in tensors]
        if is_fresh(op) or not any(marks):
            return func(*args, **kwargs)
        here = Op(op, kwargs, tensors, marks, self._path[-1] if self._path else "")
        self._vectors |= looked_up(here)
        end = branch(here)
        made = product(here) or readout(here, self._vectors)
        site = end or made
        if site and site.sighting.key in self._scaled:
            args = self._multiplied(args, tensors[site.place], in_place)
        out = func(*args, **kwargs)
        if op == "copy" and in_place:  # the old content is gone, but for what lies around it
            marks[0] = self._memory.beneath(tensors[0])
        if not any(marks):
            return out
        mark = combined(op, marks, self._bit())
        mark = replace(mark, gain=mark.gain * constant(op, args, tensors, marks))
        if op == "mul" and any(
            not m and t.numel() > 1 for m, t in zip(marks, tensors, strict=True)
        ):
            mark = self._elsewhere(mark)  # a gate on a constant is no stream
        mark = self._followed(op, mark, made)
        if end:
            self._note(end, marks, mark)
        for result in (leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)):
            if op in _PIECES:  # apart: one piece does not depend on another
                mark = self._elsewhere(mark)
            (self._memory.write if in_place else self._memory.set)(result, mark)
        return out

    def _multiplied(self, args: tuple[Any, ...], tensor: Tensor, in_place: bool) -> tuple[Any, ...]:
        if in_place and tensor is args[0]:
            tensor.mul_(self._factor)
            return args

        def scaled(leaf: Any) -> Any:
            return leaf * self._factor if leaf is tensor else leaf

        return tree_map(scaled, args)

    def _followed(self, op: str, mark: Mark, made: Met | None) -> Mark:
        """Note a product as attention logits once it reaches a softmax, a readout at once.

        The factor of the code goes on from there: constants multiply logits before their softmax,
        and what a readout gives until something nonlinear.
        """
        if made and FUSED in op:
            self.found.setdefault(made.sighting.key, made.sighting)
        elif made:
            if made.sighting.key.kind == "readout":
                self.found.setdefault(made.sighting.key, made.sighting)
            return replace(mark, product=made.sighting, gain=made.sighting.gain)
        elif mark.product and mark.product.key.kind == "readout":
            if op in ("mul", "div"):
                self.found[mark.product.key] = replace(mark.product, gain=mark.gain)
            if op not in NONLINEAR and op not in PRODUCTS and op not in LAYERS:
                return mark
        elif mark.product and op in _SOFTMAX:
            logits = replace(mark.product, gain=mark.gain)
            self.found.setdefault(logits.key, logits)
        elif op not in PRODUCTS and op not in LAYERS:
            return mark
        return replace(mark, product=None)

    def _note(self, end: Met, marks: Sequence[Mark | None], result: Mark) -> None:
        """Note a branch at its first occurrence."""
        stream, last = marks[1 - end.place], marks[end.place]
        assert stream is not None and last is not None
        key = end.sighting.key
        if key not in self.found:
            self.found[key] = end.sighting
            self._spans[key] = Span(stream.bit, stream.past, last.past, result.bit)

    def _elsewhere(self, mark: Mark) -> Mark:
        """Give the mark at a point of its own."""
        bit = self._bit()
        return replace(mark, bit=bit, past=mark.past | bit)

    def _bit(self) -> int:
        self._bits += 1
        return 1 << self._bits
