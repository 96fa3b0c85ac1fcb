"""Functions of torch that are computed in a way of their own where members are side by side."""

from typing import Any

from torch.nn import functional
from torch.overrides import TorchFunctionMode

from paramsearch.train.cross_entropy import cross_entropy
from paramsearch.train.group_norm import group_norm
from paramsearch.train.linear import linear

FORMULATIONS: dict[Any, Any] = {
    functional.linear: linear,
    functional.group_norm: group_norm,
    functional.cross_entropy: cross_entropy,
}


class Formulations(TorchFunctionMode):
    """Computes, while active, functions of torch as ``FORMULATIONS`` says; for use with ``vmap``.

    Attention has a mode of torch's own for that: ``Workload`` asks for it.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run one function of torch."""
        return FORMULATIONS.get(func, func)(*args, **(kwargs or {}))
