"""What a search found, as one JSON object: the same bytes however often the run was resumed."""

from collections.abc import Mapping, Sequence
from typing import Any

from paramsearch.discovery.answers.limit import has_limit, limit_of
from paramsearch.discovery.answers.longer import Longer
from paramsearch.discovery.answers.outlast import told_later
from paramsearch.discovery.answers.pattern import inside, pattern
from paramsearch.discovery.evaluation import Evaluation
from paramsearch.discovery.found import Found, Step
from paramsearch.discovery.nearest import nearest
from paramsearch.discovery.settings import SearchSettings
from paramsearch.rules.encoding import SitePlace
from paramsearch.rules.gauge import QUANTITIES
from paramsearch.rules.rule import Rule
from paramsearch.rules.space import Encoding
from paramsearch.rules.variable import Variable
from paramsearch.tracing.tensor import TensorInfo
from paramsearch.train.runs import Runs

Groups = Mapping[str, Sequence[TensorInfo]]


def summarize(
    settings: SearchSettings,
    found: Found,
    encoding: Encoding,
    groups: Groups,
    published: Mapping[str, Rule],
) -> dict[str, Any]:
    """Bring the result of a search into the form of ``summary.json``.

    Args:
        settings: What was asked.
        found: What was found.
        encoding: The free exponents.
        groups: The model's groups of tensors.
        published: Rules for the comparison of exponents; also after a blind search.

    Returns:
        The summary without the run's ``base``, ``trials``, ``failures`` and ``member_steps``, which
        the ledger knows.
    """
    rule = found.rule.model_copy(update={"source": settings.command})
    evaluation = found.best.evaluation
    asked = ("arch", "options", "task", "axis", "optimizer", "space", "by", "objective")
    asked += ("budget", "sampler", "seed", "blind", "suggest", "prefer", "target_ratio")
    asked += ("program", "timeout")
    near = nearest(rule, published, groups, settings.axis)
    within = inside(encoding, found.best.low, found.best.high, published)
    nothing: dict[str, Any] = {"front": None, "choice": None}
    told = found.answer.to_json() if found.answer else nothing
    if found.answer:
        ends = found.answer.choice.front
        told["choice"] |= {
            "limit_pattern": _said(ends.limit.rule, groups, published, settings.axis),
            "loss_pattern": _said(ends.loss.rule, groups, published, settings.axis),
        }
    return {
        "paramsearch": 1,
        **{name: getattr(settings, name) for name in asked},
        "command": settings.command,
        "rule": rule_json(rule),
        "groups": group_table(found, encoding, groups),
        "score": score_json(evaluation),
        "start_score": score_json(found.start),
        "baselines": {name: score_json(e) for name, e in found.baselines.items()},
        "limit": limit_of(evaluation).to_json() if has_limit(evaluation) else None,
        **told,
        "longer": _longer(found.longer) if found.longer else None,
        "sensitivity": [each.to_json() for each in found.sensitivity],
        "sensitivity_in": found.lost,
        "pattern": pattern(rule, groups, near, within).to_json(),
        "curves": {"start": found.start.curves, "found": evaluation.curves},
        "candidates": candidates(found.steps),
        "polished": [told_of(evaluation) for evaluation in found.polished],
        "nearest": near,
    }


def _longer(longer: Longer) -> dict[str, Any]:
    """Give what longer runs said, with a sentence where it is not in the reason of a choice."""
    return {**longer.to_json(), "sentence": told_later(longer)}


def _said(rule: Rule, groups: Groups, published: Mapping[str, Rule], axis: str) -> str:
    """Give a rule in a line."""
    return pattern(rule, groups, nearest(rule, published, groups, axis)).sentence


def failures(axis: str, runs: Mapping[int, Runs]) -> list[dict[str, Any]]:
    """Give the scales at which runs of the user's program failed, how many, and what the first did.

    Args:
        axis: Of the search.
        runs: Scale -> runs.

    Example:
        >>> failures("width", {32: Runs(9), 64: Runs(8, 2, "exited with code 1")})
        [{'axis': 'width', 'scale': 64, 'runs': 8, 'failed': 2, 'failure': 'exited with code 1'}]
    """
    return [
        {
            "axis": axis,
            "scale": scale,
            "runs": each.made,
            "failed": each.failed,
            "failure": each.failure,
        }
        for scale, each in sorted(runs.items())
        if each.failed
    ]


