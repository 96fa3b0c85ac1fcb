"""The layers of a model as people speak of them: modules, repeated blocks as one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from paramsearch.rules.matching import without_numbers
from paramsearch.tracing.groups import UNUSED
from paramsearch.tracing.tensor import TensorInfo

_MATRICES = ("input", "hidden", "output")


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer, or the same layer of all blocks.

    Attributes:
        name: Of its module, ``*`` for the number of a block, without the path to the block where
            that is enough to tell layers apart; of its tensor, where the module holds several.
        role: Of its weight.
        tensors: One per block: the tensor whose output is the layer's.
        summed: Whether it ends a residual branch: outputs of all blocks add up in the stream, and
            what counts is their sum.
    """

    name: str
    role: str
    tensors: tuple[str, ...]
    summed: bool = False


def layers(tensors: Iterable[TensorInfo]) -> tuple[Layer, ...]:
    """Give the layers of a model: one per matrix, and one per module that holds none.

    The bias of a linear layer is no layer of its own: the layer's output has it in it.

    Args:
        tensors: Of the model.

    Returns:
        The layers in the order of their tensors. Blocks fall together where names differ in
        their numbers alone and the group is the same.

    Example:
        >>> from paramsearch.tracing.trace import trace
        >>> [(layer.name, layer.role) for layer in layers(trace("mlp").tensors)]
        [('input', 'input'), ('hidden.*', 'hidden'), ('readout', 'output')]
    """
    named = [
        (name, tensor)
        for owner, own in _by_owner(tensors).items()
        for name, tensor in _own(owner, own)
    ]
    kinds: dict[str, set[str]] = {}
    for name, tensor in named:
        kinds.setdefault(without_numbers(name), set()).add(tensor.group)
    found: dict[str, list[TensorInfo]] = {}
    for name, tensor in named:
        alike = len(kinds[without_numbers(name)]) == 1
        found.setdefault(without_numbers(name) if alike else name, []).append(tensor)
    inside = [_inside(name) for name in found]
    return tuple(
        Layer(
            _inside(name) if inside.count(_inside(name)) == 1 else name,
            blocks[0].role,
            tuple(tensor.name for tensor in blocks),
            any(fold.kind == "branch" for fold in blocks[0].sites),
        )
        for name, blocks in found.items()
    )


def _inside(name: str) -> str:
    """Leave out the path to a block: ``blocks.*.mlp.up`` is its mlp.up."""
    return name.rpartition(".*.")[2]


def _by_owner(tensors: Iterable[TensorInfo]) -> dict[str, list[TensorInfo]]:
    owners: dict[str, list[TensorInfo]] = {}
    for tensor in tensors:
        if tensor.op != UNUSED:
            owners.setdefault(tensor.name.rpartition(".")[0], []).append(tensor)
    return owners


def _own(owner: str, tensors: Sequence[TensorInfo]) -> list[tuple[str, TensorInfo]]:
    """Give name and tensor of each layer that a module holds."""
    matrices = [tensor for tensor in tensors if tensor.role in _MATRICES]
    if not owner:  # parameters of the model itself: each stands where it likes
        return [(tensor.name, tensor) for tensor in tensors]
    if len(matrices) > 1:
        return [(tensor.name, tensor) for tensor in matrices]
    return [(owner, (matrices or tensors)[0])]
