"""An architecture: a model factory and the axes along which it scales."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from torch import nn

from paramsearch.catalog import find, load_module
from paramsearch.errors import ParamsearchError, unknown_name
from paramsearch.scale import Scale
from paramsearch.tracing.adapters.table import adapter_of
from paramsearch.tracing.options import choose, default_of, whole


def _nothing() -> dict[str, object]:
    return {}


def _no_presets() -> dict[str, Mapping[str, object]]:
    return {}


@dataclass(frozen=True)
class Arch:
    """A model factory with its axes and defaults; an architecture file defines one as ``arch``.

    Attributes:
        build: Makes the model: ``build(**task.dims, **scale, **options)``.
        axes: Axis name -> base size; each is a keyword argument of ``build``.
        task: The task that the model is trained on by default.
        ratios: Ratios of the search, smallest first; the first is 1, the base.
        options: Option name -> default value, or a tuple of the allowed values with the default
            first; each is a keyword argument of ``build``. None stands for a number left open.
        presets: Preset name -> what it sets: options, base sizes of axes, and ``task``.
        name: Set when the architecture is loaded.

    Example:
        >>> arch = Arch(nn.Linear, axes={"in_features": 3}, options={"bias": True})
        >>> arch.model({"out_features": 2}, {"in_features": 6})
        Linear(in_features=6, out_features=2, bias=True)
    """

    build: Callable[..., nn.Module]
    axes: Mapping[str, int]
    task: str = "digits"
    ratios: tuple[int, ...] = (1, 2, 4)
    options: Mapping[str, object] = field(default_factory=_nothing, kw_only=True)
    presets: Mapping[str, Mapping[str, object]] = field(default_factory=_no_presets, kw_only=True)
    name: str = field(default="model", kw_only=True)

    def model(self, dims: Mapping[str, int], scale: Scale | None = None) -> nn.Module:
        """Build the model at one scale; axes that the scale leaves out stand at their base."""
        options = {name: default_of(option) for name, option in self.options.items()}
        return self.build(**{**options, **dims, **self.axes, **(scale or {})})

    def having(self, settings: Mapping[str, object]) -> "Arch":
        """Give the architecture with options and base sizes of axes set.

        Args:
            settings: Option or axis -> value, or the text of one (``"2"``, ``"true"``, ``"none"``).

        Returns:
            The architecture; whatever is not set stays.

        Raises:
            ParamsearchError: No such option or axis, or a value that does not fit.

        Example:
            >>> load_arch("mlp").having({"depth": "4"}).axes
            {'width': 32, 'depth': 4}
        """
        where = f"architecture '{self.name}'"
        chosen = choose(where, {**self.options, **self.axes}, settings)
        axes = {
            axis: whole(f"{where}: {axis}", chosen.get(axis, size))
            for axis, size in self.axes.items()
        }
        options = {name: chosen.get(name, option) for name, option in self.options.items()}
        return replace(self, axes=axes, options=options)

    @property
    def sizes(self) -> dict[str, int]:
        """Everything that can be an axis: the axes, and the options that are whole numbers."""
        chosen = {name: default_of(option) for name, option in self.options.items()}
        named = {
            name: size
            for name, size in chosen.items()
            if type(size) is int and size > 0 and not isinstance(self.options[name], tuple)
        }
        return {**named, **self.axes}

    def along(self, axis: str) -> "Arch":
        """Give the architecture with an axis, which may be an option that is a whole number.

        Raises:
            ParamsearchError: It is neither.

        Example:
            >>> load_arch("gpt").along("heads_per_width").axes["heads_per_width"]
            2
        """
        if axis in self.axes:
            return self
        if axis not in self.sizes:
            raise unknown_name(f"axis of '{self.name}'", axis, self.sizes)
        options = {name: option for name, option in self.options.items() if name != axis}
        return replace(self, axes={**self.axes, axis: self.sizes[axis]}, options=options)

    def preset(self, name: str) -> "Arch":
        """Give the architecture as one of its presets sets it.

        Raises:
            ParamsearchError: No such preset.
        """
        if name not in self.presets:
            raise unknown_name(f"preset of architecture '{self.name}'", name, self.presets)
        settings = dict(self.presets[name])
        named = replace(self, task=str(settings.pop("task", self.task)), name=f"{self.name}:{name}")
        return named.having(settings)


def load_arch(name: str, options: Mapping[str, object] | None = None) -> Arch:
    """Load an architecture by shipped name or by path.

    Args:
        name: For instance ``"mlp"`` or ``"my/model.py"``; with a preset, ``"gpt:llama"``; from
            another library, ``"hf:llama"`` or ``"timm:resnet18"``.
        options: Option or axis -> value, or the text of one; an axis gets a new base size.

    Returns:
        The architecture that the file defines as ``arch``, with its name set.

    Raises:
        ParamsearchError: No such architecture, preset or option, a value that does not fit, or
            the file does not define an architecture.

    Example:
        >>> load_arch("mlp").axes["width"]
        32
        >>> load_arch("mlp", {"depth": "4"}).axes["depth"]
        4
    """
    if adapter := adapter_of(name):
        parts = adapter(options or {})
        made = Arch(parts.build, parts.axes, parts.task, options=parts.options, name=name)
        return made.having(parts.settings)
    file, preset = _split(name)
    path = find("architecture", file)
    found: object = getattr(load_module(path), "arch", None)
    if not isinstance(found, Arch):
        raise ParamsearchError(
            f"{path} must define `arch = paramsearch.Arch(build=..., axes={{'width': 32}})`; "
            f"received arch = {found!r}"
        )
    _check(path, found)
    arch = replace(found, name=path.stem)
    if preset is not None:
        arch = arch.preset(preset)
    return arch.having(options or {})


def _split(name: str) -> tuple[str, str | None]:
    """Split ``file:preset``; a colon inside a path belongs to the path."""
    file, colon, preset = name.rpartition(":")
    if not colon or "/" in preset or preset.endswith(".py"):
        return name, None
    return file, preset


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
    for key in ("options", "presets"):
        named: object = getattr(arch, key)
        if not isinstance(named, Mapping):
            raise ParamsearchError(
                f"{path}: {key}: received {named!r}; allowed: a mapping from names to values"
            )
    for name, settings in arch.presets.items():
        if not isinstance(cast(object, settings), Mapping):
            raise ParamsearchError(
                f"{path}: presets: received {settings!r} for '{name}'; allowed: a mapping from "
                "options, axes and 'task' to values"
            )
    twice = sorted(set(arch.options) & set(arch.axes))
    if twice:
        raise ParamsearchError(
            f"{path}: options: received '{twice[0]}', which is an axis; allowed: each name once"
        )
