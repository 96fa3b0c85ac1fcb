"""When the sampler stops before its budget is spent."""

import math
from collections.abc import Sequence

from paramsearch.discovery.evaluation import Evaluation


class Patience:
    """Counts generations that bring no better candidate.

    One is better if its score is lower than the lowest so far by more than the standard error of
    the latter: the lowest of many scores gets a little lower by luck alone.

    Args:
        generations: That may pass without one; None for any number.

    Example:
        >>> patience = Patience(1)
        >>> for score in (0.5, 0.495):
        ...     patience.saw([Evaluation(score, 0.01, (score,), {}, [])])
        >>> patience.ended
        True
    """

    def __init__(self, generations: int | None) -> None:
        self._left = self._generations = math.inf if generations is None else generations
        self._lowest = math.inf

    def knows(self, whole: Sequence[Evaluation]) -> bool:
        """Hear of candidates that somebody else proposed; says whether one is better."""
        best = min(whole, key=lambda evaluation: evaluation.score, default=None)
        if best is None or best.score >= self._lowest:
            return False
        self._lowest, self._left = best.score - best.spread, self._generations
        return True

    def saw(self, whole: Sequence[Evaluation]) -> None:
        """Hear which of the sampler's candidates of a generation were measured to the end."""
        if not self.knows(whole):
            self._left -= 1

    @property
    def ended(self) -> bool:
        """Whether the sampler stops."""
        return self._left <= 0
