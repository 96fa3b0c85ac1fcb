"""Say whether a site lies at an op: where a branch joins its stream, at q.k, at a tied readout."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from paramsearch.tracing.consumers import LAYERS, PRODUCTS
from paramsearch.tracing.sites.marks import FUSED, Key, Mark, Sighting


class Met(NamedTuple):
    """A site at an op that is about to run: the place of its operand, and what it is."""

    place: int
    sighting: Sighting


class Op(NamedTuple):
    """An op that is about to run.

    Attributes:
        name: Base name of the aten op.
        options: Its keyword arguments.
        tensors: The tensors among its arguments.
        marks: Of these; None for constants.
        module: Path of the innermost running module.
    """

    name: str
    options: Mapping[str, Any]
    tensors: Sequence[Tensor]
    marks: Sequence[Mark | None]
    module: str


def branch(op: Op) -> Met | None:
    """Find the operand of a sum that ends a residual branch: it depends on the other one.

    Example:
        >>> import torch
        >>> x, end = Mark(bit=1, past=1), Mark(frozenset({"down"}), bit=2, past=3, near="down")
        >>> branch(Op("add", {}, [torch.ones(3), torch.ones(3)], [x, end], "block")).place
        1
    """
    if op.name not in ("add", "sub") or len(op.tensors) != 2 or op.tensors[0].numel() < 2:
        return None
    one, other = op.marks
    if not one or not other or one.pure or other.pure:
        return None
    if op.tensors[0].shape != op.tensors[1].shape:
        return None
    if one.bit == other.bit or not (one.bit & other.past or other.bit & one.past):
        return None
    end, mark = (1, other) if one.bit & other.past else (0, one)
    key = Key("branch", op.module, mark.carriers)
    return Met(end, Sighting(key, 0, mark.gain, mark.near))


def product(op: Op) -> Met | None:
    """Find q in a product of two activations, of which attention may make its logits.

    Example:
        >>> import torch
        >>> q, k = (Mark(frozenset({name}), bit=1, past=1, near=name) for name in "qk")
        >>> met = product(Op("bmm", {}, [torch.ones(2, 3, 4), torch.ones(2, 4, 3)], [q, k], ""))
        >>> met.place, met.sighting.size
        (0, 4)
    """
    factors = _factors(op.name)
    if factors is None or op.name in LAYERS:
        return None
    left, right = factors
    q, k = op.marks[left], op.marks[right]
    if not q or not k or q.pure or k.pure:
        return None
    size = op.tensors[left].shape[-1]
    gain = q.gain * k.gain * float(op.options.get("alpha", 1))
    if FUSED in op.name:
        scale = op.options.get("scale")
        gain *= size**-0.5 if scale is None else float(scale)
    key = Key("logits", op.module, q.carriers)
    return Met(left, Sighting(key, size, gain, q.near, q.carriers & k.carriers))


def readout(op: Op, vectors: Mapping[str, int]) -> Met | None:
    """Find the input of a tied readout: it is multiplied with a table of embeddings.

    Args:
        op: The op.
        vectors: Name of each tensor in which something was looked up -> size of what was found.

    Example:
        >>> import torch
        >>> x, table = Mark(bit=2, past=2), Mark(frozenset({"embed"}), pure=True, near="embed")
        >>> op = Op("mm", {}, [torch.ones(5, 4), torch.ones(4, 9)], [x, table], "")
        >>> readout(op, {"embed": 4}).place, readout(op, {})
        (0, None)
    """
    factors = _factors(op.name)
    if factors is None or FUSED in op.name:
        return None
    summed = op.tensors[factors[0]].shape[-1]
    for place, other in (factors, factors[::-1]):
        x, table = op.marks[place], op.marks[other]
        if not x or x.pure or not table or not table.pure:
            continue
        if any(vectors.get(name) == summed for name in table.carriers):
            gain = x.gain * table.gain * float(op.options.get("alpha", 1))
            key = Key("readout", op.module, x.carriers)
            return Met(place, Sighting(key, 0, gain, x.near))
    return None


def looked_up(op: Op) -> dict[str, int]:
    """Give the tensors in which the op looks up what the inputs ask for, with the size of a row.

    Positions that do not depend on the inputs, such as a range, ask for nothing.

    Example:
        >>> import torch
        >>> table, tokens = Mark(frozenset({"embed"}), pure=True), Mark(bit=1, past=1)
        >>> looked_up(Op("embedding", {}, [torch.ones(9, 4), torch.ones(2)], [table, tokens], ""))
        {'embed': 4}
    """
    layer = LAYERS.get(op.name)
    if layer is None or layer.op != "embedding":
        return {}
    table, *asked = op.marks
    if not table or not table.pure or not any(mark and not mark.pure for mark in asked):
        return {}
    return dict.fromkeys(table.carriers, op.tensors[0].shape[-1])


def _factors(name: str) -> tuple[int, int] | None:
    """Give the places of the two factors of a product; None for other ops."""
    if FUSED in name:
        return 0, 1
    if name == "linear":
        return 0, 1
    return PRODUCTS[name][:2] if name in PRODUCTS else None
