"""What was solved, as plain data: exponents with intervals per group, slopes before and after."""

from collections.abc import Mapping, Sequence
from typing import Any

from paramsearch.discovery.solver.readings import Readings, size
from paramsearch.discovery.solver.solve import Solution
from paramsearch.discovery.summary import fixed_entry, free_exponent
from paramsearch.rules.encoding import Encoding
from paramsearch.rules.rule import Rule
from paramsearch.tracing.tensor import TensorInfo

Groups = Mapping[str, Sequence[TensorInfo]]


def solution_groups(
    rule: Rule, encoding: Encoding, groups: Groups, solutions: Sequence[Solution]
) -> list[dict[str, Any]]:
    """Give each group with its exponents and what the slopes say about them.

    Args:
        rule: The rule with all exponents.
        encoding: The free exponents.
        groups: The model's groups of tensors.
        solutions: One per axis.

    Returns:
        Per group ``{name, role, tensors, <quantity>: {axis: {value, low, high, determined,
        at_bound, fixed, measured}}}``; the multiplier of a site is a group by itself.
    """
    table = {name: fixed_entry(name, tensors, rule) for name, tensors in groups.items()}
    for place in encoding.places:
        if place.group not in table:
            names = [tensor.name for tensor in place.tensors]
            table[place.group] = {"name": place.group, "role": "site", "tensors": names}
    for solution in solutions:
        known = solution.certainty
        for k, variable in enumerate(solution.variables):
            value = solution.values[k]
            low, high = min(float(known.low[k]), value), max(float(known.high[k]), value)
            found = free_exponent(variable, value, low, high)
            found["measured"] = solution.bend.values[k]
            for group in variable.groups:
                entry = table.setdefault(group, {"name": group, "role": "site", "tensors": []})
                entry.setdefault(variable.quantity, {})[variable.axis] = found
    return list(table.values())


def solution_json(solution: Solution) -> dict[str, Any]:
    """Give how one axis was solved."""
    base, known = solution.base, solution.certainty
    labels = [variable.label for variable in solution.variables]
    return {
        "lr": base.lr,
        "optimum": base.optimum,
        "steps": base.steps,
        "base_lrs": base.lrs,
        "base_losses": base.losses.tolist(),
        "start": _slopes(solution.start),
        "solved": _slopes(solution.bend.here),
        "confirmed": solution.confirmed,
        "open": [
            {
                "direction": dict(zip(labels, way.weights.tolist(), strict=True)),
                "low": way.low,
                "high": way.high,
            }
            for way in known.open
        ],
    }


def _slopes(readings: Readings) -> dict[str, Any]:
    slopes = readings.slopes()[0]
    return {
        "slopes": dict(zip(readings.names, slopes.tolist(), strict=True)),
        "size": size(slopes, readings.one_sided),
    }
