"""An architecture: a model factory and the axes along which it scales."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from torch import nn

from paramsearch.catalog import find, load_module
from paramsearch.errors import ParamsearchError
from paramsearch.scale import Scale


@dataclass(frozen=True)
class Arch:
    """A model factory with its axes and defaults; an architecture file defines one as ``arch``.

    Attributes:
        build: Makes the model: ``build(**task.dims, **scale)``.
        axes: Axis name -> base size; each is a keyword argument of ``build``.
        task: The task that the model is trained on by default.
        ratios: Ratios of the search, smallest first; the first is 1, the base.
        name: Set when the architecture is loaded.
    """

    build: Callable[..., nn.Module]
    axes: Mapping[str, int]
    task: str = "digits"
    ratios: tuple[int, ...] = (1, 2, 4)
    name: str = field(default="model", kw_only=True)

    def model(self, dims: Mapping[str, int], scale: Scale | None = None) -> nn.Module:
        """Build the model at one scale; axes that the scale leaves out stand at their base."""
        return self.build(**dims, **{**self.axes, **(scale or {})})


def load_arch(name: str) -> Arch:
    """Load an architecture by shipped name or by path.

    Args:
        name: For instance ``"mlp"`` or ``"my/model.py"``.

    Returns:
        The architecture that the file defines as ``arch``, with its name set.

    Raises:
        ParamsearchError: No such architecture, or the file does not define one.

    Example:
        >>> load_arch("mlp").axes["width"]
        32
    """
    path = find("architecture", name)
    found: object = getattr(load_module(path), "arch", None)
    if not isinstance(found, Arch):
        raise ParamsearchError(
            f"{path} must define `arch = paramsearch.Arch(build=..., axes={{'width': 32}})`; "
            f"received arch = {found!r}"
        )
    _check(path, found)
    return Arch(found.build, found.axes, found.task, found.ratios, name=path.stem)


def _check(path: Path, arch: Arch) -> None:
    """Check what the file states; types are only hints in Python."""
    axes = cast(object, arch.axes)
    if not isinstance(axes, Mapping) or not axes:
        raise ParamsearchError(
            f"{path}: axes: received {axes!r}; allowed: axis name -> base size, for instance "
            "{'width': 32}"
        )
    for axis, size in cast(Mapping[object, object], axes).items():
        if type(size) is not int or size < 1:
            raise ParamsearchError(
                f"{path}: axes: received base size {size!r} of '{axis}'; allowed: a whole number "
                "of at least 1"
            )
    if not callable(arch.build):
        raise ParamsearchError(
            f"{path}: build: received {arch.build!r}; allowed: a function or class that makes the "
            "model"
        )
