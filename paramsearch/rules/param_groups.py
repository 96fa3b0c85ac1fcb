"""Parameter groups for torch.optim: every tensor with the settings that a rule gives it."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from torch import Tensor

from paramsearch.errors import ParamsearchError
from paramsearch.rules.degrees import Degrees
from paramsearch.rules.resolve import Factors
from paramsearch.tracing.tensor import TensorInfo

ParamGroup = dict[str, Any]
Decay = Literal["rule", "independent"]

DECAYS: Mapping[str, str] = {
    "rule": "weight_decay as the rule scales it; as in the base where the rule states nothing",
    "independent": "lr * weight_decay, what a step takes off a tensor, as in the base",
}
"""How weight decay follows the ratio."""


def param_groups(
    tensors: Sequence[TensorInfo],
    factors: Mapping[str, Factors],
    parameters: Mapping[str, Tensor],
    settings: Mapping[str, float],
) -> list[ParamGroup]:
    """Make one parameter group per group of tensors and set of factors, in order of appearance.

    Args:
        tensors: Those that are trained.
        factors: Tensor name -> factors.
        parameters: Tensor name -> parameter.
        settings: ``lr``, ``weight_decay`` and perhaps ``eps`` of the base model.

    Returns:
        Groups with ``params``, their names as ``tensors``, ``name``, ``role`` and the settings
        scaled.
    """
    found: dict[tuple[str, str, Factors], list[str]] = {}
    for tensor in tensors:
        key = (tensor.group, tensor.role, _trained(factors[tensor.name]))
        found.setdefault(key, []).append(tensor.name)
    groups: list[ParamGroup] = []
    labels: dict[str, int] = {}
    for (name, role, factor), members in found.items():
        labels[name] = labels.get(name, 0) + 1
        label = name if labels[name] == 1 else f"{name}.{labels[name]}"
        about = {"name": label, "role": role, "tensors": members}
        scaled = {key: value * getattr(factor, key) for key, value in settings.items()}
        groups.append({"params": [parameters[member] for member in members], **about, **scaled})
    return groups


def decay_factor(factors: Factors, decay: Decay, known: Degrees) -> float:
    """Give the factor of ``weight_decay`` of a tensor.

    Args:
        factors: As the rule gives them.
        decay: One of `DECAYS`. An optimizer whose decay is no multiple of the learning rate
            (``adamw-independent``) has it independent by itself.
        known: Degrees of the optimizer.

    Example:
        >>> from paramsearch.rules.degrees import DEGREES
        >>> decay_factor(Factors(lr=0.25), "independent", DEGREES["adamw"])
        4.0
    """
    if decay == "rule":
        return factors.weight_decay
    return 1.0 if known.decay == "independent" else 1 / factors.lr


def muon_groups(groups: Sequence[ParamGroup]) -> tuple[list[ParamGroup], list[ParamGroup]]:
    """Split parameter groups between Muon, for hidden matrices, and AdamW, for all else.

    Both have the learning rate that `apply` was given. Where AdamW beside Muon was tuned to a
    learning rate of its own, multiply ``lr`` of the second groups by the quotient of the two.

    Args:
        groups: As `apply` gives them.

    Returns:
        Groups for ``torch.optim.Muon`` and groups for ``torch.optim.AdamW``.

    Raises:
        ParamsearchError: Hidden tensors that are not matrices, or none that are.

    Example:
        >>> weight, bias = Tensor(8, 8), Tensor(8)
        >>> hidden = {"params": [weight], "name": "hidden", "role": "hidden", "lr": 0.1}
        >>> vector = {"params": [bias], "name": "vector", "role": "vector", "lr": 0.2}
        >>> muon, adamw = muon_groups([hidden, vector])
        >>> muon[0]["lr"], adamw[0]["lr"]
        (0.1, 0.2)
    """
    hidden = [group for group in groups if group.get("role") == "hidden"]
    odd = [tuple(p.shape) for group in hidden for p in group["params"] if p.ndim != 2]
    if odd:
        raise ParamsearchError(
            f"muon_groups: received a hidden tensor of shape {odd[0]}; allowed: matrices, since "
            "torch.optim.Muon takes no other tensors"
        )
    if not hidden:
        roles = ", ".join(dict.fromkeys(str(group.get("role")) for group in groups)) or "none"
        raise ParamsearchError(
            f"muon_groups: received groups of the roles {roles}; allowed: groups as apply gives "
            "them for a model with hidden matrices and other sizes than the base"
        )
    # eps of the groups is Adam's; Muon has another one, inside its orthogonalization
    muon = [{key: value for key, value in group.items() if key != "eps"} for group in hidden]
    return muon, [dict(group) for group in groups if group.get("role") != "hidden"]


def _trained(factors: Factors) -> Factors:
    """Keep what the optimizer sees: tensors that differ in multiplier and init train alike."""
    return Factors(lr=factors.lr, weight_decay=factors.weight_decay, eps=factors.eps)
