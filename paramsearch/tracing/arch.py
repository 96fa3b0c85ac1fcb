"""Load an architecture: shipped, from a user's file or factory, or of another library."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from paramsearch.catalog import find, load_module
from paramsearch.errors import ParamsearchError
from paramsearch.tracing.adapters.table import adapter_of
from paramsearch.tracing.architecture import Arch as Arch
from paramsearch.tracing.axes import DECLARES, split


def load_arch(name: str, options: Mapping[str, object] | None = None) -> Arch:
    """Load an architecture by shipped name or by path.

    Args:
        name: For instance ``"mlp"`` or ``"my/model.py"``; with a preset, ``"gpt:llama"``; from
            another library, ``"hf:llama"`` or ``"timm:resnet18"``; or a function or class that
            makes the model, ``"mypkg.model:build"``.
        options: Option or axis -> value, or the text of one; an axis gets a new base size. An axis
            is declared by ``{"axis:width": "hidden_size"}``, see `Arch.along`.

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
    options = options or {}
    if adapter := adapter_of(name):
        plain, axes = split(options)
        parts = adapter(plain)
        made = Arch(
            parts.build,
            parts.axes,
            parts.task,
            options=parts.options,
            vocabulary=parts.vocabulary,
            name=name,
        )
        return made.having({**parts.settings, **{DECLARES + a: text for a, text in axes.items()}})
    file, preset = _split(name)
    path = _file(file, preset)
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
    return arch.having(options)


def _split(name: str) -> tuple[str, str | None]:
    """Split ``file:preset``; a colon inside a path belongs to the path."""
    file, colon, preset = name.rpartition(":")
    if not colon or "/" in preset or preset.endswith(".py"):
        return name, None
    return file, preset


def _file(name: str, preset: str | None) -> Path:
    """Find the file of an architecture."""
    try:
        return find("architecture", name)
    except ParamsearchError as error:
        if preset is None or "/" in name or name.endswith(".py"):
            raise
        raise ParamsearchError(
            f"{error}, nor is there a module '{name}' in the working directory or on Python's path"
        ) from error


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
    vocabulary = cast(object, arch.vocabulary)
    if vocabulary is not None and (type(vocabulary) is not int or vocabulary < 1):
        raise ParamsearchError(
            f"{path}: vocabulary: received {vocabulary!r}; allowed: a whole number of at least 1, "
            "or None"
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
