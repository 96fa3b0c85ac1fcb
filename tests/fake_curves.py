"""Learning-rate curves without training, in place of ``point_losses``."""

import math

import numpy as np

BASE, BEST_LR = 32, 2.0**-6
SLOPE = {"mup": 0.0, "sp": -1.0, "ntk": -1.0}  # octaves by which the optimum moves per doubling
NOISE = 0.001


def losses(setting, scale, rules, points, seeds, watch=None):
    """Parabolas in log2 LR whose bottom moves by SLOPE per doubling; 6 octaves above it, inf."""
    result = np.empty((len(points), len(seeds)))
    for row, (rule, lr) in enumerate(points):
        bottom = math.log2(BEST_LR) + SLOPE[rules[rule].name] * math.log2(scale / BASE)
        gap = math.log2(lr) - bottom
        loss = 1 + 0.05 * gap**2 if gap < 6 else math.inf
        result[row] = [loss + NOISE * (seed % 7) for seed in seeds]
    if watch is not None:
        watch.steps(result.size)
    return result


def at_every_seed(value):
    """Losses that depend on the learning rate alone."""

    def of_points(setting, scale, rules, points, seeds, watch=None):
        return np.array([[value(lr)] * len(seeds) for _, lr in points])

    return of_points
