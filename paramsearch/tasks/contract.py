"""What every task must keep to, checked on its first batch: for tasks that users write."""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor

from paramsearch.errors import ParamsearchError
from paramsearch.tasks.losses import IGNORED
from paramsearch.tasks.task import Task

_KEYS = "inputs and outputs, where they apply vocabulary, positions, channels"


def check_task(task: Task) -> None:
    """Check a task's dims, and that its first batch and its evaluation batch fit them.

    Args:
        task: The task.

    Raises:
        ParamsearchError: Something does not fit; names what was received and what is allowed.

    Example:
        >>> from paramsearch.tasks.teacher import Teacher
        >>> check_task(Teacher())
    """
    dims: Any = getattr(task, "dims", None)
    found = dict(cast(Mapping[Any, Any], dims)) if isinstance(dims, Mapping) else {}
    if not {"inputs", "outputs"} <= set(found) or not all(map(_is_size, found.values())):
        raise ParamsearchError(f"dims: received {dims!r}; allowed: whole numbers for {_KEYS}")
    for name, batch in (("batch(0)", task.batch(0)), ("evaluation()", task.evaluation())):
        kinds = [type(part).__name__ for part in cast(Any, batch)]
        if kinds != ["Tensor", "Tensor"]:
            raise ParamsearchError(
                f"{name}: received {' and '.join(kinds) or 'nothing'}; allowed: a tuple of two "
                "tensors, inputs and targets"
            )
        _check_batch(name, batch[0], batch[1], task.dims)


def _is_size(size: object) -> bool:
    return type(size) is int and size >= 1


def _check_batch(name: str, inputs: Tensor, target: Tensor, dims: Mapping[str, int]) -> None:
    if len(inputs) == 0 or len(inputs) != len(target):
        raise ParamsearchError(
            f"{name}: received {len(inputs)} inputs and {len(target)} targets; allowed: as many, "
            "at least one"
        )
    if inputs[0].numel() != dims["inputs"]:
        raise ParamsearchError(
            f"{name}: received inputs of shape {tuple(inputs.shape)}; allowed: (batch, "
            f"{dims['inputs']}), the inputs of dims"
        )
    if not inputs.is_floating_point() and "vocabulary" not in dims:
        raise ParamsearchError(
            f"{name}: received inputs of {inputs.dtype}; allowed: floating point, or int64 with "
            "'vocabulary' in dims"
        )
    if "vocabulary" in dims:
        _check_range(f"{name}: tokens", inputs, dims["vocabulary"])
    if target.dtype == torch.int64:
        _check_range(f"{name}: targets", target[target != IGNORED], dims["outputs"])


def _check_range(what: str, values: Tensor, end: int) -> None:
    if values.dtype != torch.int64:
        raise ParamsearchError(f"{what}: received {values.dtype}; allowed: torch.int64")
    if values.numel() and not (int(values.min()) >= 0 and int(values.max()) < end):
        raise ParamsearchError(
            f"{what}: received {int(values.min())} to {int(values.max())}; allowed: 0 to {end - 1}"
        )
