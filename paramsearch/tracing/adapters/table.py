"""The table of adapters: a prefix of names, and what makes an architecture of the rest."""

from collections.abc import Callable, Mapping
from functools import partial

from paramsearch.tracing.adapters.adapted import Adapted
from paramsearch.tracing.adapters.hf import hf
from paramsearch.tracing.adapters.timm import timm
from paramsearch.tracing.factory import factory, is_factory

ADAPTERS: dict[str, Callable[[str, Mapping[str, object]], Adapted]] = {"hf": hf, "timm": timm}


def adapter_of(name: str) -> Callable[[Mapping[str, object]], Adapted] | None:
    """Find the adapter of an architecture, or its factory: settings -> its parts.

    Args:
        name: Of the architecture.

    Returns:
        The adapter, or None if the name has the prefix of none and is no ``module:function``.

    Example:
        >>> adapter_of("gpt:llama") is None
        True
    """
    prefix, colon, model = name.partition(":")
    if colon and prefix in ADAPTERS:
        return partial(ADAPTERS[prefix], model)
    return partial(factory, name) if is_factory(name) else None
