"""Sites: places where a rule scales an activation, and the tensors that can do it in their stead.

A multiplier at a site is *folded* onto the tensors to which the site's value is proportional: the
last layer of a residual branch, the projection that makes q, the norm before a tied readout. (A
readout that is not tied is no site: its own tensor takes the multiplier.) That a fold is safe is
proved by running the model both ways, with the tensors scaled and with the site scaled, on
parameters that are shaken so that nothing starts at zero: both must give the same output.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._pytree import tree_leaves

from paramsearch.tracing.run import seeded
from paramsearch.tracing.sites.marks import Key, Sighting
from paramsearch.tracing.sites.run import SiteRun

_FACTOR = 2.0  # a power of two: products by it are exact
_SHAKE = 0.5
_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Site:
    """A place in a model that is not a parameter, and the tensors that stand in for it.

    Attributes:
        kind: ``branch`` where a residual branch joins its stream, ``logits`` at a product q.k,
            ``readout`` at a product with a table in which embeddings were looked up.
        module: Path of the module in which it lies; empty for the model itself.
        tensors: Names of the tensors onto which its multiplier folds; if it cannot, the nearest
            one before it.
        size: Size of a head at logits; 0 at other sites.
        gain: The constant factor that the model's own code has there.
        reason: Why its multiplier cannot be folded; empty if it can.
    """

    kind: str
    module: str
    tensors: tuple[str, ...]
    size: int
    gain: float
    reason: str = ""


@dataclass(frozen=True)
class Call:
    """What a model is called with.

    Attributes:
        args: Positional arguments.
        kwargs: Keyword arguments.
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, inputs: Any) -> "Call":
        """Take a tensor, a tuple of arguments or a mapping of keyword arguments.

        Example:
            >>> Call.of({"x": 1}).kwargs
            {'x': 1}
        """
        if isinstance(inputs, Mapping):
            return cls((), dict(inputs))  # pyright: ignore[reportUnknownArgumentType]
        return cls(cast(tuple[Any, ...], inputs) if isinstance(inputs, tuple) else (inputs,))


def find_sites(model: nn.Module, call: Call, prove: bool = True) -> tuple[Site, ...]:
    """Find the sites of a model by running it.

    Args:
        model: Left as it is.
        call: What it is called with.
        prove: Whether to prove the folds; without, every site counts as one that can be folded.

    Returns:
        The sites in the order in which they are met.

    Example:
        >>> class Block(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.up, self.down = nn.Linear(4, 8), nn.Linear(8, 4)
        ...     def forward(self, x):
        ...         return x + self.down(self.up(x).tanh())
        >>> [(site.kind, site.tensors) for site in find_sites(Block(), Call((torch.ones(3, 4),)))]
        [('branch', ('down.weight', 'down.bias'))]
    """
    parameters = {name: p.detach().requires_grad_() for name, p in model.named_parameters()}
    with SiteRun(model, parameters, (call.args, call.kwargs)) as run:
        _output(model, parameters, call)
    folds = {key for key, seen in run.found.items() if key.carriers and not seen.shared}
    safe = _proved(model, call, folds) if prove else folds
    order = {name: place for place, name in enumerate(parameters)}
    # What adds to its own input inside a branch is part of the branch, if nothing folds onto it.
    left_out = run.inner() - safe
    return tuple(
        _site(seen, seen.key in safe or not prove, order)
        for key, seen in run.found.items()
        if key not in left_out
    )


def _site(seen: Sighting, safe: bool, order: Mapping[str, int]) -> Site:
    key = seen.key
    near = (seen.near or next(iter(order), ""),)
    tensors = tuple(sorted(key.carriers, key=order.__getitem__)) if safe else near
    return Site(key.kind, key.module, tensors or near, seen.size, seen.gain, _reason(seen, safe))


def _reason(seen: Sighting, safe: bool) -> str:
    if safe:
        return ""
    if seen.key.kind == "branch":
        return "the branch does not end in a layer whose weight it is proportional to"
    if seen.key.kind == "readout":
        return "its input is not proportional to a tensor that makes nothing else"
    if seen.shared:
        largest = min(seen.shared, key=lambda name: (name.endswith("bias"), name))
        return f"q and k come from one tensor, {largest}"
    return "q is not proportional to a weight that makes nothing else"


def _proved(model: nn.Module, call: Call, folds: set[Key]) -> set[Key]:
    """Keep the folds under which the model computes what it computes with its sites scaled."""
    safe: set[Key] = set()
    for kind in dict.fromkeys(key.kind for key in folds):
        keys = frozenset(key for key in folds if key.kind == kind)
        if _agree(model, call, keys):
            safe |= keys
            continue
        for carriers in {key.carriers for key in keys}:
            alike = frozenset(key for key in keys if key.carriers == carriers)
            safe |= alike if _agree(model, call, alike) else frozenset()
    return safe


def _agree(model: nn.Module, call: Call, keys: frozenset[Key]) -> bool:
    """Say whether scaling the tensors gives the same output as scaling the sites."""
    shaken = _shaken(model)
    names = frozenset[str]().union(*(key.carriers for key in keys))
    scaled = {n: (p * _FACTOR).detach() if n in names else p for n, p in shaken.items()}
    grown = {name: value.requires_grad_() for name, value in scaled.items()}
    try:
        folded = _output(model, grown, call)
        with SiteRun(model, shaken, (call.args, call.kwargs), keys, _FACTOR):
            direct = _output(model, shaken, call)
    except Exception:  # the model does not run with these parameters, so nothing is proved
        return False
    return len(folded) == len(direct) and all(map(_close, folded, direct))


def _close(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape or not bool(other.isfinite().all()):
        return False
    return bool((one - other).abs().max() <= _TOLERANCE * other.abs().max())


def _shaken(model: nn.Module) -> dict[str, Tensor]:
    """Give the parameters plus noise, small beside a usual start."""
    generator = torch.Generator().manual_seed(0)

    def noise(p: Tensor) -> Tensor:
        fan = p[0].numel() if p.ndim > 1 else 25
        return torch.randn(p.shape, generator=generator) * _SHAKE * max(fan, 1) ** -0.5

    return {
        name: (p.detach() + noise(p).to(p.device, p.dtype)).requires_grad_()
        for name, p in model.named_parameters()
    }


def _output(model: nn.Module, parameters: Mapping[str, Tensor], call: Call) -> list[Tensor]:
    """Run the model; its own parameters and buffers stay as they are."""
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    with seeded():
        output: Any = functional_call(
            model, {**parameters, **buffers}, call.args, dict(call.kwargs or {})
        )
    return list(_floats(tree_leaves(output)))


def _floats(leaves: Sequence[Any]) -> Iterable[Tensor]:
    for leaf in leaves:
        if isinstance(leaf, Tensor) and leaf.is_floating_point() and leaf.numel():
            yield leaf.detach()
