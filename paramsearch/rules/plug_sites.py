"""Find the sites of a user's model, and what the base model tells of them, when a rule needs it."""

import re
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import log2
from typing import Any, cast

import torch
from torch import nn

from paramsearch.errors import ParamsearchError, brief
from paramsearch.rules.multiplied import multipliers_of, set_multipliers
from paramsearch.rules.rule import Rule
from paramsearch.tracing.run import seeded
from paramsearch.tracing.sites.find import Call, Site, find_sites
from paramsearch.tracing.sites.folds import Pair, with_folds
from paramsearch.tracing.tensor import SITES, TensorInfo

_ATTENTION = re.compile(r"att(n|en)|transformer|(^|\.)(q|query|q_proj|qkv)(\.|$)", re.IGNORECASE)


def with_sites(
    rule: Rule,
    tensors: Sequence[TensorInfo],
    model: nn.Module,
    base: nn.Module | Callable[[], nn.Module] | tuple[Site, ...],
    inputs: Any,
    ratios: Mapping[str, float],
) -> list[TensorInfo]:
    """Give the tensors of a model with the sites that fold onto them, if a rule speaks of sites.

    Args:
        rule: The rule.
        tensors: Of the model.
        model: Run in evaluation mode and left as it is.
        base: The base model, which is run on the same inputs; or what makes it; or its sites.
        inputs: What the model is called with; None where nobody said.
        ratios: Axis -> scale / base.

    Raises:
        ParamsearchError: The rule states multipliers that only a run can place, and there are no
            inputs or no base model to run, or it fails.
    """
    changed = [axis for axis, ratio in ratios.items() if ratio != 1]
    kinds = [k for k in SITES if any(site.match.site == k for site in rule.sites)]
    if not kinds or not changed:
        return list(tensors)
    if inputs is None:
        _check_runs_not_needed(rule, model, tensors, kinds)
        return list(tensors)
    sites = [site for site in sites_of(model, inputs, "model", True) if site.kind in kinds]
    if not sites:
        return list(tensors)
    if isinstance(base, tuple):
        base = cast(tuple[Site, ...], base)
        _check_described(rule, sites, base, kinds)
    else:
        base = sites_of(base, inputs, "base model")
    found: Sequence[TensorInfo] = tensors
    for kind in kinds:
        own = [site for site in sites if site.kind == kind]
        axis = _axis(kind, changed)
        pair = Pair(base, own, log2(ratios[axis]))
        added = with_folds(tensors, own, {axis: pair})
        pairs = zip(found, added, strict=True)
        found = [replace(one, sites=(*one.sites, *more.sites)) for one, more in pairs]
    return list(found)


def _check_described(
    rule: Rule, sites: Sequence[Site], base: Sequence[Site], kinds: Sequence[str]
) -> None:
    """Refuse a base file that lacks a kind of site which the model has."""
    lacking = {site.kind for site in sites} - {site.kind for site in base}
    if lacking:
        raise ParamsearchError(
            f"rule '{rule.name}' scales {' and '.join(k for k in kinds if k in lacking)}, which "
            "this base file does not describe; write it with save_base(..., inputs=...), what the "
            "base model is called with"
        )


def _axis(kind: str, changed: Sequence[str]) -> str:
    """Choose the axis whose change shows at a site: depth at branches, another one at heads."""
    deep = [axis for axis in changed if axis == "depth"]
    other = [axis for axis in changed if axis != "depth"]
    return (deep + other if kind == "branch" else other + deep)[0]


def _check_runs_not_needed(
    rule: Rule, model: nn.Module, tensors: Sequence[TensorInfo], kinds: Sequence[str]
) -> None:
    """Refuse to guess at sites: only running the model shows them."""
    attention, table = _attention(model), _shared_table(tensors)
    if "branch" in kinds:
        what = "residual branches"
    elif "logits" in kinds and attention is not None:
        what = f"attention logits ('{attention}')"
    elif "readout" in kinds and table is not None:
        what = f"tied readouts ('{table}')"
    else:
        return
    raise ParamsearchError(
        f"rule '{rule.name}' scales {what}, which show only when the model runs; give "
        "`inputs=`, what the model is called with"
    )


def _attention(model: nn.Module) -> str | None:
    """Name a module that looks like attention."""
    modules = cast(Iterable[tuple[str, nn.Module]], model.named_modules())
    names = [(name, type(module).__name__) for name, module in modules]
    return next((name or kind for name, kind in names if _ATTENTION.search(f"{name}.{kind}")), None)


def _shared_table(tensors: Sequence[TensorInfo]) -> str | None:
    """Name an embedding that is the readout too, or may be, since there is no other readout."""
    alone = not any(tensor.role == "output" for tensor in tensors)
    ops = ("tied", "embedding") if alone else ("tied",)
    return next((tensor.name for tensor in tensors if tensor.op in ops), None)


def sites_of(
    model: nn.Module | Callable[[], nn.Module], inputs: Any, what: str, prove: bool = False
) -> tuple[Site, ...]:
    """Find sites with the model's own multipliers off and in evaluation mode.

    Args:
        model: Left as it is; or what makes it.
        inputs: What it is called with.
        what: What to call it in the message: ``model`` or ``base model``.
        prove: Whether to prove that multipliers at the sites can be folded.

    Raises:
        ParamsearchError: The model fails.
    """
    if not isinstance(model, nn.Module):
        with seeded():
            model = model()
    try:
        with _evaluating(model), torch.enable_grad():
            return find_sites(model, Call.of(inputs), prove)
    except Exception as error:
        raise ParamsearchError(f"the {what} fails on the given inputs: {brief(error)}") from error


@contextmanager
def _evaluating(model: nn.Module) -> Generator[None]:
    training = {module: module.training for module in model.modules()}
    carried = multipliers_of(model)
    set_multipliers(model, dict.fromkeys(carried, 1.0))
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module, mode in training.items():
            module.training = mode
        set_multipliers(model, carried)
