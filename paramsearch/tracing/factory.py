"""A model factory of the user's own, by dotted name: ``mypkg.model:build`` as an architecture."""

import importlib.util
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from torch import nn

from paramsearch.catalog import load_attribute, names, working_directory
from paramsearch.errors import ParamsearchError, said
from paramsearch.tracing.adapters.adapted import Adapted
from paramsearch.tracing.options import Free, default_of

OF_THE_TASK = ("inputs", "outputs", "vocabulary", "positions", "channels", "nodes")
"""Arguments that the task fills in where a factory has them."""

_REQUIRED = object()
_VOCABULARY = 64  # base of the axis
_LOOSE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True)
class Factory:
    """Calls a function with those arguments that it has.

    Attributes:
        function: A function or class that makes the model.
        takes: Names of its arguments.
    """

    function: Callable[..., nn.Module]
    takes: tuple[str, ...]

    def __call__(self, **given: Any) -> nn.Module:
        """Build the model; what the task offers and the function does not take is left out."""
        return self.function(**{key: value for key, value in given.items() if key in self.takes})


def is_factory(name: str) -> bool:
    """Say whether a name can be that of a factory: ``module:function`` with a module that exists.

    Example:
        >>> is_factory("torch.nn:Linear"), is_factory("gpt:llama"), is_factory("my/model.py:deep")
        (True, False, False)
    """
    module, colon, function = name.partition(":")
    parts = module.split(".")
    named = all(part.isidentifier() for part in (function, *parts))
    if not (colon and named) or parts[-1] == "py" or module in names("architecture"):
        return False
    with working_directory():
        return len(parts) > 1 or importlib.util.find_spec(module) is not None


def factory(name: str, settings: Mapping[str, object]) -> Adapted:
    """Make the parts of an architecture from a function or class.

    What the task knows (``inputs``, ``outputs``, ``vocabulary``, ...) is passed where the factory
    has an argument of that name. All its other arguments are options; whole numbers among them can
    be axes.

    Args:
        name: ``module:function``; the working directory is on the path.
        settings: What the user sets: arguments.

    Returns:
        The parts of the architecture, without axes of its own.

    Raises:
        ParamsearchError: There is no such function, it cannot be called by keyword, or an argument
            without default is not set.
    """
    function = _load(name)
    parameters = [p for p in _signature(name, function).values() if p.kind not in _LOOSE]
    own = [p for p in parameters if p.name not in OF_THE_TASK]
    options: dict[str, object] = {p.name: _option(p) for p in own}
    missing = [n for n, o in options.items() if default_of(o) is _REQUIRED and n not in settings]
    if missing:
        raise ParamsearchError(
            f"architecture '{name}': argument '{missing[0]}' has no default; give it a value by "
            f"--set {missing[0]}=64"
        )
    takes = tuple(p.name for p in parameters)
    task, vocabulary = ("bytes", _VOCABULARY) if "vocabulary" in takes else ("digits", None)
    return Adapted(Factory(function, takes), {}, options, settings, task, vocabulary)


def _option(parameter: inspect.Parameter) -> object:
    if parameter.default is parameter.empty:
        return Free(_REQUIRED)
    plain = isinstance(parameter.default, bool | int | float | str)
    return parameter.default if plain else Free(parameter.default)


def _load(name: str) -> Callable[..., nn.Module]:
    found = load_attribute("architecture", name, "function")
    if not callable(found):
        raise ParamsearchError(
            f"architecture '{name}': received {found!r}; allowed: a function or class that makes "
            "the model"
        )
    return cast(Callable[..., nn.Module], found)


def _signature(name: str, function: Callable[..., nn.Module]) -> Mapping[str, inspect.Parameter]:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError) as error:
        raise ParamsearchError(
            f"architecture '{name}': its arguments are not known ({said(error)}); allowed: a "
            "function or class written in Python"
        ) from error
    bare = [p.name for p in parameters.values() if p.kind is p.POSITIONAL_ONLY]
    if bare:
        raise ParamsearchError(
            f"architecture '{name}': argument '{bare[0]}' has no keyword; allowed: arguments that "
            "can be given by name"
        )
    return parameters
