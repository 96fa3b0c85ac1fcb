"""Say in a rule's words which tensors form a group, so that the rule also fits other scales."""

import re
from collections.abc import Mapping, Sequence

from paramsearch.errors import ParamsearchError
from paramsearch.rules.group import Match
from paramsearch.tracing.tensor import TensorInfo

Groups = Mapping[str, Sequence[TensorInfo]]
"""Name of a group -> its tensors, as ``Trace.groups()`` gives them."""


def without_numbers(name: str) -> str:
    """Replace the numbers between the dots of a tensor's name, which count blocks.

    Example:
        >>> without_numbers("blocks.3.fc1.weight")
        'blocks.*.fc1.weight'
    """
    return re.sub(r"(?<![^.])\d+(?![^.])", "*", name)


def separating_matches(groups: Groups) -> dict[str, tuple[Match, ...]]:
    """Find for each group the simplest matches that take all its tensors and no others.

    Tried in order: role; role and op; role and residual; all three; names with any block number;
    names as they are.

    Args:
        groups: Of one model.

    Returns:
        Name of the group -> matches, each good for some of its tensors.

    Raises:
        ParamsearchError: Two groups hold a tensor of the same name.
    """
    return {label: _matches(label, groups) for label in groups}


def _matches(label: str, groups: Groups) -> tuple[Match, ...]:
    own = groups[label]
    others = [tensor for other, tensors in groups.items() if other != label for tensor in tensors]
    for matches in _candidates(own):
        taken = all(any(match.matches(tensor) for match in matches) for tensor in own)
        if taken and not any(match.matches(tensor) for match in matches for tensor in others):
            return matches
    raise ParamsearchError(f"group '{label}' shares a tensor with another group")


def _candidates(own: Sequence[TensorInfo]) -> list[tuple[Match, ...]]:
    first = own[0]
    described = [
        Match.model_validate({"role": first.role, **more})
        for more in (
            {},
            {"op": first.op},
            {"residual": first.residual},
            {"op": first.op, "residual": first.residual},
        )
    ]
    numbered = dict.fromkeys(without_numbers(tensor.name.replace("[", "[[]")) for tensor in own)
    exact = [re.sub(r"([*?\[])", r"[\1]", tensor.name) for tensor in own]
    return [
        *((match,) for match in described),
        tuple(Match(name=pattern) for pattern in numbered),
        tuple(Match(name=pattern) for pattern in exact),
    ]
