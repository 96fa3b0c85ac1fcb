"""A search over several axes: one along each, with the others at their base, and one rule of all.

Exponents along an axis act where that axis is scaled and nowhere else, so that nothing but an
interaction of two axes is lost; ``verify`` with other axes held at a larger size looks for it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paramsearch.discovery.answers.pattern import pattern
from paramsearch.jobs.search_result import SearchResult, write_results
from paramsearch.rules.encoding import Encoding
from paramsearch.rules.gauge import QUANTITIES
from paramsearch.rules.rule import Rule
from paramsearch.rules.space import Space
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import Arch
from paramsearch.tracing.trace import trace

_ASKED = (
    *("arch", "options", "task", "optimizer", "space", "by", "objective", "budget", "sampler"),
    *("seed", "blind", "suggest", "prefer", "target_ratio"),
)


_FOUND = (
    *("score", "start_score", "baselines", "limit", "choice", "longer", "sensitivity"),
    *("sensitivity_in", "pattern", "nearest", "solution"),
)


def join(found: Mapping[str, SearchResult], arch: Arch, folder: Path) -> SearchResult:
    """Make one rule of the searches along several axes, and write it into their common folder.

    Args:
        found: Axis -> its search.
        arch: The architecture.
        folder: Where the rule, the summary and what each exponent matters go; each search has a
            folder in it.

    Returns:
        The rule with the exponents of all axes.
    """
    first = next(iter(found.values())).summary
    axes, asked = list(found), {name: first[name] for name in _ASKED}
    task = load_task(first["task"], "cpu", first["seed"])
    groups = trace(arch, axis=axes[0], task=task).groups(first["by"])
    encoding = Space.load(first["space"]).encode(groups, first["optimizer"])
    name = "-".join((arch.name, *axes, first["optimizer"]))
    rules = {axis: result.rule for axis, result in found.items()}
    along = {axis: {key: r.summary[key] for key in _FOUND} for axis, r in found.items()}
    sentences: list[str] = [part["pattern"]["sentence"] for part in along.values()]
    command = first["command"].replace(f"--axis {axes[0]} ", f"--axis {','.join(axes)} ", 1)
    rule = joined(encoding, rules, name).model_copy(update={"source": command})
    tables = [result.groups for result in found.values()]
    summary: dict[str, Any] = {
        "paramsearch": 1,
        **asked,
        "axis": ",".join(axes),
        "command": command,
        "rule": rule.plain(),
        "groups": joined_groups(tables),
        "pattern": pattern(rule, groups, None).to_json() | {"sentence": "; ".join(sentences)},
        "runs": {axis: axis for axis in axes},
        "failures": [each for result in found.values() for each in result.summary["failures"]],
        "along": along,
        "trials": sum(result.summary["trials"] for result in found.values()),
        "member_steps": sum(result.summary["member_steps"] for result in found.values()),
    }
    timing = {axis: result.timing for axis, result in found.items()}
    write_results(folder, summary, rule, timing)
    return SearchResult(rule, summary["groups"], folder, summary, timing)


def joined(encoding: Encoding, rules: Mapping[str, Rule], name: str) -> Rule:
    """Give the rule that says along every axis what the rule of that axis says.

    Args:
        encoding: The free exponents of all axes.
        rules: Axis -> rule of that axis alone, on the same groups.
        name: Of the rule.
    """
    values = {variable: variable.start for variable in encoding.variables}
    for axis, rule in rules.items():
        alone = encoding.along(axis)
        found = alone.values(rule)
        assert found is not None, "a search finds a rule of its own space"
        values |= dict(zip(alone.variables, found, strict=True))
    return encoding.rule_at([values[variable] for variable in encoding.variables], name)


def joined_groups(tables: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Give each group once, with its exponents of all axes.

    Args:
        tables: The groups of every search.

    Example:
        >>> one = {"name": "hidden", "role": "hidden", "tensors": ["w"], "lr": {"width": 1}}
        >>> joined_groups([[one], [{**one, "lr": {"depth": 2}}]])[0]["lr"]
        {'width': 1, 'depth': 2}
    """
    found: dict[str, dict[str, Any]] = {}
    for group in (group for table in tables for group in table):
        known = found.setdefault(group["name"], {k: group[k] for k in ("name", "role", "tensors")})
        for quantity in (name for name in QUANTITIES if name in group):
            known[quantity] = {**known.get(quantity, {}), **group[quantity]}
    return list(found.values())
