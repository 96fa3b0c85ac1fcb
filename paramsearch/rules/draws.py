"""Initial values: the base model's law for each tensor, and shared unit draws that it scales."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from paramsearch.errors import ParamsearchError
from paramsearch.rules.matching import without_numbers
from paramsearch.tracing.run import seeded
from paramsearch.tracing.tensor import TensorInfo

_BASE_BUILDS = 8


@dataclass(frozen=True, slots=True)
class InitLaw:
    """How a tensor starts in the base model.

    Attributes:
        mean: The constant of a constant tensor; 0 for a random one.
        std: Root mean square of a random tensor; 0 for a constant one.
    """

    mean: float
    std: float

    def value(self, factor: float, unit: Tensor) -> Tensor:
        """Give the initial value, ``factor * std * unit``, or ``factor * mean`` if constant.

        Args:
            factor: Of the rule, for init.
            unit: Unit-variance draw of the tensor's shape; its dtype is the result's.

        Example:
            >>> InitLaw(0.0, 0.5).value(2.0, torch.tensor([1.0, -2.0]))
            tensor([ 1., -2.])
        """
        if self.std == 0:
            return torch.full_like(unit, self.mean * factor)
        return unit * (self.std * factor)


def base_builds(build: Callable[[], nn.Module]) -> list[nn.Module]:
    """Build the base model several times, so that pooling makes its measured init sharp.

    Args:
        build: Makes the base model; may draw from torch's own generator, which is at seeds 0, 1,
            ... meanwhile and afterwards as it was.

    Returns:
        Eight models.
    """
    models: list[nn.Module] = []
    for seed in range(_BASE_BUILDS):
        with seeded(seed):
            models.append(build())
    return models


def base_init(models: Sequence[nn.Module]) -> dict[str, InitLaw]:
    """Measure the initial law of every parameter, pooled over builds of the base model.

    A tensor that is one and the same number in all of them is a constant; any other counts as
    random around 0 with ``std = sqrt(mean(w ** 2))``.

    Args:
        models: Freshly built base models, at least one; more make the laws sharper.

    Returns:
        Parameter name -> law, in the order of ``named_parameters``.

    Raises:
        ParamsearchError: No model, or the models do not have the same parameters.

    Example:
        >>> base_init([nn.LayerNorm(4)])
        {'weight': InitLaw(mean=1.0, std=0.0), 'bias': InitLaw(mean=0.0, std=0.0)}
    """
    if not models:
        raise ParamsearchError("base models: received none; allowed: at least one")
    pools = [dict(model.named_parameters()) for model in models]
    shapes = [{name: tuple(value.shape) for name, value in pool.items()} for pool in pools]
    if any(other != shapes[0] for other in shapes):
        raise ParamsearchError("the base builds differ in their parameters; they must be the same")
    return {name: _law([pool[name].detach() for pool in pools]) for name in pools[0]}


def _law(values: Sequence[Tensor]) -> InitLaw:
    flat = torch.cat([value.flatten().to("cpu", torch.float64) for value in values])
    if flat.numel() == 0:
        return InitLaw(0.0, 0.0)
    first = flat[0].item()
    if bool((flat == first).all()):
        return InitLaw(first, 0.0)
    return InitLaw(0.0, math.sqrt(flat.square().mean().item()))


def law_for(tensor: TensorInfo, laws: Mapping[str, InitLaw], base: Iterable[TensorInfo]) -> InitLaw:
    """Give the law of a tensor, also of one that the base model is not deep enough to have.

    Args:
        tensor: Of the model at any scale.
        laws: Of the base model's tensors.
        base: The base model's tensors.

    Returns:
        The law of the base tensor of the same name; else of the first whose name differs in
        block numbers only and which is in the same group; else of the first in the group.

    Raises:
        ParamsearchError: The base model has no tensor in the group.
    """
    if tensor.name in laws:
        return laws[tensor.name]
    group = [other.name for other in base if other.group == tensor.group and other.name in laws]
    place = without_numbers(tensor.name)
    alike = [name for name in group if without_numbers(name) == place]
    if not group:
        raise ParamsearchError(
            f"tensor '{tensor.name}' (group {tensor.group}) has no counterpart in the base model, "
            "from which its initial values would follow"
        )
    return laws[(alike or group)[0]]


def draw(shapes: Mapping[str, Sequence[int]], generator: torch.Generator) -> dict[str, Tensor]:
    """Draw unit-variance normal numbers for every tensor.

    Args:
        shapes: Tensor name -> shape. Constant tensors are drawn for as well, so that the stream
            does not depend on which tensors are constant.
        generator: On the CPU; all randomness comes from it.

    Returns:
        Tensor name -> float32 tensor on the CPU, drawn in the order of the mapping.

    Example:
        >>> draw({"w": (2, 3)}, torch.Generator().manual_seed(0))["w"].shape
        torch.Size([2, 3])
    """
    return {
        name: torch.randn(tuple(shape), generator=generator, dtype=torch.float32)
        for name, shape in shapes.items()
    }
