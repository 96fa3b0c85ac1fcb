"""Damped least squares within bounds, where some residuals count only when they are positive."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_PASSES = 12  # of choosing which one-sided residuals count; two or three do


def step(
    residuals: Array,
    jacobian: Array,
    one_sided: Mask,
    damping: float,
    fixed: Mapping[int, float] | None = None,
    bounds: tuple[Array, Array] | None = None,
) -> Array:
    """Find the d that makes ``sum_i r_i^2 + damping |d|^2`` smallest, ``r = residuals + J d``.

    A one-sided residual counts as ``max(r_i, 0)``. The problem is convex; which of these count, and
    which components of d stand at a bound, is found by iteration.

    Args:
        residuals: Shape (m,).
        jacobian: J, shape (m, n).
        one_sided: Shape (m,).
        damping: Positive, so that components which nothing determines stay 0.
        fixed: Component -> its value.
        bounds: Lowest and highest d, each (n,).

    Returns:
        d, shape (n,).

    Example:
        >>> J = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> step(np.array([-1.0, -1.0]), J, np.array([False, True]), 1e-12).round(6)
        array([1., 0.])
    """
    count = jacobian.shape[1]
    held = dict(fixed or {})
    d = np.zeros(count)
    for index, value in held.items():
        d[index] = value
    rows = ~one_sided | (residuals + jacobian @ d > 0)
    for _ in range(_PASSES):
        free = [k for k in range(count) if k not in held]
        known = residuals + jacobian[:, list(held)] @ np.array(list(held.values()))
        a, b = jacobian[rows][:, free], known[rows]
        d = np.zeros(count)
        d[list(held)] = list(held.values())
        d[free] = np.linalg.solve(a.T @ a + damping * np.eye(len(free)), -a.T @ b)
        counts = ~one_sided | (residuals + jacobian @ d > 0)
        beyond = _beyond(d, free, bounds)
        if not beyond and (counts == rows).all():
            break
        held |= beyond
        rows = counts
    return d


def _beyond(d: Array, free: list[int], bounds: tuple[Array, Array] | None) -> dict[int, float]:
    """Give the bound of every free component that lies outside."""
    if bounds is None:
        return {}
    inside = np.clip(d, *bounds)
    return {k: float(inside[k]) for k in free if abs(inside[k] - d[k]) > 1e-12}
