"""The slopes around a solution as a linear function of the exponents, and how wrong they are."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paramsearch.discovery.solver.least_squares import step
from paramsearch.discovery.solver.readings import counted

Array = NDArray[np.float64]
Bounds = tuple[Array, Array]
"""Lowest and highest distance from the solution, each (variables,)."""

RIDGE = 1e-3
"""Damping, in units of F per squared exponent: what nothing determines stays where it is."""


@dataclass(frozen=True)
class LinearModel:
    """``r(d) = slopes + J d`` at a distance d from the solution, and ``F(d) = sum (r / sigma)^2``.

    Attributes:
        slopes: r at the solution, (quantities,).
        jacobian: J, (quantities, variables).
        one_sided: Quantities that count only when they grow.
        sigma: Standard deviations of the slopes, (quantities,).
    """

    slopes: Array
    jacobian: Array
    one_sided: NDArray[np.bool_]
    sigma: Array

    def misfit(self, d: Array) -> float:
        """Give F at a distance d from the solution."""
        wrong = counted(self.slopes + self.jacobian @ d, self.one_sided) / self.sigma
        return float(np.square(wrong).sum())

    def best(self, bounds: Bounds, fixed: Mapping[int, float] | None = None) -> Array:
        """Give the d with the smallest F.

        Args:
            bounds: Between which d lies.
            fixed: Index of a variable -> its d.

        Example:
            >>> identity, both = np.eye(1), np.array([False])
            >>> model = LinearModel(np.array([0.5]), identity, both, np.array([0.1]))
            >>> model.best((np.array([-1.0]), np.array([1.0]))).round(3)
            array([-0.5])
        """
        residuals, jacobian = self.slopes / self.sigma, self.jacobian / self.sigma[:, None]
        return step(residuals, jacobian, self.one_sided, RIDGE, fixed, bounds)
