"""What an adapter gives: the parts of an architecture made of another library's model."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from paramsearch.errors import ParamsearchError, brief


@dataclass(frozen=True, slots=True)
class Adapted:
    """The parts of an architecture.

    Attributes:
        build: Makes the model: ``build(**task.dims, **scale, **options)``; can be pickled.
        axes: Axis name -> base size.
        options: Option name -> default, see `Arch.options`.
        settings: What the user set, under the names of axes and options.
        task: The task that the model is trained on by default.
        vocabulary: Base size of axis ``vocabulary``, see `Arch`; None without tokens.
    """

    build: Callable[..., nn.Module]
    axes: Mapping[str, int]
    options: Mapping[str, object]
    settings: Mapping[str, object]
    task: str
    vocabulary: int | None = None


def library(name: str, extra: str, arch: str, oldest: int = 0) -> Any:
    """Import the library that an adapter needs.

    Args:
        name: The library.
        extra: The extra that installs it.
        arch: What needs it, for errors (``"hf:llama"``).
        oldest: The oldest major version that will do.

    Returns:
        The module.

    Raises:
        ParamsearchError: It is not installed, too old, or cannot be imported; says why.
    """
    hint = f"pip install 'paramsearch[{extra}]'"
    try:
        found = importlib.import_module(name)
    except Exception as error:  # a broken pair of compiled packages raises anything
        if isinstance(error, ModuleNotFoundError) and error.name == name:
            raise ParamsearchError(
                f"architecture '{arch}' needs the extra '{extra}': {hint}"
            ) from error
        raise ParamsearchError(
            f"architecture '{arch}' needs {name}, whose import fails with "
            f"{type(error).__name__}: {brief(error)}; install it and what it needs for your build "
            f"of torch: {hint}"
        ) from error
    if int(found.__version__.split(".")[0]) < oldest:
        raise ParamsearchError(
            f"architecture '{arch}': received {name} {found.__version__}; allowed: {oldest} or "
            "newer"
        )
    return found


def axis_settings(
    arch: str, settings: Mapping[str, object], field: str, axis: str
) -> dict[str, object]:
    """Make a setting of an axis and of the size that it starts from the same thing.

    Args:
        arch: Whose settings they are, for errors (``"hf:llama"``).
        settings: Name -> value.
        field: The size that the axis moves, for instance ``hidden_size``.
        axis: The axis, for instance ``width``.

    Returns:
        The settings, with both where one is given.

    Raises:
        ParamsearchError: Both are given and differ.

    Example:
        >>> axis_settings("hf:llama", {"hidden_size": "64"}, "hidden_size", "width")
        {'hidden_size': '64', 'width': '64'}
    """
    given = {str(settings[name]) for name in (field, axis) if name in settings}
    if len(given) > 1:
        raise ParamsearchError(
            f"architecture '{arch}': {axis} is the base of {field}; received {axis}="
            f"{settings[axis]} and {field}={settings[field]}; allowed: one of them"
        )
    value = settings.get(field, settings.get(axis))
    return {**settings, **({} if value is None else {field: value, axis: value})}
