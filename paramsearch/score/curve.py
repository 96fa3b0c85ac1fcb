"""Loss-versus-learning-rate curves and their optimum."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

BESIDE = 2
"""Points on either side of the lowest from which an optimum is read."""


@dataclass(frozen=True, slots=True)
class Optimum:
    """The lowest point of a loss-versus-learning-rate curve.

    Attributes:
        log2_lr: Base-2 logarithm of the best learning rate.
        loss: Loss there.
        interior: Whether the curve rises on both sides; if not, the grid is too short.
    """

    log2_lr: float
    loss: float
    interior: bool

    @property
    def lr(self) -> float:
        """The best learning rate."""
        return float(2.0**self.log2_lr)


def optimum(lrs: Sequence[float], losses: ArrayLike) -> Optimum | None:
    """Find the best learning rate by a quadratic in log LR through the points around the lowest.

    The quadratic is fitted by least squares to the log losses of up to five points around the
    lowest (three where a neighbour diverged or loses more than a third): its neighbours, and what
    lies within two steps, that is within two distances to the nearer neighbour. The vertex is kept
    between the neighbours.

    Args:
        lrs: Learning rates, increasing, shape (K,); evenly spaced in log around the lowest point,
            elsewhere as they come.
        losses: Losses, inf or NaN where diverged, shape (K,) or (K, seeds), averaged over seeds.

    Returns:
        The optimum, or None if every learning rate diverged.

    Example:
        >>> lrs = [2.0**k for k in range(-6, 0)]
        >>> best = optimum(lrs, [2 ** (0.1 * (k + 3.2) ** 2) for k in range(-6, 0)])
        >>> round(best.log2_lr, 1), best.interior
        (-3.2, True)
    """
    x = np.log2(np.asarray(lrs, dtype=float))
    y = mean_over_seeds(losses)
    if not np.isfinite(y).any():
        return None
    k = int(np.argmin(y))
    interior = 0 < k < len(y) - 1
    step = float(np.abs(np.delete(x, k) - x[k]).min()) if len(x) > 1 else 0.0
    close = np.abs(x - x[k]) <= (BESIDE + 0.5) * step
    window = [i for i in np.flatnonzero(close).tolist() if y[i] <= 1.35 * abs(y[k])]
    near = [i for i in (k - 1, k, k + 1) if 0 <= i < len(y) and np.isfinite(y[i])]
    points = sorted({*window, *near})
    if not interior or len(points) < 3 or min(y[k], *y[points]) <= 0:
        return Optimum(float(x[k]), float(y[k]), interior)
    fit = np.polynomial.Polynomial.fit(x[points] - x[k], np.log(y[points]), 2)
    c, b, a = (float(value) for value in fit.convert().coef)
    if a <= 0:
        return Optimum(float(x[k]), float(y[k]), interior)
    shift = float(np.clip(-b / (2 * a), x[k - 1] - x[k], x[k + 1] - x[k]))
    loss = float(np.exp(a * shift**2 + b * shift + c))
    return Optimum(float(x[k]) + shift, min(loss, float(y[k])), interior)


def mean_over_seeds(losses: ArrayLike) -> Array:
    """Average losses of shape (K,) or (K, seeds) over seeds; one diverged seed makes it inf."""
    y = np.asarray(losses, dtype=float)
    y = np.where(np.isfinite(y), y, np.inf)
    return y.mean(axis=1) if y.ndim == 2 else y


def interpolate(lrs: Sequence[float], losses: ArrayLike, lr: float) -> float:
    """Read a curve between its grid points, linearly in log LR; inf beside a diverged point.

    Args:
        lrs: Learning rates, increasing, shape (K,).
        losses: Losses, shape (K,) or (K, seeds), averaged over seeds.
        lr: Where to read.

    Returns:
        The loss, or inf outside the grid.

    Example:
        >>> interpolate([0.01, 0.04], [1.0, 3.0], 0.02)
        2.0
    """
    x, y = np.log2(np.asarray(lrs, dtype=float)), mean_over_seeds(losses)
    at = float(np.log2(lr))
    if at < x[0] - 1e-9 or at > x[-1] + 1e-9:
        return float("inf")
    k = int(np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2))
    weight = float(np.clip((at - x[k]) / (x[k + 1] - x[k]), 0, 1))
    if weight < 1e-9:
        return float(y[k])
    if weight > 1 - 1e-9:
        return float(y[k + 1])
    return float((1 - weight) * y[k] + weight * y[k + 1])
