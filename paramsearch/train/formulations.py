"""Functions of torch that are computed in a way of their own where members are side by side."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from paramsearch.train.cross_entropy import cross_entropy
from paramsearch.train.group_norm import group_norm
from paramsearch.train.linear import linear
from paramsearch.train.mean import mean

WORTH = 2**15
"""Elements of one member's tensor from which on the other way is the faster one, operation by
operation: each use of it takes 0.3 ms more to start. Compiled, it always is."""


@dataclass(frozen=True, slots=True)
class Formulation:
    """Another way to compute a function.

    Attributes:
        run: Called like the function.
        telling: Index of the argument whose size says whether it is worthwhile.
    """

    run: Any
    telling: int


FORMULATIONS: dict[Any, Formulation] = {
    functional.linear: Formulation(linear, 1),
    functional.group_norm: Formulation(group_norm, 0),
    functional.cross_entropy: Formulation(cross_entropy, 0),
    torch.mean: Formulation(mean, 0),
    Tensor.mean: Formulation(mean, 0),
}


class Formulations(TorchFunctionMode):
    """Computes, while active, functions of torch as ``FORMULATIONS`` says; for use with ``vmap``.

    Attention has a mode of torch's own for that: ``Workload`` asks for it.

    Args:
        least: Elements of the telling argument from which on.
    """

    def __init__(self, least: int = WORTH) -> None:
        super().__init__()
        self._least = least

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run one function of torch."""
        other = FORMULATIONS.get(func)
        if other is not None:
            telling = args[other.telling : other.telling + 1]
            if all(isinstance(t, Tensor) and t.numel() >= self._least for t in telling):
                func = other.run
        return func(*args, **kwargs) if kwargs else func(*args)