def rule_json(rule: Rule) -> dict[str, Any]:
    """Give the rule as its file holds it."""
    return rule.plain()


def score_json(evaluation: Evaluation) -> dict[str, Any]:
    """Give total, spread and terms of an evaluation, and the limit behaviour where it is known."""
    return {
        "total": evaluation.score,
        "spread": evaluation.spread,
        "terms": dict(evaluation.terms),
        "limit": limit_of(evaluation).label if has_limit(evaluation) else None,
    }


def candidates(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Give every distinct candidate: ``{trial, generation, stage, score, spread}``.

    The score of one that stopped before the stage ``whole`` is a lower bound.
    """
    return [
        {"trial": step.trial, "generation": step.generation, **told_of(step.evaluation)}
        for step in steps
    ]


def told_of(evaluation: Evaluation) -> dict[str, Any]:
    """Give the score of an evaluation, its spread, and the stage to which it came."""
    return {
        "stage": evaluation.stage,
        "score": evaluation.score,
        "spread": evaluation.spread,
    }


def group_table(found: Found, encoding: Encoding, groups: Groups) -> list[dict[str, Any]]:
    """Give each group with its exponents and what the data say about them.

    The interval of an exponent holds the values tied with it; one that the space fixes has no width
    and is marked ``fixed``.

    Args:
        found: What was found.
        encoding: The free exponents.
        groups: The model's groups of tensors.

    Returns:
        Per group ``{name, role, tensors, <quantity>: {axis: {value, low, high, determined,
        at_bound, fixed}}}``, and the same with role ``site`` for branches, attention logits and
        tied readouts.
    """
    best = found.best
    table = {name: fixed_entry(name, tensors, found.rule) for name, tensors in groups.items()}
    table |= {place.label: site_entry(place) for place in encoding.sites}
    points = zip(encoding.variables, best.point, best.low, best.high, strict=True)
    for variable, at, low, high in points:
        entry = free_exponent(variable, *(variable.values[index] for index in (at, low, high)))
        for group in variable.groups:
            table[group].setdefault(variable.quantity, {})[variable.axis] = entry
    return list(table.values())


def free_exponent(variable: Variable, value: float, low: float, high: float) -> dict[str, Any]:
    """Give what the data say of an exponent.

    Args:
        variable: The exponent, with its bounds.
        value: Found for it.
        low: The lowest value that is as good.
        high: The highest.

    Example:
        >>> hidden = Variable("hidden", "lr", "width", -1.0, 0.0, 0.25, 0.0)
        >>> entry = free_exponent(hidden, -1.0, -1.0, -0.75)
        >>> entry["determined"], entry["at_bound"]
        (False, True)
    """
    return {
        "value": value,
        "low": low,
        "high": high,
        "determined": variable.determined(low, high),
        "at_bound": not variable.determined(value, value),
        "fixed": False,
    }


def _fixed_exponent(value: float) -> dict[str, Any]:
    known = {"value": value, "low": value, "high": value}
    return {**known, "determined": True, "at_bound": False, "fixed": True}


def fixed_entry(name: str, tensors: Sequence[TensorInfo], rule: Rule) -> dict[str, Any]:
    """Give a group with its exponents in a rule, as if all were fixed.

    Args:
        name: Of the group.
        tensors: Of the group.
        rule: Says the exponents.
    """
    entry: dict[str, Any] = {
        "name": name,
        "role": tensors[0].role,
        "tensors": [tensor.name for tensor in tensors],
    }
    for quantity in QUANTITIES:
        for axis in rule.axes:
            value = _exponent(rule, tensors[0], quantity, axis)
            if value or quantity in ("init", "lr"):
                entry.setdefault(quantity, {})[axis] = _fixed_exponent(value)
    return entry


def site_entry(place: SitePlace) -> dict[str, Any]:
    """Give sites with what the space fixes of their multiplier."""
    entry: dict[str, Any] = {"name": place.label, "role": "site", "tensors": list(place.tensors)}
    for axis, value in place.fixed.items():
        entry.setdefault("multiplier", {})[axis] = _fixed_exponent(value)
    return entry


def _exponent(rule: Rule, tensor: TensorInfo, quantity: str, axis: str) -> float:
    group = rule.exponents(tensor)
    return group.exponent(quantity, axis) + 0.0 if group else 0.0
