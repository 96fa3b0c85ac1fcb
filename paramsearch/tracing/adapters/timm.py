"""Adapter ``timm:NAME``: an image model of ``timm`` whose sizes are keyword arguments.

What works is what the model's class takes as keywords and its maker lets through: vision
transformers (``vit``, ``deit``), ``resnet``, ``resnetv2``, ``convnext``, ``swin`` and their kin;
not ``efficientnet`` or ``regnet``, whose sizes stand in tables.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import NoneType
from typing import Any

import torch
from torch import Tensor, nn

from paramsearch.errors import ParamsearchError
from paramsearch.tracing.adapters.adapted import Adapted, axis_settings, library
from paramsearch.tracing.options import Free, default_of, whole

_STAGES = (1, 2, 4, 8)  # widths of the stages, in widths
_WIDTHS = {
    "embed_dim": 1.0,
    "channels": _STAGES,
    "dims": _STAGES,
    "stem_chs": 1.0,
    "stem_width": 0.5,
}
_DEPTHS = {"depth": 1, "num_blocks": 1, "depths": 4, "layers": 4}  # numbers of stages
_OF_THE_TASK = ("img_size", "in_chans", "num_classes")
_NO_OPTIONS = (*_OF_THE_TASK, *_WIDTHS, *_DEPTHS, "device", "dtype", "output_stride", "block_args")


def timm(name: str, settings: Mapping[str, object]) -> Adapted:
    """Adapt an image model of timm; nothing is downloaded.

    Axes are ``width`` and ``depth``. They set the keyword arguments that the model's class has for
    its sizes: ``embed_dim`` and ``depth`` of a vision transformer; of a network of four stages
    ``channels`` or ``dims``, which are 1, 2, 4 and 8 times ``width``, and ``layers`` or ``depths``,
    all ``depth``. Options are the other keyword arguments; whole numbers among them, such as
    ``num_heads``, may be named as an axis too. Dropout is off.

    Args:
        name: Name of the model, for instance ``"resnet18"`` or ``"vit_tiny_patch16_224"``.
        settings: What the user sets: keyword arguments and axes.

    Returns:
        The parts of the architecture.

    Raises:
        ParamsearchError: timm or torchvision cannot be imported, there is no such model, or its
            class has no keyword argument for a width.
    """
    where = f"timm:{name}"
    found = library("timm", "timm", where)
    known: list[str] = found.list_models()
    if name not in known:
        near = get_close_matches(name, known, n=3)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ParamsearchError(f"unknown timm model '{name}'{hint} (timm.list_models() lists all)")
    keywords = _keywords(_class_of(found, name))
    if not {"embed_dim", "channels", "dims"} & set(keywords):
        raise ParamsearchError(
            f"architecture '{where}': its class takes {', '.join(keywords)}; a width needs one of "
            "embed_dim, channels, dims; choose another model, or write an architecture file"
        )
    staged = bool({"depths", "layers"} & set(keywords))
    named = axis_settings(where, settings, "embed_dim", "width") if not staged else dict(settings)
    named.pop("embed_dim", None)
    axes = {
        axis: whole(f"architecture '{where}': {axis}", named.get(axis, size))
        for axis, size in (("width", 8 if staged else 32), ("depth", 2))
    }
    options = {
        key: _option(key, default, shrinks=bool({"channels", "dims"} & set(keywords)))
        for key, default in keywords.items()
        if key not in _NO_OPTIONS
    }
    build = ImageModel(name, keywords, {key: default_of(o) for key, o in options.items()})
    return Adapted(build, axes, options, named, "digits")


def _class_of(library: Any, name: str) -> type[nn.Module]:
    model: nn.Module
    try:
        with torch.device("meta"):
            model = library.create_model(name)
    except Exception:  # it computes with values: build it for real
        model = library.create_model(name)
    return type(model)


def _keywords(kind: type[nn.Module]) -> dict[str, object]:
    """Give the keyword arguments of a class that have plain values, with their defaults."""
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
    found: dict[str, object] = {
        p.name: None if p.default is p.empty else p.default
        for p in parameters
        if p.kind is not p.VAR_KEYWORD and not p.name.endswith(("_layer", "_fn"))
    }
    plain = (int, float, str, tuple, NoneType)
    return {name: value for name, value in found.items() if isinstance(value, plain)}


def _option(key: str, default: object, shrinks: bool) -> object:
    """Give the default of an option: small images, few heads, a stem that grows, no dropout."""
    match key:
        case "patch_size":
            return 1 if shrinks else 2
        case "num_heads":
            return Free([2 * share for share in _STAGES]) if isinstance(default, tuple) else 2
        case "stem_type" if default == "":  # the usual stem of a ResNet has 64 channels, always
            return "deep"
        case _ if "drop" in key and isinstance(default, float):
            return 0.0
        case _:
            return default if isinstance(default, bool | int | float | str) else Free(default)


@dataclass(frozen=True)
class ImageModel:
    """Builds the model; the arguments are dims of a task, axes and options.

    Attributes:
        name: Name of the model in timm.
        keywords: Keyword arguments of its class, with the class's defaults.
        defaults: Option -> our default; what differs from the class's default is handed over.
    """

    name: str
    keywords: Mapping[str, object]
    defaults: Mapping[str, object]

    def __call__(
        self, inputs: int, outputs: int, width: int, depth: int, channels: int = 1, **options: Any
    ) -> nn.Module:
        """Build it with random weights, as timm initializes them."""
        side = round((inputs / channels) ** 0.5)
        if channels * side**2 != inputs:
            raise ValueError(f"{inputs} inputs are no square image of {channels} channel(s)")
        given = {key: value for key, value in options.items() if value != self.keywords.get(key)}
        given |= {key: _wide(share, width) for key, share in _WIDTHS.items()}
        given |= {key: (depth,) * n if n > 1 else depth for key, n in _DEPTHS.items()}
        given |= {"img_size": side}
        given = {key: value for key, value in given.items() if key in self.keywords}
        timm = library("timm", "timm", f"timm:{self.name}")
        try:
            model = timm.create_model(self.name, num_classes=outputs, in_chans=channels, **given)
        except TypeError as error:
            if "multiple values" not in str(error):
                raise
            raise ValueError(f"timm fixes sizes of {self.name}: {error}") from error
        return Flat(model, channels, side)


def _wide(share: float | tuple[int, ...], width: int) -> int | tuple[int, ...]:
    if isinstance(share, tuple):
        return tuple(part * width for part in share)
    return max(1, round(share * width))


class Flat(nn.Module):
    """Gives flat images to a model, as images.

    Attributes:
        model: The model.
    """

    def __init__(self, model: nn.Module, channels: int, side: int):
        """Take the model and the shape of an image."""
        super().__init__()
        self.model, self._shape = model, (channels, side, side)

    def forward(self, pixels: Tensor) -> Tensor:
        """Map (batch, channels * side * side) to logits (batch, outputs)."""
        return self.model(pixels.unflatten(-1, self._shape))
