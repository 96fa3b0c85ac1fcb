"""Any ``torch.optim.Optimizer`` class as an engine optimizer, for all members at once if it can."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from paramsearch.rules.degrees import degrees
from paramsearch.rules.torch_class import construct
from paramsearch.tracing.tensor import TensorInfo
from paramsearch.train.optimizers.foreign_run import Run, Way
from paramsearch.train.optimizers.foreign_way import find_way
from paramsearch.train.optimizers.interface import Hyper, Optimizer, State, Tensors, no_steps


def foreign(name: str) -> Callable[[Sequence[TensorInfo]], Optimizer]:
    """Give the maker of the engine's form of a class.

    Every member's updates are those of a plain run with the class. Its moments live in torch
    optimizers, not in the state: one run at a time, started by ``init``.

    Args:
        name: ``module:Class``.

    Returns:
        Tensors of a model -> the optimizer; it tries the class on tensors of their shapes.

    Raises:
        ParamsearchError: The class cannot be loaded, has no degrees, or cannot make a step; at
            the first update, weight decay asked of a class that has none.

    Example:
        >>> optimizer = foreign("torch.optim:SGD")([])
        >>> one = {"w": torch.ones(1, 1)}
        >>> hyper = Hyper({"w": 0.5 * one["w"]}, {"w": 0 * one["w"]}, {}, decays=False)
        >>> updates, _ = optimizer.update(one, optimizer.init(one), one, hyper)
        >>> updates["w"].item(), optimizer.pure
        (-0.5, False)
    """
    settings = _settings(name)

    def make(tensors: Sequence[TensorInfo]) -> Optimizer:
        shapes = dict.fromkeys(tensor.shape for tensor in tensors) or {(2,): None, (2, 2): None}
        return _optimizer(name, settings, find_way(name, settings, tuple(shapes)))

    return make


def foreign_reference(
    name: str,
) -> Callable[[list[dict[str, Any]]], torch.optim.Optimizer]:
    """Give the maker of the class itself, from param groups that each hold their lr.

    Example:
        >>> groups = [{"params": [torch.nn.Parameter(torch.ones(2))], "lr": 0.1}]
        >>> foreign_reference("torch.optim:SGD")(groups).param_groups[0]["lr"]
        0.1
    """
    return lambda groups: construct(name, groups, lr=groups[0]["lr"])


def _settings(name: str) -> tuple[str, ...]:
    """Name the settings that the class takes and that act as a rule scales them."""
    known = degrees(name)
    decay = ("weight_decay",) if known.decay is not None else ()
    return ("lr", *decay, *(("eps",) if known.eps else ()))


def _optimizer(name: str, settings: tuple[str, ...], way: Way) -> Optimizer:
    runs: list[Run] = []

    def init(params: Tensors) -> State:
        runs[:] = [Run(name, settings, way)]
        return State({}, no_steps(params, steady=False))

    def update(
        grads: Tensors, state: State, params: Tensors, hyper: Hyper
    ) -> tuple[Tensors, State]:
        return runs[0].update(grads, params, hyper), State({}, state.step + 1)

    def keep(state: State, rows: Tensor) -> State:
        runs[0].keep(rows)
        return state

    return Optimizer(init, update, pure=False, steady=False, keep=keep)
