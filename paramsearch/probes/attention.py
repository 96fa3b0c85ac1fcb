"""How large attention logits are at initialization, and how far training moves them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from paramsearch.tracing.tensor import TensorInfo
from paramsearch.train.optimizers.interface import Tensors
from paramsearch.train.probe import Moment, Probe

LOGITS = "logits"
"""Name of the group on which the probe reports, and of the sites of a model that it looks at."""

MASKED = -5e3
"""What is smaller is no logit: a mask adds -inf, or a number as large."""

_PRODUCTS = frozenset({"matmul", "__matmul__", "__rmatmul__", "bmm", "baddbmm", "einsum"})
_ENDS = frozenset({"softmax", "exp", "sigmoid"})
_FUSED = "scaled_dot_product_attention"


class LogitsCapture(TorchFunctionMode):
    """Record, while active, what enters the softmax of attention; also under ``vmap``.

    Logits are a product of two tensors that are not made of parameters alone, after whatever goes
    element by element: a scale, a mask, a cap. So the softmax of a router, which multiplies by a
    parameter, is none of attention. Where attention is one operation, they are its scaled product
    q.k before any mask.

    Args:
        params: Name -> the very tensor objects that the model will see.

    Attributes:
        logits: One entry per attention, in the order in which they are met.

    Example:
        >>> w, x = torch.ones(2, 2), torch.ones(3, 2)
        >>> with LogitsCapture({"w": w}) as capture:
        ...     routed, mixed = (x @ w).softmax(dim=-1), (x @ w @ x.mT / 2).softmax(dim=-1)
        >>> [entry.shape for entry in capture.logits]
        [torch.Size([3, 3])]
    """

    def __init__(self, params: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.logits: list[Tensor] = []
        # Weak, since an id is unique among living objects alone, and logits are large.
        self._pure = WeakValueDictionary({id(tensor): tensor for tensor in params.values()})
        self._products = WeakValueDictionary[int, Tensor]()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run the operation, then note what it makes; logits are noted where they end."""
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        tensors = list(_tensors((args, kwargs)))
        followed = [tensor for tensor in tensors if id(tensor) in self._products]
        if name == _FUSED:
            self.logits.append(_fused(*args, **kwargs))
        elif name in _ENDS:
            self.logits += followed
        result = func(*args, **kwargs)
        mixed = [tensor for tensor in tensors if id(tensor) not in self._pure]
        size = 0 if name in _ENDS else max((tensor.numel() for tensor in followed), default=0)
        for made in _tensors(result):
            if tensors and not mixed:
                self._pure[id(made)] = made
            elif name in _PRODUCTS:
                if len(mixed) > 1:
                    self._products[id(made)] = made
            elif made.numel() == size:
                self._products[id(made)] = made
        return result


def _tensors(nest: Any) -> Iterable[Tensor]:
    return (leaf for leaf in tree_leaves(nest) if isinstance(leaf, Tensor))


def _fused(query: Tensor, key: Tensor, *_: Any, scale: float | None = None, **__: Any) -> Tensor:
    """Give q.k with its scale, each key once for all the queries that share it."""
    if query.ndim > 2 and query.shape[-3] != key.shape[-3]:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], dim=-3)
    return query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)


@dataclass(frozen=True)
class AttentionLogits(Probe):
    """Measure ``signal`` and ``feature_change`` of attention logits on the evaluation batch.

    With ``a = q.k / sqrt(d)``, or whatever enters the softmax, signal is the root mean square of a
    at initialization and feature change that of ``a(trained) - a(0)``, both over examples, heads,
    pairs of positions that are not masked, and layers. As training lets q and k align, the product
    of d terms grows as d: under ``1 / d`` feature change keeps its size and signal falls; under
    ``1 / sqrt(d)`` feature change grows (Yang et al. 2022, arXiv 2203.03466).

    Results: ``signal/logits`` and ``feature_change/logits``, shape (members,); nothing for a model
    in which no site of logits was traced.
    """

    def start(self, moment: Moment) -> Tensors:
        """Keep the logits at initialization."""
        return _logits(moment) if attends(moment.workload.tensors) else {}

    def result(self, memory: Tensors, moment: Moment) -> Tensors:
        """Give both measures, from the logits before and after training."""
        if not memory:
            return {}
        trained = _logits(moment)
        change = {name: trained[name] - start for name, start in memory.items()}
        return {
            f"{probe}/{LOGITS}": _rms(values, memory)
            for probe, values in (("signal", memory), ("feature_change", change))
        }


def attends(tensors: Iterable[TensorInfo]) -> bool:
    """Say whether a model has attention logits."""
    return any(fold.kind == LOGITS for tensor in tensors for fold in tensor.sites)


def _logits(moment: Moment) -> Tensors:
    """Run all members on the evaluation batch; gives number -> logits, (members, ...)."""
    inputs, _ = moment.workload.evaluation()

    def one(params: Tensors) -> Tensors:
        with LogitsCapture(params) as capture:
            moment.workload.output(params, inputs)
        return {str(number): entry for number, entry in enumerate(capture.logits)}

    return moment.workload.backend.each(one, (0,))(moment.stack.effective(moment.params))


def _rms(values: Tensors, start: Tensors) -> Tensor:
    """Give the root mean square over the pairs that are not masked and over layers, (members,)."""
    squares: list[Tensor] = []
    for name, value in values.items():
        seen = (start[name] > MASKED).flatten(1)
        kept = torch.where(seen, value.flatten(1), 0.0)
        squares.append(kept.square().sum(dim=1) / seen.sum(dim=1))
    return torch.stack(squares).mean(dim=0).sqrt()
