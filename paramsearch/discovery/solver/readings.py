"""What the update probes read of several rules at several scales, and the slopes of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paramsearch.probes.quantities import WORST_SLOPE

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Readings:
    """Probes of rules over scales and seeds, in base-2 logarithms.

    Attributes:
        names: ``"<probe>/<group>"`` of every quantity.
        one_sided: Which of them may fall with scale, and only must not grow, (quantities,).
        ratios: Scales over the base, (scales,).
        logs: NaN where a probe was not positive, (rules, quantities, scales, seeds).
    """

    names: tuple[str, ...]
    one_sided: NDArray[np.bool_]
    ratios: Array
    logs: Array

    def slopes(
        self, scales: Sequence[int] | None = None, seeds: Sequence[int] | None = None
    ) -> Array:
        """Give the slopes of the logs against the log ratio, averaged over seeds.

        Args:
            scales: Which scales count, at least two; all by default.
            seeds: Which seeds count, possibly several times; all by default.

        Returns:
            Shape (rules, quantities), cut off at +-4.

        Example:
            >>> logs, ratios = np.array([[[[0.0], [1.0], [2.0]]]]), np.array([1.0, 2.0, 4.0])
            >>> Readings(("signal/hidden",), np.array([False]), ratios, logs).slopes()
            array([[1.]])
        """
        logs = self.logs if scales is None else self.logs[:, :, list(scales)]
        logs = logs if seeds is None else logs[..., list(seeds)]
        x = np.log2(self.ratios if scales is None else self.ratios[list(scales)])
        weights = (x - x.mean()) / np.square(x - x.mean()).sum()
        slopes = np.einsum("s,rqsk->rqk", weights, np.nan_to_num(logs))
        good = np.isfinite(logs).all(axis=2)
        # Where the loss share turned negative the update does harm: as bad as a vanishing one.
        cut = np.where(good, np.clip(slopes, -WORST_SLOPE, WORST_SLOPE), -WORST_SLOPE)
        return cut.mean(axis=-1)

    def trained(self) -> NDArray[np.bool_]:
        """Say of which rules every probe could be read at every scale and seed, (rules,)."""
        return np.array([bool(np.isfinite(logs).all()) for logs in self.logs])

    def rule(self, index: int) -> "Readings":
        """Give the readings of one rule."""
        return Readings(self.names, self.one_sided, self.ratios, self.logs[index : index + 1])


def counted(slopes: Array, one_sided: NDArray[np.bool_]) -> Array:
    """Give what is wrong with slopes: those of one-sided quantities count only when they grow.

    Args:
        slopes: Of any shape, quantities last.
        one_sided: Shape (quantities,).
    """
    return np.where(one_sided, np.maximum(slopes, 0.0), slopes)


def size(slopes: Array, one_sided: NDArray[np.bool_]) -> float:
    """Give the sum of the squares of what is wrong with one rule's slopes."""
    return float(np.square(counted(slopes, one_sided)).sum())
