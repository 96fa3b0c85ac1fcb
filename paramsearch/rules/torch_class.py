"""Optimizer classes by dotted name: found, checked, and made with the settings they take."""

import importlib
import inspect
from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor

from paramsearch.errors import ParamsearchError, said

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
    module_name, _, class_name = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # a module may fail in any way when it runs
        raise ParamsearchError(
            f"optimizer '{name}': module '{module_name}' cannot be imported ({said(error)}); "
            "allowed: module:Class with a module on Python's path"
        ) from error
    found = getattr(module, class_name, None)
    if found is None:
        raise ParamsearchError(
            f"optimizer '{name}': module '{module_name}' has no class '{class_name}'"
        )
    if not (isinstance(found, type) and issubclass(found, torch.optim.Optimizer)):
        raise ParamsearchError(
            f"optimizer '{name}': received {found!r}; allowed: a subclass of torch.optim.Optimizer"
        )
    _check_arguments(name, found)
    return found


def takes(found: OptimizerClass, setting: str) -> bool:
    """Say whether the constructor takes a setting as a number.

    Example:
        >>> takes(torch.optim.Adafactor, "lr"), takes(torch.optim.Adafactor, "eps")
        (True, False)
    """
    parameter = inspect.signature(found.__init__).parameters.get(setting)
    if parameter is None:
        return False
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
    except Exception as error:  # foreign code may refuse in any way
        raise ParamsearchError(
            f"optimizer '{name}' cannot be made with {', '.join(settings)} ({said(error)})"
        ) from error


def step_once(name: str, optimizer: torch.optim.Optimizer) -> None:
    """Make one step, from the gradients that the parameters hold.

    Raises:
        ParamsearchError: The step fails: it needs a closure, say, or sparse gradients.
    """
    try:
        optimizer.step()
    except Exception as error:  # foreign code may fail in any way
        raise ParamsearchError(
            f"optimizer '{name}' cannot make a step from dense gradients alone ({said(error)})"
        ) from error


def _check_arguments(name: str, found: OptimizerClass) -> None:
    parameters = dict(inspect.signature(found.__init__).parameters)
    _, _, *others = parameters.values()
    loose = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [
        p.name
        for p in others
        if p.default is inspect.Parameter.empty and p.kind not in loose and p.name != "lr"
    ]
    if needed:
        raise ParamsearchError(
            f"optimizer '{name}' needs {', '.join(needed)}; allowed: classes that need no more "
            "than parameters and lr"
        )
    if "lr" not in parameters:
        raise ParamsearchError(f"optimizer '{name}' takes no lr, which a rule scales")
