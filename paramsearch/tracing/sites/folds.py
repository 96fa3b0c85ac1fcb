"""Say of every tensor which sites fold onto it, and with which powers of the ratio."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import log2
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.utils._pytree import tree_map

from paramsearch.scale import Scale
from paramsearch.tracing.sites.find import Call, Site, find_sites
from paramsearch.tracing.tensor import Fold, TensorInfo

_EXAMPLES = 8  # of a batch, enough to see what the model computes


class Pair(NamedTuple):
    """The sites of two builds of a model that differ along one axis.

    Attributes:
        small: Of the smaller build.
        large: Of the larger one.
        octaves: log2 of the ratio between them.
    """

    small: Sequence[Site]
    large: Sequence[Site]
    octaves: float = 1.0


def located(
    tensors: Sequence[TensorInfo],
    model: nn.Module,
    inputs: Any,
    build: Callable[[Scale], tuple[nn.Module, Any]],
    base: Scale,
) -> tuple[TensorInfo, ...]:
    """Give the tensors of a traced model with the sites that fold onto them.

    Powers are measured at the base, whatever the scale of the model, since that costs least: the
    base model is built once more per axis, doubled along it, and run.

    Args:
        tensors: Of the model.
        model: The traced model.
        inputs: A batch of its inputs, examples first.
        build: Gives the model at a scale and a batch of its inputs.
        base: Axis -> base size.
    """
    sites = find_sites(model, _call(inputs))
    if not sites:
        return tuple(tensors)

    def seen(scale: Scale) -> tuple[Site, ...]:
        built, batch = build(scale)
        return find_sites(built, _call(batch), prove=False)

    small = seen(base)
    pairs = {axis: Pair(small, seen({**base, axis: 2 * size})) for axis, size in base.items()}
    return with_folds(tensors, sites, pairs)


def _call(inputs: Any) -> Call:
    def few(leaf: Any) -> Any:
        return leaf[:_EXAMPLES] if isinstance(leaf, Tensor) else leaf

    return Call.of(tree_map(few, inputs))


def with_folds(
    tensors: Sequence[TensorInfo], sites: Sequence[Site], pairs: Mapping[str, Pair]
) -> tuple[TensorInfo, ...]:
    """Attach each site to its tensors, with the powers of its head size and its own factor.

    Args:
        tensors: Of a model.
        sites: Of the model.
        pairs: Axis -> the sites of two builds that differ along it. A site that either lacks
            counts as one that does not change along the axis.

    Example:
        >>> weight = TensorInfo("q", (8, 8), "linear", "hidden", 8, 8, {}, True, "hidden")
        >>> site = Site("logits", "attention", ("q",), size=8, gain=8**-0.5)
        >>> large = Site("logits", "attention", ("q",), size=16, gain=16**-0.5)
        >>> found = with_folds([weight], [site], {"width": Pair([site], [large])})
        >>> found[0].sites[0].growth, found[0].sites[0].own
        ({'width': 1.0}, {'width': -0.5})
    """
    folds: dict[str, list[Fold]] = {}
    for site in sites:
        fold = Fold(
            site.kind,
            site.module,
            growth={a: g for a, pair in pairs.items() if (g := _growth(site, pair))},
            own={a: g for a, pair in pairs.items() if (g := _own(site, pair))},
            refusal=site.reason,
        )
        for name in site.tensors:
            known = folds.setdefault(name, [])
            if all((f.kind, f.refusal) != (fold.kind, fold.refusal) for f in known):
                known.append(fold)
    return tuple(replace(tensor, sites=tuple(folds.get(tensor.name, ()))) for tensor in tensors)


def _growth(site: Site, pair: Pair) -> float:
    found = _counterparts(site, pair)
    return _power(found[1].size / found[0].size, pair.octaves) if found and site.size else 0.0


def _own(site: Site, pair: Pair) -> float:
    found = _counterparts(site, pair)
    return _power(found[1].gain / found[0].gain, pair.octaves) if found else 0.0


def _counterparts(site: Site, pair: Pair) -> tuple[Site, Site] | None:
    """Find the site in both builds, at the same place of any repeated block."""
    small, large = (
        next((s for exact in (True, False) for s in sites if _same(s, site, exact)), None)
        for sites in (pair.small, pair.large)
    )
    return (small, large) if small and large else None


def _same(one: Site, other: Site, exact: bool) -> bool:
    if exact:
        return (one.kind, one.module, one.tensors) == (other.kind, other.module, other.tensors)
    return (one.kind, _place(one.module)) == (other.kind, _place(other.module))


def _place(name: str) -> str:
    """Give a path with block numbers removed."""
    return re.sub(r"(?<![^.])\d+(?![^.])", "#", name)


def _power(ratio: float, octaves: float) -> float:
    """Give log2(ratio) / octaves, within 0.05 of a multiple of 1/2 that multiple."""
    exact = log2(ratio) / octaves
    near = round(2 * exact) / 2
    return near + 0.0 if abs(exact - near) <= 0.05 else round(exact, 3)
