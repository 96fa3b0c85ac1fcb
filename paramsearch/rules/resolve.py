"""A rule at given ratios: the factor of every quantity of every tensor."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from paramsearch.errors import ParamsearchError
from paramsearch.rules.gauge import QUANTITIES
from paramsearch.rules.group import Group
from paramsearch.rules.rule import Rule
from paramsearch.tracing.tensor import TensorInfo


@dataclass(frozen=True, slots=True)
class Factors:
    """By what each quantity of a tensor is multiplied, relative to the base model.

    Attributes:
        multiplier: Of the tensor's value in the forward pass.
        init: Of its initial standard deviation.
        lr: Of its learning rate.
        weight_decay: Of its weight decay.
        eps: Of Adam's epsilon.
    """

    multiplier: float = 1.0
    init: float = 1.0
    lr: float = 1.0
    weight_decay: float = 1.0
    eps: float = 1.0


def resolve(
    rule: Rule, tensors: Iterable[TensorInfo], ratios: Mapping[str, float]
) -> dict[str, Factors]:
    """Give ``prod_axis ratio[axis] ** exponent[axis]`` per tensor and quantity.

    The multiplier of a tensor is its own times those of the sites that fold onto it.

    Args:
        rule: The rule.
        tensors: Of the model; each must be matched by a group.
        ratios: Axis -> scale / base; covers the rule's axes, others are not looked at.

    Returns:
        Tensor name -> factors, in the order of the tensors.

    Raises:
        ParamsearchError: Tensors that no group matches (all are listed), a multiplier of a site
            that no tensor can take, an axis of the rule without a ratio, a ratio that is not
            positive, or factors beyond the range of floats.

    Example:
        >>> weight = TensorInfo("w", (8, 8), "linear", "hidden", 8, 8, {}, False, "hidden")
        >>> resolve(Rule.load("mup"), [weight], {"width": 4.0})["w"].lr
        0.25
    """
    tensors = list(tensors)
    for axis in rule.axes:
        if not 0 < ratios.get(axis, math.nan) < math.inf:
            given = ", ".join(f"{name} {ratio:g}" for name, ratio in ratios.items()) or "none"
            raise ParamsearchError(
                f"rule '{rule.name}' needs a positive ratio along {axis}; ratios received: {given}"
            )
    groups = {tensor.name: rule.effective(tensor) for tensor in tensors}
    missing = [tensor for tensor in tensors if groups[tensor.name] is None]
    if missing:
        listing = ", ".join(f"{tensor.name} ({tensor.role}, {tensor.op})" for tensor in missing)
        raise ParamsearchError(
            f"rule '{rule.name}' has no group that matches {listing}; add a group, for instance "
            f"`- match: {{role: {missing[0].role}}}`"
        )
    refused = rule.refusal(tensors)
    if refused:
        raise ParamsearchError(f"rule '{rule.name}': {refused}")
    try:
        return {
            name: Factors(**{q: _factor(group, q, rule.axes, ratios) for q in QUANTITIES})
            for name, group in groups.items()
            if group is not None
        }
    except OverflowError as error:
        raise ParamsearchError(
            f"rule '{rule.name}' gives factors beyond the range of numbers at {dict(ratios)}"
        ) from error


def _factor(group: Group, quantity: str, axes: Sequence[str], ratios: Mapping[str, float]) -> float:
    return math.prod(ratios[axis] ** group.exponent(quantity, axis) for axis in axes)
