"""The rule that says nothing: every tensor as in the base model, whatever the scale."""

from collections.abc import Iterable

from paramsearch.rules.group import Group, Match
from paramsearch.rules.rule import Rule


def neutral(optimizer: str, axes: Iterable[str]) -> Rule:
    """Give the rule whose exponents are all 0; at ratio 1 it stands for every rule.

    Args:
        optimizer: Name of the optimizer.
        axes: Axes along which the exponents are 0.

    Example:
        >>> neutral("adam", ["width"]).groups[0].exponent("lr", "width")
        0.0
    """
    everything = Group(match=Match(name="*"))
    return Rule(name="base", optimizer=optimizer, axes=tuple(axes), groups=(everything,))
