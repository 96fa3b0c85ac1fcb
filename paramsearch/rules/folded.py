"""Write the multipliers of sites as those of tensors, which one model is enough to know."""

import re
from collections.abc import Sequence

from paramsearch.rules.group import Group, Match
from paramsearch.rules.matching import without_numbers
from paramsearch.rules.site import SiteGroup, effective
from paramsearch.tracing.tensor import TensorInfo


def folded_groups(
    groups: Sequence[Group], sites: Sequence[SiteGroup], tensors: Sequence[TensorInfo]
) -> tuple[Group, ...]:
    """Give groups that say by name what a rule says of some tensors by their sites.

    Args:
        groups: Of the rule.
        sites: Of the rule.
        tensors: Of a model.

    Returns:
        One group per name of a tensor that takes a multiplier, one for all blocks where they
        agree; then the groups of the rule.
    """
    total: dict[str, Group | None] = {}
    plain: dict[str, Group | None] = {}
    for tensor in tensors:
        group = next((g for g in groups if g.match.matches(tensor)), None)
        plain[tensor.name] = group
        total[tensor.name] = None if group is None else effective(group, sites, tensor)
    found: dict[str, Group] = {}
    for name, group in total.items():
        if group is None or group == plain[name]:
            continue
        place = without_numbers(name)
        alike = all(total[other] == group for other in total if without_numbers(other) == place)
        exact = re.sub(r"([*?\[])", r"[\1]", name)
        pattern = re.sub(r"([?\[])", r"[\1]", place) if alike else exact
        found[pattern] = group.model_copy(update={"match": Match(name=pattern)})
    return (*found.values(), *groups)
