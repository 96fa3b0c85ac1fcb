"""Exponents that several groups, or several sites, share, because a space ties them."""

from collections.abc import Sequence
from dataclasses import replace

from paramsearch.errors import ParamsearchError
from paramsearch.rules.variable import Variable


def tied(drawn: Sequence[tuple[Variable, str | None]]) -> list[Variable]:
    """Join the variables of one tie, quantity and axis.

    Args:
        drawn: Variables of single groups and sites, each with the name of its tie.

    Returns:
        The variables, those that are tied where the first of them was.

    Raises:
        ParamsearchError: Tied variables differ in bounds, step or start.

    Example:
        >>> lr = Variable("input", "lr", "batch", -1.0, 1.0, 0.5, 0.0)
        >>> [v.label for v in tied([(lr, "all"), (replace(lr, group="hidden"), "all")])]
        ['input + hidden lr batch']
    """
    found: dict[tuple[str, ...], Variable] = {}
    for variable, tie in drawn:
        what = (variable.quantity, variable.axis)
        key = ("tie", tie, *what) if tie else ("group", variable.group, *what)
        first = found.get(key)
        if first is None:
            found[key] = variable
            continue
        if _grid(first) != _grid(variable):
            raise ParamsearchError(
                f"tie '{tie}': {' '.join(what)} of {first.group} goes {_told(first)}, and of "
                f"{variable.group} {_told(variable)}; allowed: the same for all that are tied"
            )
        found[key] = replace(first, tied=(*first.tied, variable.group))
    return list(found.values())


def _grid(variable: Variable) -> tuple[float, ...]:
    return variable.low, variable.high, variable.step, variable.start


def _told(variable: Variable) -> str:
    low, high, step, start = _grid(variable)
    return f"from {low:g} to {high:g} by {step:g} starting at {start:g}"
