"""Tasks of users: a Python file that defines ``task``, found by its path."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch

from paramsearch.catalog import load_module
from paramsearch.errors import FAILURES, ParamsearchError, said
from paramsearch.tasks.contract import check_task
from paramsearch.tasks.spec import Value
from paramsearch.tasks.task import Task


def load_maker(name: str) -> Callable[..., Any]:
    """Give what a file defines as ``task``: a function or class that makes the task.

    Args:
        name: Path of the file; it ends in ``.py``.

    Returns:
        ``task``, to be called as ``task(device, seed, **options)``.

    Raises:
        ParamsearchError: No such file, it cannot be run, or it defines no such thing.
    """
    path = Path(name).expanduser()
    if not path.is_file():
        raise ParamsearchError(f"task file '{name}' does not exist")
    found: object = getattr(load_module(path), "task", None)
    if not callable(found):
        raise ParamsearchError(
            f"{path} must define `task`, a function or class with `task(device, seed)` giving a "
            f"paramsearch.Task; received task = {found!r}"
        )
    return cast(Callable[..., Any], found)


def make_task(
    name: str,
    make: Callable[..., Any],
    device: str | torch.device,
    seed: int,
    chosen: dict[str, Value],
) -> Task:
    """Make a user's task and check that it keeps the contract.

    Args:
        name: Path of its file, for errors.
        make: What the file defines as ``task``.
        device: Where batches are wanted.
        seed: Chooses the training batches.
        chosen: Options.

    Returns:
        The task.

    Raises:
        ParamsearchError: It fails, makes something else, or what it gives does not fit its dims.
    """
    if inspect.isabstract(make):
        missing = ", ".join(sorted(cast(Any, make).__abstractmethods__))
        raise ParamsearchError(f"{name}: task {make.__name__} lacks methods: {missing}")
    try:
        made: object = make(device, seed, **chosen)
        if isinstance(made, Task):
            check_task(made)
            return made
    except ParamsearchError as error:
        raise ParamsearchError(f"{name}: {error}") from error
    except FAILURES as error:
        reason = f"{type(error).__name__}: {said(error)}"
        raise ParamsearchError(f"{name}: task(device, seed) fails: {reason}") from error
    raise ParamsearchError(
        f"{name}: task(device, seed) must give a paramsearch.Task; received {made!r}"
    )
