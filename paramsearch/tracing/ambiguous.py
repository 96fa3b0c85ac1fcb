"""Refuse what leaves roles in doubt: two axes with one size, a model with nothing to train."""

from collections.abc import Callable, Mapping
from itertools import combinations

from torch import nn

from paramsearch.errors import ParamsearchError
from paramsearch.tracing.growth import Shapes


def check_axes(
    name: str, base: Shapes, grown: Mapping[str, Shapes], both: Callable[[str, str], Shapes]
) -> None:
    """Refuse two axes that set the same size of a tensor.

    A dimension of ``width * heads`` grows with either axis, and more with both. One of
    ``max(width, hidden)`` grows with either and no more with both, so that it has no power of one
    axis while the other changes.

    Args:
        name: Name of the architecture.
        base: Tensor name -> shape.
        grown: Axis -> shapes of the model doubled along it.
        both: Gives the shapes of the model doubled along two axes.

    Raises:
        ParamsearchError: Two axes set the same size; names them, the tensor and the sizes.

    Example:
        >>> check_axes("mine", {"w": (4,)}, {"width": {"w": (8,)}}, lambda *axes: {"w": (8,)})
    """
    for one, other in combinations(grown, 2):
        places = _growing(base, grown[other])
        shared = [place for place in _growing(base, grown[one]) if place in places]
        doubled: Shapes = both(one, other) if shared else {}
        for tensor, dim in shared:
            sizes = [shapes.get(tensor, ())[dim : dim + 1] for shapes in (grown[one], grown[other])]
            if doubled.get(tensor, ())[dim : dim + 1] in sizes:
                raise ParamsearchError(
                    f"architecture '{name}': axes '{one}' and '{other}' both set dimension {dim} "
                    f"of '{tensor}': {base[tensor][dim]} becomes {sizes[0][0]} by doubling "
                    f"'{one}', {sizes[1][0]} by '{other}' and {doubled[tensor][dim]} by both; let "
                    "each axis set sizes of its own, or declare one of them alone"
                )


def _growing(base: Shapes, wide: Shapes) -> list[tuple[str, int]]:
    """List the places, a tensor's name and dimension, that are larger in the second model."""
    return [
        (name, dim)
        for name, shape in base.items()
        for dim, sizes in enumerate(zip(shape, wide.get(name, ()), strict=False))
        if sizes[1] > sizes[0]
    ]


def check_trained(name: str, model: nn.Module) -> None:
    """Refuse a model of which nothing is trained, such as one that keeps its weights in buffers.

    Args:
        name: Name of the architecture.
        model: The model.

    Raises:
        ParamsearchError: No parameter asks for a gradient; names what the model holds instead.
    """
    if any(p.requires_grad for p in model.parameters()):
        return
    frozen = [f"'{key}'" for key, _ in model.named_parameters()]
    buffers = [f"'{key}'" for key, value in model.named_buffers() if value.is_floating_point()]
    held = "nothing" if not frozen + buffers else ""
    if frozen:
        held = f"parameters that ask for no gradient ({', '.join(frozen[:4])})"
    elif buffers:
        held = f"buffers ({', '.join(buffers[:4])}), which are not trained"
    raise ParamsearchError(
        f"architecture '{name}' has nothing to train: it holds {held}; make each weight a "
        "torch.nn.Parameter with requires_grad"
    )
