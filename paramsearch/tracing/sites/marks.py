"""Follow scale through a model: which parameters a tensor is proportional to.

Every tensor that depends on parameters or inputs carries a mark. The marks are guesses, cheap and
sometimes too hopeful; ``paramsearch.tracing.sites`` proves them by running the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

from torch import Tensor

from paramsearch.tracing.consumers import PRODUCTS, merge_kind

FUSED = "scaled_dot_product"
"""Part of the name of every op that is a whole attention: operands q, k and v."""

NONLINEAR = frozenset(
    {
        *("_softmax", "_safe_softmax", "_log_softmax", "sigmoid", "tanh", "gelu", "silu", "mish"),
        *("elu", "softplus", "hardswish", "hardsigmoid", "hardtanh", "exp", "log", "pow", "rsqrt"),
        *("sqrt", "reciprocal", "sin", "cos", "native_layer_norm", "native_group_norm", "topk"),
    }
)
"""Ops whose result is not proportional to what enters them."""
_NONE: frozenset[str] = frozenset()


class Key(NamedTuple):
    """What tells sites apart, the same in every run of a model.

    Attributes:
        kind: ``branch``, ``logits`` or ``readout``.
        module: Path of the innermost running module.
        carriers: Names of the parameters to which its value seems proportional.
    """

    kind: str
    module: str
    carriers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Sighting:
    """One site as a run met it.

    Attributes:
        key: Which one.
        size: Size of the sum in a product q.k; 0 for other kinds.
        gain: Product of the constant factors on the way from the carriers to the site, for logits
            those of q, k and their product, for a readout those of both factors and the product.
        near: The parameter that acted last before the site; empty if none did.
        shared: Parameters to which q and k both seem proportional.
    """

    key: Key
    size: int
    gain: float
    near: str
    shared: frozenset[str] = _NONE


@dataclass(frozen=True, slots=True)
class Mark:
    """What is known of a tensor.

    Attributes:
        carriers: Scaling all of these parameters by s seems to scale the tensor by s.
        pure: Whether it depends on parameters alone.
        bit: The point of the dataflow at which it stands, as one bit; 0 if pure.
        past: The bits of all that it depends on, its own among them.
        gain: Product of the constant factors since the carriers acted.
        near: The parameter that acted last.
        product: The product q.k, or tied readout, of which it is a function, element by element.
    """

    carriers: frozenset[str] = _NONE
    pure: bool = False
    bit: int = 0
    past: int = 0
    gain: float = 1.0
    near: str = ""
    product: Sighting | None = None


def combined(op: str, marks: Sequence[Mark | None], fresh: int) -> Mark:
    """Give the mark of what an op makes, but for constants that multiply.

    A sum is proportional to the carriers of all its terms; a product to those of the parameters
    in it, else of its first factor that has some; a nonlinear function to none.

    Args:
        op: Base name of the aten op.
        marks: Of its tensor operands, at least one known; None for constants.
        fresh: The bit of a new point, for a result that is not its one operand seen otherwise.

    Returns:
        The mark.

    Example:
        >>> x, weight = Mark(bit=1, past=1), Mark(frozenset({"w"}), pure=True, near="w")
        >>> y = combined("mm", [x, weight], 2)
        >>> sorted(y.carriers), y.bit, sorted(combined("tanh", [y], 4).carriers)
        (['w'], 2, [])
    """
    if FUSED in op:  # the scale of the result is that of v
        known = [m for m in marks[2:] if m] + [m for m in marks[:2] if m]
    else:
        known = [m for m in marks if m]
    active = [mark for mark in known if not mark.pure]
    pures = [mark for mark in known if mark.pure]
    adding = merge_kind(op) == "add" and op not in PRODUCTS
    ordered = [*active, *pures] if adding else [*pures, *active]
    first = next((mark for mark in ordered if mark.carriers), ordered[0])
    carriers = first.carriers
    if adding:
        carriers = _NONE.union(*(mark.carriers for mark in known))
    elif active and pures:  # a layer: its weight and bias
        carriers = _NONE.union(*(mark.carriers for mark in pures)) or carriers
    elif op in NONLINEAR:
        carriers = _NONE
    products = len(active) > 1 and not pures and not adding and FUSED not in op
    points = {mark.bit for mark in active}
    past = 0
    for mark in active:
        past |= mark.past
    bit = fresh if active and (len(points) > 1 or pures) else max(points, default=0)
    return Mark(
        carriers=carriers,
        pure=not active,
        bit=bit,
        past=past | bit,
        gain=prod(mark.gain for mark in active) if products else first.gain,
        near=next((m.near for m in (first, *pures, *active) if m.near), ""),
        product=next((mark.product for mark in active if mark.product), None),
    )


def constant(
    op: str, args: Sequence[Any], tensors: Sequence[Tensor], marks: Sequence[Mark | None]
) -> float:
    """Give the size of the constant by which an op multiplies its operand; 1 for other ops.

    Args:
        op: Base name of the aten op.
        args: Its arguments.
        tensors: The tensors among them.
        marks: Their marks; a constant has none.

    Example:
        >>> import torch
        >>> x = torch.ones(3)
        >>> constant("div", (x, 4.0), [x], [Mark(bit=1, past=1)])
        0.25
    """
    if op not in ("mul", "div"):
        return 1.0
    known = {id(tensor) for tensor, mark in zip(tensors, marks, strict=True) if mark}
    value = 1.0
    for place, argument in enumerate(args[:2]):
        if isinstance(argument, Tensor):
            if id(argument) in known or argument.numel() != 1:
                continue
            argument = argument.item()
        if isinstance(argument, int | float) and argument and not isinstance(argument, bool):
            value *= abs(argument) ** (-1 if op == "div" and place == 1 else 1)
    return value
