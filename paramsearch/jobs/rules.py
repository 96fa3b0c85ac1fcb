"""What a user means by a rule: a name, a file, a run folder, or the rule itself."""

from dataclasses import replace
from pathlib import Path

from paramsearch.discovery.target import Target, find_target
from paramsearch.errors import ParamsearchError
from paramsearch.rules.rule import Rule


def rule_target(target: str | Path | Rule, optimizer: str | None = None) -> Target:
    """Find a rule, in its form for an optimizer.

    Args:
        target: A run folder, the path or name of a rule, or a rule.
        optimizer: Which form of a published rule; any other rule must be for this optimizer.

    Returns:
        The rule, and where it comes from.

    Raises:
        ParamsearchError: There is no such rule, or it is for another optimizer.

    Example:
        >>> rule_target("mup", "sgd").rule.name
        'mup-sgd'
    """
    if isinstance(target, Rule) or optimizer is None or Path(target).is_dir():
        found = find_target(target)
        if optimizer not in (None, found.rule.optimizer):
            raise ParamsearchError(
                f"{target if not isinstance(target, Rule) else target.name}: its rule is for "
                f"{found.rule.optimizer}; received --optimizer {optimizer}"
            )
        return found
    return replace(find_target(target), rule=Rule.load(target, optimizer=optimizer))
