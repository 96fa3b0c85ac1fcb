"""Paired differences: what two rules differ by on common seeds, beyond chance or not.

With ``d`` the differences seed by seed over n seeds, their mean stands out when it is larger than
``2 std(d) / sqrt(n)``, and larger than a floor below which no difference matters. Two standard
errors, because what is compared is the best of many.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

SURE = 2.0
"""Standard errors beyond which a difference is more than chance."""

LOSS_FLOOR = 5e-3
"""Differences of log losses that do not matter, whatever the seeds say: half a per cent. Where
seeds hardly differ (two linear layers under GD: 1e-4), a rule that was better by 0.002 over ratios
1 to 4 was worse by 0.003 at ratio 32."""


@dataclass(frozen=True, slots=True)
class Gap:
    """The difference of two rules.

    Attributes:
        mean: Mean over seeds.
        error: Standard error of the mean; 0 with a single seed.
    """

    mean: float
    error: float

    def word(self, floor: float = LOSS_FLOOR) -> Literal["lower", "tied", "higher"]:
        """Say where the first stands to the second.

        Args:
            floor: Differences up to here are none.

        Example:
            >>> Gap(-0.05, 0.01).word(), Gap(-0.05, 0.03).word(), Gap(0.05, 0.0).word()
            ('lower', 'tied', 'higher')
        """
        if abs(self.mean) <= max(SURE * self.error, floor):
            return "tied"
        return "lower" if self.mean < 0 else "higher"

    @property
    def promising(self) -> bool:
        """Whether the first looks lower, by a standard error: worth to be looked at again.

        Example:
            >>> Gap(-0.05, 0.03).promising, Gap(-0.05, 0.06).promising
            (True, False)
        """
        return self.mean < -self.error

    def percent(self) -> str:
        """Give a difference of log losses as what the loss differs by, in words.

        Example:
            >>> Gap(-0.05, 0.01).percent(), Gap(0.004, 0.0).percent(), Gap(0.8, 0.4).percent()
            ('4.9% ± 1.0% lower', '0.4% ± 0.0% higher', '123% ± 89% higher')
        """
        share = math.expm1(self.mean)
        size, error = 100 * abs(share), 100 * math.exp(self.mean) * self.error
        digits = 1 if max(size, error) < 99.95 else 0
        return f"{size:.{digits}f}% ± {error:.{digits}f}% {'lower' if share < 0 else 'higher'}"

    def to_json(self) -> dict[str, float]:
        """Give plain data."""
        return {"mean": self.mean, "error": self.error}


def gap(a: Sequence[float], b: Sequence[float]) -> Gap:
    """Compare two rules on common seeds.

    Args:
        a: One value per seed, finite.
        b: The same of the other rule.

    Returns:
        a - b.

    Example:
        >>> gap([1.0, 2.0], [0.5, 1.5])
        Gap(mean=0.5, error=0.0)
    """
    return _of([x - y for x, y in zip(a, b, strict=True)])


def mean_of(values: Sequence[float]) -> Gap:
    """Give mean and standard error of one value per seed: the difference from 0.

    Example:
        >>> mean_of([0.0, 2.0])
        Gap(mean=1.0, error=1.0)
    """
    return _of(values)


def _of(values: Sequence[float]) -> Gap:
    """Give mean and error; ``statistics.stdev`` takes ten times as long, for exact fractions."""
    count = len(values)
    mean = math.fsum(values) / count
    beyond = [value - values[0] for value in values]  # equal values have no error at all
    middle = math.fsum(beyond) / count
    squares = math.fsum((each - middle) ** 2 for each in beyond)
    return Gap(mean, math.sqrt(squares / (count - 1) / count) if count > 1 else 0.0)
