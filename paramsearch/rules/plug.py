"""Plug a rule into a model: initial values, multipliers, and parameter groups for torch.optim."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from paramsearch.errors import ParamsearchError
from paramsearch.rules.degrees import degrees
from paramsearch.rules.draws import base_builds, base_init, draw, law_for
from paramsearch.rules.multiplied import multipliers_of, set_multipliers
from paramsearch.rules.resolve import Factors, resolve
from paramsearch.rules.rule import Rule
from paramsearch.tracing.static import describe
from paramsearch.tracing.tensor import TensorInfo

_SEEN_IN_SHAPES = ("width", "heads", "ffn", "experts")


def apply(
    rule: Rule,
    model: nn.Module,
    base: nn.Module | Callable[[], nn.Module],
    *,
    lr: float,
    weight_decay: float = 0.0,
    eps: float = 1e-8,
    ratios: Mapping[str, float] | None = None,
    generator: torch.Generator | None = None,
    inputs: Any = None,
) -> list[dict[str, Any]]:
    """Plug a rule into a model that was built at any scale.

    Every trainable tensor starts at ``ratio ** init`` times its law in the base model, enters the
    forward pass times ``ratio ** multiplier``, and trains with ``lr * ratio ** lr``; weight decay
    and eps alike. Frozen tensors and buffers stay as they are.

    Args:
        rule: The rule.
        model: Changed in place: initial values and multipliers; its ``state_dict`` keys stay.
        base: The base model, freshly built, or a function that builds it; a function is called
            several times, which measures its initial values more sharply.
        lr: Learning rate tuned on the base model.
        weight_decay: Of the base model, as ``torch.optim`` takes it.
        eps: Of the base model, for Adam and AdamW.
        ratios: Axis -> scale / base, where shapes do not show it (depth) or not clearly.
        generator: Of the initial values, on the CPU; torch's default one if left out.
        inputs: Inputs of one batch, for a model with parameters in modules of its own whose role
            follows only from running it.

    Returns:
        Parameter groups: ``torch.optim.AdamW(groups)``; each has ``params``, ``lr``,
        ``weight_decay``, ``name``, and for Adam and AdamW ``eps``.

    Raises:
        ParamsearchError: Tensors that the rule does not match (all are listed), or ratios that
            the shapes do not tell.

    Example:
        >>> def mlp(width):
        ...     return nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, 4))
        >>> groups = apply(Rule.load("mup"), mlp(64), base=lambda: mlp(16), lr=0.01)
        >>> [(group["name"], group["lr"]) for group in groups]
        [('input', 0.01), ('vector', 0.01), ('output', 0.0025), ('scalar', 0.01)]
    """
    bases = [base] if isinstance(base, nn.Module) else base_builds(base)
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    described = _described(model, bases[0], inputs)
    tensors = [tensor for tensor in described if tensor.name in trainable]
    known = _ratios(rule, model, bases[0], ratios or {})
    if all(ratio == 1 for ratio in known.values()):
        factors = {tensor.name: Factors() for tensor in tensors}  # the base itself: no role shows
    else:
        _check_roles_show(rule, tensors)
        _check_branches_show(rule, inputs)
        factors = resolve(rule, tensors, known)
    laws = base_init(bases)
    starts = {tensor.name: law_for(tensor, laws, described) for tensor in tensors}
    units = draw(
        {name: parameter.shape for name, parameter in trainable.items()},
        generator or torch.default_generator,
    )
    # Whatever can fail comes before the first change of the model.
    set_multipliers(model, {name: factor.multiplier for name, factor in factors.items()})
    with torch.no_grad():
        for name, law in starts.items():
            unit = units.pop(name).to(trainable[name].dtype)
            trainable[name].copy_(law.value(factors[name].init, unit))
    settings = {"lr": lr, "weight_decay": weight_decay, "eps": eps}
    if not degrees(rule.optimizer).eps:
        del settings["eps"]
    return _param_groups(tensors, factors, trainable, settings)


def _described(model: nn.Module, base: nn.Module, inputs: Any) -> tuple[TensorInfo, ...]:
    """Describe the model as it is without multipliers, which are operations of their own."""
    carried = multipliers_of(model)
    set_multipliers(model, dict.fromkeys(carried, 1.0))
    try:
        return describe(model, base, inputs=inputs)
    finally:
        set_multipliers(model, carried)


def _check_roles_show(rule: Rule, tensors: Sequence[TensorInfo]) -> None:
    """Refuse to take every tensor for a scalar because model and base have the same shapes."""
    shows = any(power != 0 for t in tensors for powers in t.growth.values() for power in powers)
    if not shows and any(group.match.role for group in rule.groups):
        raise ParamsearchError(
            f"rule '{rule.name}' matches by role, which shows only in dimensions that grow, and "
            "model and base have the same; match its groups by name, op or residual"
        )


def _check_branches_show(rule: Rule, inputs: Any) -> None:
    """Refuse to guess which tensors sit in residual branches: only running the model shows it."""
    if inputs is None and any(group.match.residual is not None for group in rule.groups):
        raise ParamsearchError(
            f"rule '{rule.name}' tells tensors in residual branches apart, which shows only when "
            "the model runs; give `inputs=`, what the model is called with"
        )


def _ratios(
    rule: Rule, model: nn.Module, base: nn.Module, given: Mapping[str, float]
) -> dict[str, float]:
    """Complete the ratios given by the one that shapes show."""
    unknown = sorted(set(given) - set(rule.axes))
    if unknown:
        raise ParamsearchError(
            f"ratios: received axis '{unknown[0]}'; allowed: the axes of rule '{rule.name}', "
            f"{', '.join(rule.axes)}"
        )
    open_axes = [axis for axis in rule.axes if axis not in given]
    if not open_axes:
        return dict(given)
    example = ", ".join(f"'{axis}': 4" for axis in open_axes)
    ask = f"give the ratios of rule '{rule.name}' as ratios={{{example}}}"
    if len(open_axes) > 1 or open_axes[0] not in _SEEN_IN_SHAPES:
        raise ParamsearchError(
            f"the shapes of a model do not tell its ratio along {' and '.join(open_axes)}; {ask}"
        )
    grown = _grown(model, base)
    if len(grown) > 1:
        seen = "; ".join(f"{ratio:g} in {name}" for ratio, name in sorted(grown.items()))
        raise ParamsearchError(f"the model's dimensions grow by different ratios ({seen}); {ask}")
    return {**given, open_axes[0]: next(iter(grown), 1.0)}


def _grown(model: nn.Module, base: nn.Module) -> dict[float, str]:
    """Give every ratio other than 1 between dimensions of model and base, with a tensor's name."""
    base_shapes = {name: parameter.shape for name, parameter in base.named_parameters()}
    grown: dict[float, str] = {}
    for name, parameter in model.named_parameters():
        for size, base_size in zip(parameter.shape, base_shapes.get(name, ()), strict=False):
            if size != base_size:
                grown.setdefault(size / base_size, name)
    return grown


def _param_groups(
    tensors: Sequence[TensorInfo],
    factors: Mapping[str, Factors],
    parameters: Mapping[str, Tensor],
    settings: Mapping[str, float],
) -> list[dict[str, Any]]:
    """Make one parameter group per group of tensors and set of factors, in order of appearance."""
    found: dict[tuple[str, Factors], list[Tensor]] = {}
    for tensor in tensors:
        key = (tensor.group, factors[tensor.name])
        found.setdefault(key, []).append(parameters[tensor.name])
    groups: list[dict[str, Any]] = []
    names: dict[str, int] = {}
    for (name, factor), params in found.items():
        names[name] = names.get(name, 0) + 1
        label = name if names[name] == 1 else f"{name}.{names[name]}"
        scaled = {key: value * getattr(factor, key) for key, value in settings.items()}
        groups.append({"params": params, "name": label, **scaled})
    return groups
