"""Between the sampler's common range of choices and each exponent's own grid.

The sampler works on D variables that share one ordered range ``0 .. k-1``; exponents have grids of
different sizes ``n``. Choice ``c`` stands for grid index ``round(c (n - 1) / (k - 1))``, which is
ordered and reaches every index.
"""

from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[int, ...]
"""Grid indices of one candidate, one per free exponent."""


@dataclass(frozen=True, slots=True)
class Choices:
    """The common range for grids of several sizes.

    Attributes:
        counts: Grid sizes n of the free exponents, each at least 1.
    """

    counts: tuple[int, ...]

    @property
    def size(self) -> int:
        """The number k of choices: the size of the largest grid.

        Example:
            >>> Choices((5, 9)).size
            9
        """
        return max(self.counts)

    def point(self, choices: Sequence[int]) -> Point:
        """Give the grid indices that the sampler's choices stand for.

        Args:
            choices: At least one per free exponent, each in ``0 .. k-1``; further ones are ignored.

        Example:
            >>> Choices((5, 9)).point([8, 3])
            (4, 3)
        """
        top = max(self.size - 1, 1)
        # (2 c (n-1) + top) // (2 top) rounds halves up, in integers
        return tuple(
            (2 * choice * (count - 1) + top) // (2 * top)
            for choice, count in zip(choices, self.counts, strict=False)
        )

    def choices(self, point: Sequence[int]) -> Point:
        """Give choices that stand for the grid indices; ``point(choices(p)) == p``.

        Args:
            point: One grid index per free exponent.

        Example:
            >>> Choices((5, 9)).choices((4, 3))
            (8, 3)
        """
        top = self.size - 1
        return tuple(
            (2 * index * top + (count - 1)) // (2 * (count - 1)) if count > 1 else 0
            for index, count in zip(point, self.counts, strict=True)
        )
