"""Which published rule a found rule is closest to: a comparison of exponents, without training."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from paramsearch import catalog
from paramsearch.errors import ParamsearchError
from paramsearch.rules.degrees import DEGREES
from paramsearch.rules.group import Group
from paramsearch.rules.rule import Rule
from paramsearch.rules.site import stated_at
from paramsearch.tracing.tensor import TensorInfo

# Which name to give where several published rules are the same: the best known first.
_KNOWN = {name: rank for rank, name in enumerate(("mup", "sp", "ntk", "mean-field"))}
_COMPARED = ("multiplier", "init", "lr")


def published_rules(optimizer: str, axis: str) -> dict[str, Rule]:
    """Load the published rules for an optimizer that say something about an axis.

    Of a rule over several axes the part about this one is given, unless a rule about this axis
    alone says the same of init, LR and multipliers.

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
    parts: dict[str, Rule] = {}
    for name in catalog.names("rule"):
        if name.rpartition("-")[2] in DEGREES:
            continue  # mup-sgd is the form of mup for sgd
        try:
            rule = Rule.load(name, optimizer=optimizer)
        except ParamsearchError:
            continue  # not derived for this optimizer
        if rule.axes == (axis,):
            found[name] = rule
        elif axis in rule.axes:
            parts[name] = rule.along(axis)
    known = [_core(rule) for rule in found.values()]
    new = {n: r for n, r in parts.items() if not any(_core(r).equivalent(k) for k in known)}
    return dict(sorted({**found, **new}.items()))


def nearest(
    rule: Rule, published: Mapping[str, Rule], groups: Mapping[str, Sequence[TensorInfo]], axis: str
) -> dict[str, Any] | None:
    """Find the published rule whose exponents are closest on the tensors of a model.

    The distance is the root mean square, over groups and over init and lr, of the differences of
    canonical exponents, in which the multipliers of sites are folded onto tensors. Tensors of a
    group of which the two rules say different things count apart.

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
    stated = {**best["exponents"], **_at_sites(published[best["name"]], groups, axis)}
    return {"same": [n for n in same if n != best["name"]], **best, "exponents": stated}


def _at_sites(
    rule: Rule, groups: Mapping[str, Sequence[TensorInfo]], axis: str
) -> dict[str, dict[str, dict[str, float]]]:
    """Give what a rule states of the sites that a model has."""
    folds = [fold for tensors in groups.values() for tensor in tensors for fold in tensor.sites]
    stated = {fold.kind: stated_at(rule.sites, fold) for fold in folds if fold.reach(axis)}
    return {kind: {"multiplier": {axis: s[axis]}} for kind, s in stated.items() if axis in s}


def _core(rule: Rule) -> Rule:
    """Give the rule without weight decay and eps."""
    groups = tuple(g.model_copy(update={"weight_decay": {}, "eps": {}}) for g in rule.groups)
    return rule.model_copy(update={"groups": groups})


def _compared(
    rule: Rule, other: Rule, groups: Mapping[str, Sequence[TensorInfo]], axis: str
) -> dict[str, Any] | None:
    every = [tensor for tensors in groups.values() for tensor in tensors]
    if other.refusal(every):
        return None
    one, two = (r.folded(every).canonical() for r in (rule, other))
    exponents: dict[str, Any] = {}
    differences: dict[str, Any] = {}
    squares: list[float] = []
    for name, tensor in _kinds(groups, (one, two), axis).items():
        mine, theirs = one.exponents(tensor), two.exponents(tensor)
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


def _kinds(
    groups: Mapping[str, Sequence[TensorInfo]], rules: Sequence[Rule], axis: str
) -> dict[str, TensorInfo]:
    """Give one tensor per group, and one more for every site that sets some of a group apart."""
    found: dict[str, TensorInfo] = {}
    for name, tensors in groups.items():
        plain = [tensor for tensor in tensors if not tensor.sites]
        found[name] = first = (plain or list(tensors))[0]
        for tensor in tensors:
            if _said(tensor, rules, axis) != _said(first, rules, axis):
                sites = " and ".join(dict.fromkeys(fold.kind for fold in tensor.sites))
                found.setdefault(f"{name} ({sites})" if sites else name, tensor)
    return found


def _said(tensor: TensorInfo, rules: Sequence[Rule], axis: str) -> list[list[float]]:
    groups = [rule.exponents(tensor) for rule in rules]
    return [[_exponent(g, q, axis) for q in _COMPARED] if g else [] for g in groups]


def _exponent(group: Group, quantity: str, axis: str) -> float:
    return group.exponent(quantity, axis) + 0.0  # no negative zero
