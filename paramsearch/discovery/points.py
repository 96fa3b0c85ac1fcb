"""Points of learning-rate curves: which rule, at which learning rate of the window."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from paramsearch.discovery.curves import shaped
from paramsearch.train.outcome import Outcome

Array = NDArray[np.float64]

Points = dict[tuple[int, int], tuple[Array, Array]]
"""(rule, index in the window) -> final losses and shares of the steps survived, each (seeds,)."""


def rows(points: Sequence[tuple[int, int]], outcome: Outcome) -> Points:
    """Name the rows of an outcome.

    Args:
        points: What was trained, in order.
        outcome: Of the members, the seeds of a point being side by side.
    """
    final = shaped(outcome.final, len(points), -1)
    survived = shaped(outcome.survived, len(points), -1)
    return {point: (final[row], survived[row]) for row, point in enumerate(points)}
