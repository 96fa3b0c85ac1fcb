"""Plug a rule into a model: initial values, multipliers, and parameter groups for torch.optim."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from paramsearch.rules.base import Base, BaseSource, load_base
from paramsearch.rules.degrees import degrees
from paramsearch.rules.draws import InitLaw, draw, law_for
from paramsearch.rules.multiplied import multipliers_of, set_multipliers
from paramsearch.rules.param_groups import DECAYS, Decay, ParamGroup, decay_factor, param_groups
from paramsearch.rules.plug_checks import (
    check_branches_show,
    check_decay,
    check_names_match,
    check_roles_show,
    check_same_architecture,
    check_trains,
    check_values,
)
from paramsearch.rules.plug_sites import with_sites
from paramsearch.rules.ratios import complete_ratios
from paramsearch.rules.resolve import Factors, resolve
from paramsearch.rules.rule import Rule
from paramsearch.tracing.static import describe
from paramsearch.tracing.tensor import TensorInfo


def apply(
    rule: Rule,
    model: nn.Module,
    base: BaseSource,
    *,
    lr: float,
    weight_decay: float = 0.0,
    eps: float = 1e-8,
    decay: Decay = "rule",
    ratios: Mapping[str, float] | None = None,
    generator: torch.Generator | None = None,
    inputs: Any = None,
) -> list[ParamGroup]:
    """Plug a rule into a model that was built at any scale.

    Every trainable tensor starts at ``ratio ** init`` times its law in the base model, enters the
    forward pass times ``ratio ** multiplier``, and trains with ``lr * ratio ** lr``; weight decay
    and eps alike. Frozen tensors and buffers stay as they are. Wrap the model in
    ``DistributedDataParallel`` or compile it before or after; with FSDP2, call ``fully_shard``
    before, since it replaces the parameters (or after, and look them up again by name).

    Weight decay is what an optimizer of torch is given: AdamW and SGD take ``lr * weight_decay``
    off a tensor. A rule that states no ``weight_decay`` leaves it as it is, so that this share
    shrinks where the learning rate does; ``decay="independent"`` keeps the share that it has in
    the base model.

    Args:
        rule: The rule.
        model: Changed in place: initial values and multipliers; its ``state_dict`` keys stay.
        base: The base model, freshly built; or a function that builds it, which is called several
            times and measures initial values more sharply; or the path of a file that `save_base`
            wrote.
        lr: Learning rate tuned on the base model.
        weight_decay: Of the base model, as ``torch.optim`` takes it.
        eps: Of the base model, for Adam and AdamW.
        decay: ``rule``: weight decay follows the rule; ``independent``: ``lr * weight_decay`` is
            that of the base in every group, for a rule that states no ``weight_decay``.
        ratios: Axis -> scale / base, where shapes do not show it (depth) or not clearly.
        generator: Of the initial values, on the CPU; torch's default one if left out.
        inputs: Inputs of one batch, for a model with parameters in modules of its own whose role
            follows only from running it.

    Returns:
        Parameter groups: ``torch.optim.AdamW(groups)``; each has ``params``, ``lr``,
        ``weight_decay``, for Adam and AdamW ``eps``, and says what it is: ``name``, ``role``, and
        the names of its parameters, ``tensors``.

    Raises:
        ParamsearchError: Tensors that the rule does not match (all are listed), names in the rule
            that no tensor has, ratios that the shapes do not tell, or a base that does not fit.

    Example:
        >>> def mlp(width):
        ...     return nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, 4))
        >>> groups = apply(Rule.load("mup"), mlp(64), base=lambda: mlp(16), lr=0.01)
        >>> [(group["name"], group["lr"]) for group in groups]
        [('input', 0.01), ('vector', 0.01), ('output', 0.0025), ('scalar', 0.01)]
    """
    known = degrees(rule.optimizer)
    check_decay(rule, decay, DECAYS)
    model = _inner(model)
    check_values(model, "model")
    check_trains(model)
    measured = load_base(base)
    check_same_architecture(model, measured.shapes)
    described = _described(model, measured, inputs)
    check_names_match(rule, described, [name for name, _ in model.named_buffers()])
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    tensors = [tensor for tensor in described if tensor.name in trainable]
    at = complete_ratios(rule, model, measured.shapes, ratios or {})
    if all(ratio == 1 for ratio in at.values()):
        factors = {tensor.name: Factors() for tensor in tensors}  # the base itself
    else:
        check_roles_show(rule, tensors)
        check_branches_show(rule, inputs)
        sites = measured.sites if isinstance(base, str | Path) else base
        factors = resolve(rule, with_sites(rule, tensors, model, sites, inputs, at), at)
    laws = {tensor.name: law_for(tensor, measured.laws, described) for tensor in tensors}
    # Whatever can fail comes before the first change of the model.
    set_multipliers(model, {name: factor.multiplier for name, factor in factors.items()})
    _start(trainable, laws, factors, generator or torch.default_generator)
    settings = {"lr": lr, "weight_decay": weight_decay, "eps": eps}
    if not known.eps:
        del settings["eps"]
    decayed = {
        name: replace(factor, weight_decay=decay_factor(factor, decay, known))
        for name, factor in factors.items()
    }
    return param_groups(tensors, decayed, trainable, settings)


def _inner(model: nn.Module) -> nn.Module:
    """Give the model inside DDP and ``torch.compile``, which hold it under another name."""
    place = "module" if isinstance(model, DistributedDataParallel) else "_orig_mod"
    inside = getattr(model, place, None)
    return _inner(inside) if isinstance(inside, nn.Module) else model


def _described(model: nn.Module, base: Base, inputs: Any) -> tuple[TensorInfo, ...]:
    """Describe the model as it is without multipliers, which are operations of their own."""
    grows = any(base.shapes.get(name, p.shape) != p.shape for name, p in model.named_parameters())
    carried = multipliers_of(model)
    set_multipliers(model, dict.fromkeys(carried, 1.0))
    try:
        return describe(model, base.shapes if grows else base.wider, inputs=inputs)
    finally:
        set_multipliers(model, carried)


def _start(
    parameters: Mapping[str, Tensor],
    laws: Mapping[str, InitLaw],
    factors: Mapping[str, Factors],
    generator: torch.Generator,
) -> None:
    """Give every tensor its initial values."""
    units = draw({name: parameter.shape for name, parameter in parameters.items()}, generator)
    with torch.no_grad():
        for name, parameter in parameters.items():
            unit = units.pop(name).to(parameter.dtype)
            _fill(parameter, laws[name].value(factors[name].init, unit))


def _fill(parameter: Tensor, value: Tensor) -> None:
    """Write a value, or of a tensor spread over processes the part that is here."""
    if hasattr(parameter, "placements"):
        from torch.distributed.tensor import DTensor, distribute_tensor

        assert isinstance(parameter, DTensor)
        mesh = parameter.device_mesh
        value = distribute_tensor(value.to(mesh.device_type), mesh, parameter.placements)
    parameter.copy_(value)
