"""Say in a rule's words which tensors form a group, so that the rule also fits other scales."""

import re
from collections.abc import Mapping, Sequence

from paramsearch.errors import ParamsearchError
from paramsearch.rules.group import Match
from paramsearch.tracing.names import patterns
from paramsearch.tracing.names import without_numbers as without_numbers
from paramsearch.tracing.tensor import TensorInfo

Groups = Mapping[str, Sequence[TensorInfo]]
"""Name of a group -> its tensors, as ``Trace.groups()`` gives them."""


def separating_matches(groups: Groups) -> dict[str, tuple[Match, ...]]:
    """Find for each group the simplest matches that take all its tensors and no others.

    Tried in order: role; role and op; role and residual; all three; names with any block number;
    role, op, residual and such names; names as they are.

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
    for matches in _candidates(own, others):
        taken = all(any(match.matches(tensor) for match in matches) for tensor in own)
        if taken and not any(match.matches(tensor) for match in matches for tensor in others):
            return matches
    raise ParamsearchError(f"group '{label}' shares a tensor with another group")


def _candidates(own: Sequence[TensorInfo], others: Sequence[TensorInfo]) -> list[tuple[Match, ...]]:
    first = own[0]
    kinds = [
        {"role": first.role},
        {"role": first.role, "op": first.op},
        {"role": first.role, "residual": first.residual},
        {"role": first.role, "op": first.op, "residual": first.residual},
    ]
    described = [Match.model_validate(kind) for kind in kinds]
    alike = [other for other in others if described[-1].matches(other)]
    exact = [re.sub(r"([*?\[])", r"[\1]", tensor.name) for tensor in own]
    return [
        *((match,) for match in described),
        _named(own, others, {}),
        _named(own, alike, kinds[-1]),
        tuple(Match(name=pattern) for pattern in exact),
    ]


def _named(
    own: Sequence[TensorInfo], others: Sequence[TensorInfo], kind: Mapping[str, object]
) -> tuple[Match, ...]:
    """Match by names with any block number; nothing if names cannot tell."""
    found = patterns([tensor.name for tensor in own], [tensor.name for tensor in others])
    return tuple(Match.model_validate({**kind, "name": pattern}) for pattern in found or ())
