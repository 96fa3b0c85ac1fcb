"""The evidence for a rule in figures.

At scale s, with LR the base scale's optimum, per seed: ``transferred = loss(s, LR)``; ``regret =
mean(transferred - best)``, where ``best`` are the losses of the rule and learning rate with the
lowest mean loss anyone reaches at s; its spread is the standard error over seeds.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paramsearch.discovery.verdict import best_losses, mean_and_error, verdict
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
    best = {scale: best_losses(evidence, scale) for scale in scales}
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


def _entry(curve: Curve, base_lr: float, best: Array) -> dict[str, Any]:
    optimum, transferred = curve.best, curve.at(base_lr)
    regret = mean_and_error(transferred, best)
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


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
