"""Which published rule a found rule is closest to: a comparison of exponents, without training."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from paramsearch import catalog
from paramsearch.errors import ParamsearchError
from paramsearch.rules.degrees import DEGREES
from paramsearch.rules.group import Group
from paramsearch.rules.rule import Rule
from paramsearch.tracing.tensor import TensorInfo

# Which name to give where several published rules are the same: the best known first.
_KNOWN = {name: rank for rank, name in enumerate(("mup", "sp", "ntk", "mean-field"))}
_COMPARED = ("multiplier", "init", "lr")


def published_rules(optimizer: str, axis: str) -> dict[str, Rule]:
    """Load the published rules for an optimizer that say something about an axis.

    Args:
        optimizer: The optimizer of the search.
        axis: The axis of the search.

    Returns:
        Name -> rule, by name.

    Example:
        >>> "mup" in published_rules("adam", "width")
        True
    """
    found: dict[str, Rule] = {}
    for name in catalog.names("rule"):
        if name.rpartition("-")[2] in DEGREES:
            continue  # mup-sgd is the form of mup for sgd
        try:
            rule = Rule.load(name, optimizer=optimizer)
        except ParamsearchError:
            continue  # not derived for this optimizer
        if axis in rule.axes:
            found[name] = rule
    return found


def nearest(
    rule: Rule, published: Mapping[str, Rule], groups: Mapping[str, Sequence[TensorInfo]], axis: str
) -> dict[str, Any] | None:
    """Find the published rule whose exponents are closest on the tensors of a model.

    The distance is the root mean square, over groups and over init and lr (and over multiplier,
    which is 0 in the canonical gauge), of the differences of canonical exponents.

    Args:
        rule: The rule found.
        published: Rules to compare with.
        groups: The model's groups of tensors.
        axis: The axis whose exponents are compared.

    Returns:
        ``{name, same, distance, exponents, differences}``: the published rule, others that are
        equal to it on this model up to gauge, its canonical exponents, and found minus published
        where they differ, by group, quantity and axis; None when no rule covers the groups.

    Example:
        >>> weight = TensorInfo("w", (8, 8), "linear", "hidden", 8, 8, {}, False, "hidden")
        >>> rules = published_rules("adam", "width")
        >>> nearest(rules["mup"], rules, {"hidden": [weight]}, "width")["distance"]
        0.0
    """
    candidates: list[dict[str, Any]] = []
    for name, other in published.items():
        compared = _compared(rule.canonical(), other.canonical(), groups, axis)
        if compared is not None:
            candidates.append({"name": name, **compared})
    if not candidates:
        return None
    best = min(candidates, key=lambda c: (c["distance"], _KNOWN.get(c["name"], len(_KNOWN))))
    same = [c["name"] for c in candidates if c["exponents"] == best["exponents"]]
    return {"same": [name for name in same if name != best["name"]], **best}


def _compared(
    rule: Rule, other: Rule, groups: Mapping[str, Sequence[TensorInfo]], axis: str
) -> dict[str, Any] | None:
    exponents: dict[str, Any] = {}
    differences: dict[str, Any] = {}
    squares: list[float] = []
    for name, tensors in groups.items():
        mine, theirs = rule.exponents(tensors[0]), other.exponents(tensors[0])
        if mine is None or theirs is None:
            return None
        for quantity in _COMPARED:
            gap = _exponent(mine, quantity, axis) - _exponent(theirs, quantity, axis)
            value = _exponent(theirs, quantity, axis)
            exponents.setdefault(name, {})[quantity] = {axis: value}
            squares += [gap**2] if quantity != "multiplier" or gap else []
            if abs(gap) > 1e-9:
                differences.setdefault(name, {})[quantity] = {axis: round(gap, 9)}
    distance = math.sqrt(sum(squares) / max(len(squares), 1))
    return {"distance": round(distance, 9), "exponents": exponents, "differences": differences}


def _exponent(group: Group, quantity: str, axis: str) -> float:
    return group.exponent(quantity, axis) + 0.0  # no negative zero
