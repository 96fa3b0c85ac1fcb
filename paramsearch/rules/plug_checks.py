"""What is checked before a rule is plugged in, so that nothing is changed where it does not fit."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from torch import nn
from torch.nn.parameter import is_lazy

from paramsearch.errors import ParamsearchError
from paramsearch.rules.matching import without_numbers
from paramsearch.rules.rule import Rule
from paramsearch.tracing.tensor import TensorInfo


def check_values(model: nn.Module, what: str) -> None:
    """Refuse a model whose tensors have no shape or no values yet.

    Args:
        model: The model.
        what: What to call it in the message: ``model`` or ``base model``.

    Raises:
        ParamsearchError: A lazy tensor, or one on the meta device.
    """
    for name, parameter in model.named_parameters():
        if is_lazy(parameter):
            raise ParamsearchError(
                f"{what}: tensor '{name}' is lazy and has no shape yet; "
                "run the model on a batch first"
            )
        if parameter.is_meta:
            raise ParamsearchError(
                f"{what}: tensor '{name}' is on the meta device and holds no values; build the "
                "model on a real device, or call model.to_empty(device='cpu') first"
            )


def check_trains(model: nn.Module) -> None:
    """Refuse a model of which nothing is trained."""
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ParamsearchError(
            "model: received no tensor that is trained; allowed: at least one parameter with "
            "requires_grad=True"
        )


def check_same_architecture(model: nn.Module, base: Iterable[str]) -> None:
    """Refuse a base model with tensors that the model has nowhere, whatever its depth.

    Args:
        model: The model.
        base: Names of the base model's tensors.

    Raises:
        ParamsearchError: Names such a tensor. (The other way round, a tensor that only the model
            has, is found when it is described.)
    """
    places = {without_numbers(name) for name, _ in model.named_parameters()}
    odd = [name for name in base if without_numbers(name) not in places]
    if odd:
        raise ParamsearchError(
            f"base model: tensor '{odd[0]}' has no counterpart in the model; "
            "allowed: the same architecture at another scale"
        )


def check_names_match(
    rule: Rule, tensors: Iterable[TensorInfo], buffers: Collection[str] = ()
) -> None:
    """Refuse a rule that speaks of names which no tensor has; roles may well be missing.

    Args:
        rule: The rule.
        tensors: All of the model, frozen ones included.
        buffers: Names of its buffers, which a pattern may mean by mistake.

    Raises:
        ParamsearchError: Names the group and what its pattern could have matched.
    """
    names = [tensor.name for tensor in tensors]
    for index, group in enumerate(rule.groups):
        pattern = group.match.name
        if pattern is not None and not any(fnmatchcase(name, pattern) for name in names):
            listing = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
            meant = next((name for name in buffers if fnmatchcase(name, pattern)), None)
            what = f"only buffer '{meant}', which is not trained," if meant else "no tensor"
            raise ParamsearchError(
                f"rule '{rule.name}': groups.{index}.match.name: received '{pattern}', which "
                f"matches {what} of the model; its tensors: {listing}"
            )


def check_roles_show(rule: Rule, tensors: Sequence[TensorInfo]) -> None:
    """Refuse to take every tensor for a scalar because model and base have the same shapes."""
    shows = any(power != 0 for t in tensors for powers in t.growth.values() for power in powers)
    if not shows and any(group.match.role for group in rule.groups):
        raise ParamsearchError(
            f"rule '{rule.name}' matches by role, which shows only in dimensions that grow, and "
            "model and base have the same; match its groups by name, op or residual"
        )


def check_branches_show(rule: Rule, inputs: object) -> None:
    """Refuse to guess which tensors sit in residual branches: only running the model shows it."""
    if inputs is None and any(group.match.residual is not None for group in rule.groups):
        raise ParamsearchError(
            f"rule '{rule.name}' tells tensors in residual branches apart, which shows only when "
            "the model runs; give `inputs=`, what the model is called with"
        )


def check_decay(rule: Rule, decay: str, ways: Mapping[str, object]) -> None:
    """Refuse an unknown way of decay, and one that contradicts the rule."""
    if decay not in ways:
        raise ParamsearchError(f"decay: received '{decay}'; allowed: {', '.join(ways)}")
    if decay != "rule" and "weight_decay" in rule.stated():
        raise ParamsearchError(
            f"decay: received '{decay}', but rule '{rule.name}' states weight_decay itself; "
            "allowed for it: rule"
        )
