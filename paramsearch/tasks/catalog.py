"""Tasks by name: one row each."""

import torch

from paramsearch.errors import unknown_name
from paramsearch.tasks.bytes import Bytes
from paramsearch.tasks.digits import Digits
from paramsearch.tasks.task import Task
from paramsearch.tasks.teacher import Teacher

_TASKS: dict[str, type[Bytes] | type[Digits] | type[Teacher]] = {
    "bytes": Bytes,
    "digits": Digits,
    "teacher": Teacher,
}


def task_names() -> list[str]:
    """List the tasks that can be loaded.

    Returns:
        The names, sorted.

    Example:
        >>> task_names()
        ['bytes', 'digits', 'teacher']
    """
    return sorted(_TASKS)


def load_task(name: str, device: str | torch.device = "cpu", seed: int = 0) -> Task:
    """Load a task by name, its data resident on the device.

    Args:
        name: One of ``task_names()``.
        device: Where batches are wanted.
        seed: Chooses the training batches; data, held-out examples and teacher never change.

    Returns:
        The task.

    Raises:
        ParamsearchError: No such task; lists those that exist.

    Example:
        >>> inputs, target = load_task("digits").batch(0)
        >>> tuple(inputs.shape), tuple(target.shape)
        ((64, 64), (64,))
    """
    if name not in _TASKS:
        raise unknown_name("task", name, _TASKS)
    return _TASKS[name](device, seed)
