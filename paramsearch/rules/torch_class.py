"""Optimizer classes by dotted name: found, checked, and made with the settings they take."""

import inspect
from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor

from paramsearch.catalog import load_attribute
from paramsearch.errors import FAILURES, ParamsearchError, out_of_memory, said, unknown_name

OptimizerClass = type[torch.optim.Optimizer]


def load_class(name: str) -> OptimizerClass:
    """Import an optimizer class.

    Args:
        name: ``module:Class``, for instance ``torch.optim:RMSprop``.

    Returns:
        The class.

    Raises:
        ParamsearchError: The module cannot be imported or has no such class, or it is not a
            subclass of ``torch.optim.Optimizer``, or needs arguments that nobody gives.

    Example:
        >>> load_class("torch.optim:RMSprop").__name__
        'RMSprop'
    """
    found = load_attribute("optimizer", name, "Class")
    if not (isinstance(found, type) and issubclass(found, torch.optim.Optimizer)):
        raise ParamsearchError(
            f"optimizer '{name}': received {found!r}; allowed: a subclass of torch.optim.Optimizer"
        )
    _check_arguments(name, found)
    return found


def unknown_optimizer(name: str, known: Iterable[str]) -> ParamsearchError:
    """Make the error for a name that is not in a table of optimizers.

    Example:
        >>> print(unknown_optimizer("torch.optim.Adam", ["adam"]))
        unknown optimizer 'torch.optim.Adam'; a class is given as module:Class: 'torch.optim:Adam'
    """
    module, dot, attribute = name.rpartition(".")
    if not (dot and module and attribute):
        return unknown_name("optimizer", name, known)
    return ParamsearchError(
        f"unknown optimizer '{name}'; a class is given as module:Class: '{module}:{attribute}'"
    )


def takes(found: OptimizerClass, setting: str) -> bool:
    """Say whether the constructor takes a setting as a number; ``**others`` are taken to hold lr.

    Example:
        >>> takes(torch.optim.Adafactor, "lr"), takes(torch.optim.Adafactor, "eps")
        (True, False)
    """
    parameters = inspect.signature(found).parameters
    parameter = parameters.get(setting)
    if parameter is None:
        return setting == "lr" and any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    required = parameter.default is inspect.Parameter.empty
    return required or isinstance(parameter.default, int | float | Tensor)


def construct(
    name: str, groups: Iterable[Tensor] | list[dict[str, Any]], **settings: float
) -> torch.optim.Optimizer:
    """Make an optimizer of a class given by name.

    Args:
        name: ``module:Class``.
        groups: Parameters or param groups.
        **settings: ``lr`` and whatever else the class takes.

    Returns:
        The optimizer.

    Raises:
        ParamsearchError: The class cannot be loaded, or refuses what it is given.
    """
    make = cast(Any, load_class(name))
    try:
        return make(groups, **settings)
    except FAILURES as error:  # foreign code may refuse in any way
        if out_of_memory(error):
            raise
        raise ParamsearchError(
            f"optimizer '{name}' cannot be made with {', '.join(settings)} ({said(error)})"
        ) from error


def step_once(name: str, optimizer: torch.optim.Optimizer) -> None:
    """Make one step, from the gradients that the parameters hold.

    Raises:
        ParamsearchError: The step fails: it needs a closure, say, or sparse gradients.
        RuntimeError: Memory runs out; or MemoryError.
    """
    try:
        optimizer.step()
    except FAILURES as error:  # foreign code may fail in any way
        if out_of_memory(error):
            raise
        raise ParamsearchError(
            f"optimizer '{name}' cannot make a step from dense gradients alone ({said(error)})"
        ) from error


def _check_arguments(name: str, found: OptimizerClass) -> None:
    parameters = inspect.signature(found).parameters
    arguments = list(parameters.values())
    by_place = [p for p in arguments if p.kind not in (p.KEYWORD_ONLY, p.VAR_KEYWORD)]
    if not by_place:
        raise ParamsearchError(f"optimizer '{name}' takes no parameters, which it would train")
    loose = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [
        p.name
        for p in arguments
        if p is not by_place[0] and p.default is p.empty and p.kind not in loose and p.name != "lr"
    ]
    if needed:
        raise ParamsearchError(
            f"optimizer '{name}' needs {', '.join(needed)}; allowed: classes that need no more "
            "than parameters and lr"
        )
    if "lr" not in parameters and not any(p.kind is p.VAR_KEYWORD for p in arguments):
        raise ParamsearchError(f"optimizer '{name}' takes no lr, which a rule scales")
