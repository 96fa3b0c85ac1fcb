"""The verdict of a certificate in words, and the comparisons behind it.

A rule fails when a baseline transfers better beyond the spread at a held-out scale, when it
diverges at one, or when its optimum drifts by more than an octave over the range while that of a
baseline drifts by half an octave less (without baselines: when it drifts by more than an octave).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paramsearch.discovery.paired import LOSS_FLOOR, SURE, gap
from paramsearch.discovery.verify import Evidence

Array = NDArray[np.float64]

DRIFT = 1.0
"""Octaves by which an optimum may drift."""

MARGIN = 0.5
"""Octaves of drift that count as a difference, and that the standard parameterization must show."""

_ROUNDING = 1e-9  # of losses; a smaller difference is none


def verdict(evidence: Evidence, rules: Mapping[str, Any]) -> dict[str, Any]:
    """Judge the first rule of the evidence against the others.

    Args:
        evidence: The curves.
        rules: Their figures, as in the certificate.

    Returns:
        ``{passed, sentence}``.
    """
    name, *baselines = evidence.curves
    reasons = _reasons(evidence, rules, name, baselines)
    head = f"{name} fails, because {', and '.join(reasons)}" if reasons else f"{name} passes"
    flat = [b for b in rules if b.split("-")[0] == "sp" and _drift(rules[b]) < MARGIN]
    if flat:
        head += f"; but even {flat[0]} drifts by only {_drift(rules[flat[0]]):.2f} octaves, "
        head += "so the test has no power"
    figures = [_at(evidence, rules, name, baselines, scale) for scale in _held_out(evidence)]
    parts = [f"{head}: transfer regret {', '.join(figures)}", _drifts(evidence, rules, name)]
    if len(next(iter(evidence.curves[name].values())).losses[0]) == 1:
        parts.append("one seed, so without spread")
    return {"passed": not reasons, "sentence": f"{'; '.join(parts)}."}


def best_losses(evidence: Evidence, scale: int) -> Array:
    """Give the losses per seed of whoever is best at a scale, (seeds,)."""
    rows = np.concatenate([curves[scale].losses for curves in evidence.curves.values()])
    return rows[int(np.argmin(rows.mean(axis=1)))]


def mean_and_error(a: Array, b: Array) -> tuple[float, float]:
    """Give mean of a - b over seeds and its standard error; inf where a diverged."""
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return math.inf, math.inf
    found = gap(a.tolist(), b.tolist())
    return found.mean, found.error


def compare(evidence: Evidence, name: str, other: str, scale: int) -> int:
    """Compare losses at the base learning rate: -1 better than the other, 0 tied, 1 worse.

    A difference counts beyond two standard errors over seeds, beyond that of the other's regret,
    and beyond half a per cent of the other's loss.
    """
    mine = evidence.curves[name][scale].at(evidence.base_lr)
    theirs = evidence.curves[other][scale].at(evidence.base_lr)
    if not np.isfinite(theirs).all():
        return -1 if np.isfinite(mine).all() else 0
    if not np.isfinite(mine).all():
        return 1
    mean, error = mean_and_error(mine, theirs)
    scatter = mean_and_error(theirs, best_losses(evidence, scale))[1]
    spread = max(SURE * error, scatter, LOSS_FLOOR * abs(float(theirs.mean())))
    return 0 if abs(mean) <= spread else (1 if mean > 0 else -1)


def _held_out(evidence: Evidence) -> list[int]:
    scales = next(iter(evidence.curves.values()))
    return [scale for scale in scales if scale != evidence.base_scale]


def _reasons(
    evidence: Evidence, rules: Mapping[str, Any], name: str, baselines: Sequence[str]
) -> list[str]:
    """Say why the rule fails; empty when it passes."""
    reasons: list[str] = []
    for scale in _held_out(evidence):
        where = f"at {evidence.axis} {scale}"
        if rules[name]["scales"][str(scale)]["regret"] is None:
            reasons.append(f"{where} it diverges")
            continue
        better = [b for b in baselines if compare(evidence, name, b, scale) > 0]
        if better:
            reasons.append(f"{where} {_list(better)} transfer{'s' * (len(better) == 1)} better")
    octaves = _drift(rules[name])
    steadier = [b for b in baselines if _drift(rules[b]) < octaves - MARGIN]
    if octaves > DRIFT and (steadier or not baselines):
        than = _list([f"{b} by {_drift(rules[b]):.2f}" for b in steadier])
        than = f"and {than} only" if steadier else f"more than {DRIFT:g}"
        reasons.append(f"its optimum drifts by {_octaves(rules[name])} octaves, {than}")
    return reasons


def _at(
    evidence: Evidence, rules: Mapping[str, Any], name: str, baselines: Sequence[str], scale: int
) -> str:
    """Give the regret at one scale, and how it compares with that of every baseline."""
    words = {-1: "better than", 0: "tied with", 1: "worse than"}
    compared: list[str] = []
    for sign, word in words.items():
        some = [b for b in baselines if compare(evidence, name, b, scale) == sign]
        figures = [f"{b} {_regret(rules[b]['scales'][str(scale)])}" for b in some]
        compared += [f"{word} {_list(figures)}"] if some else []
    beside = f" ({', '.join(compared)})" if compared else ""
    where = f"at {evidence.axis} {scale} ({scale / evidence.base_scale:g} x base)"
    return f"{where} {_regret(rules[name]['scales'][str(scale)])}{beside}"


def _drifts(evidence: Evidence, rules: Mapping[str, Any], name: str) -> str:
    """Give the drift of every rule's optimum, over the range and per decade of scale."""
    span = f"{evidence.axis} {evidence.base_scale} to {_held_out(evidence)[-1]}"
    mine = f"the optimum drifts by {_octaves(rules[name])} octaves over {span}, "
    mine += f"{_slope(rules[name])} per decade"
    others = [f"{b} {_octaves(rules[b])}, {_slope(rules[b])}" for b in rules if b != name]
    return f"{mine} ({'; '.join(others)})" if others else mine


def _drift(rule: Mapping[str, Any]) -> float:
    return math.inf if rule["drift_octaves"] is None else float(rule["drift_octaves"])


def _octaves(rule: Mapping[str, Any]) -> str:
    if rule["drift_octaves"] is None:
        return "an unknown number of"
    ends = all(entry["interior"] for entry in rule["scales"].values())
    return f"{'' if ends else 'at least '}{rule['drift_octaves']:.2f}"


def _slope(rule: Mapping[str, Any]) -> str:
    value = rule["drift_per_decade"]
    return "unknown" if value is None else f"{round(value, 2) + 0.0:+.2f}"


def _regret(entry: Mapping[str, Any]) -> str:
    if entry["regret"] is None:
        return "infinite: it diverges"
    return " ± ".join(
        f"{0.0 if abs(value) < _ROUNDING else value:{form}}"
        for value, form in ((entry["regret"], ".3g"), (entry["regret_spread"], ".1g"))
    )


def _list(words: Sequence[str]) -> str:
    *most, last = words or [""]
    return f"{', '.join(most)} and {last}" if most else last
