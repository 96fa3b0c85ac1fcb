"""The evidence for a rule in figures, and the verdict in words.

At scale s, with LR the base scale's optimum, per seed: ``transferred = loss(s, LR)``; ``regret =
mean(transferred - best)``, where ``best`` are the losses of the rule and learning rate with the
lowest mean loss anyone reaches at s; its spread is the standard error over seeds.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paramsearch.discovery.verify import Curve, Evidence

Array = NDArray[np.float64]


def certify(evidence: Evidence) -> dict[str, Any]:
    """Bring the evidence into the form of ``certificate.json``.

    Args:
        evidence: The curves; the first rule is the one to verify, the others are baselines.

    Returns:
        ``{axis, base_scale, base_lr, rules: {name: {scales, drift_octaves, drift_per_decade}},
        verdict: {passed, sentence}}``; null stands for a diverged or undetermined number.
    """
    scales = list(next(iter(evidence.curves.values())))
    best = {scale: _best(evidence, scale) for scale in scales}
    rules = {
        name: {
            "scales": {str(s): _entry(curves[s], evidence.base_lr, best[s]) for s in scales},
            **drift(curves, evidence.base_scale),
        }
        for name, curves in evidence.curves.items()
    }
    return {
        "axis": evidence.axis,
        "base_scale": evidence.base_scale,
        "base_lr": evidence.base_lr,
        "rules": rules,
        "verdict": verdict(evidence, rules),
    }


def drift(curves: Mapping[int, Curve], base: int) -> dict[str, float | None]:
    """Give how far the best learning rate moves with scale.

    Args:
        curves: Scale -> curve.
        base: The base scale.

    Returns:
        ``drift_octaves``, largest minus smallest log2 optimum, and ``drift_per_decade``, the slope
        of log2 optimum on log10 ratio; None if some scale has no optimum.
    """
    optima = [curve.best for curve in curves.values()]
    heights = [best.log2_lr for best in optima if best is not None]
    if len(heights) < len(optima) or len(heights) < 2:
        return {"drift_octaves": None, "drift_per_decade": None}
    decades = [math.log10(scale / base) for scale in curves]
    slope = float(np.polyfit(decades, heights, 1)[0])
    return {"drift_octaves": max(heights) - min(heights), "drift_per_decade": slope}


def verdict(evidence: Evidence, rules: Mapping[str, Any]) -> dict[str, Any]:
    """Judge the rule: at every held-out scale no baseline transfers better beyond the spread.

    Without a baseline the optimum must drift by at most one octave over the whole range.

    Args:
        evidence: The curves.
        rules: Their figures, as in the certificate.

    Returns:
        ``{passed, sentence}``.
    """
    name, *baselines = evidence.curves
    held_out = [scale for scale in evidence.curves[name] if scale != evidence.base_scale]
    largest = held_out[-1]
    lost = {s: [b for b in baselines if _compare(evidence, name, b, s) > 0] for s in held_out}
    diverged = [s for s in held_out if rules[name]["scales"][str(s)]["regret"] is None]
    octaves = rules[name]["drift_octaves"]
    drifts = not baselines and (octaves is None or octaves > 1)
    passed = not diverged and not drifts and not any(lost.values())
    where = f"{evidence.axis} {largest} ({largest / evidence.base_scale:g} x base)"
    parts = [f"{name} {'passes' if passed else 'fails'}: at {where} its transfer regret is "]
    parts.append(_figure(rules[name]["scales"][str(largest)]))
    words = {-1: "better than", 0: "tied with", 1: "worse than"}
    for sign, word in words.items():
        some = [b for b in baselines if _compare(evidence, name, b, largest) == sign]
        figures = [f"{b} ({_figure(rules[b]['scales'][str(largest)])})" for b in some]
        parts.append(f", {word} {' and '.join(figures)}" if some else "")
    drifted = [f"{b} {_octaves(rules[b]['drift_octaves'])}" for b in baselines]
    parts.append(f"; its optimum drifts by {_octaves(octaves)} octaves over the range")
    parts.append(f" ({', '.join(drifted)})" if drifted else "")
    for scale in held_out[:-1]:
        if lost[scale]:
            parts.append(f"; at {evidence.axis} {scale} {' and '.join(lost[scale])} does better")
        if scale in diverged:
            parts.append(f"; at {evidence.axis} {scale} it diverges")
    return {"passed": passed, "sentence": "".join(parts) + "."}


def _best(evidence: Evidence, scale: int) -> Array:
    """Losses per seed of whoever is best at a scale, (seeds,)."""
    rows = np.concatenate([curves[scale].losses for curves in evidence.curves.values()])
    return rows[int(np.argmin(rows.mean(axis=1)))]


def _entry(curve: Curve, base_lr: float, best: Array) -> dict[str, Any]:
    optimum, transferred = curve.best, curve.at(base_lr)
    regret = _mean_and_error(transferred, best)
    means = curve.losses.mean(axis=1)
    return {
        "lrs": list(curve.lrs),
        "losses": [[_finite(loss) for loss in row] for row in curve.losses.tolist()],
        "optimum": optimum.lr if optimum else None,
        "interior": bool(optimum and optimum.interior),
        "best_loss": _finite(float(means.min())),
        "transferred_loss": _finite(float(transferred.mean())),
        "regret": _finite(regret[0]),
        "regret_spread": _finite(regret[1]),
    }


def _mean_and_error(a: Array, b: Array) -> tuple[float, float]:
    """Mean of a - b over seeds and its standard error; inf where a diverged."""
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return math.inf, math.inf
    gap, count = a - b, len(a)
    return float(gap.mean()), float(gap.std(ddof=1) / math.sqrt(count)) if count > 1 else 0.0


def _compare(evidence: Evidence, name: str, other: str, scale: int) -> int:
    """Compare transferred losses: -1 better than the other, 0 tied, 1 worse."""
    mine = evidence.curves[name][scale].at(evidence.base_lr)
    theirs = evidence.curves[other][scale].at(evidence.base_lr)
    if not np.isfinite(theirs).all():
        return -1 if np.isfinite(mine).all() else 0
    if not np.isfinite(mine).all():
        return 1
    best = _best(evidence, scale)
    mean, error = _mean_and_error(mine, theirs)
    spread = max(error, _mean_and_error(theirs, best)[1])
    return 0 if abs(mean) <= spread else (1 if mean > 0 else -1)


def _figure(entry: Mapping[str, Any]) -> str:
    if entry["regret"] is None:
        return "infinite, it diverges"
    return f"{entry['regret']:.3g} +- {entry['regret_spread']:.1g}"


def _octaves(value: float | None) -> str:
    return "an unknown number of" if value is None else f"{value:.2f}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
