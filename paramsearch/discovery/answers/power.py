"""The power of the ratio with which something goes, seed by seed."""

from dataclasses import dataclass

from paramsearch.discovery.paired import SURE, Gap, mean_of


@dataclass(frozen=True, slots=True)
class Power:
    """The power of the ratio with which the feature change of a group goes, or something else.

    Attributes:
        group: Name of the group.
        per_seed: The slope of each seed.
        what: What goes with that power: the ``feature change``, the ``signal``, or the ``share of
            the first step``.
    """

    group: str
    per_seed: tuple[float, ...]
    what: str = "feature change"

    @property
    def size(self) -> Gap:
        """Mean and standard error over seeds."""
        return mean_of(self.per_seed)

    @property
    def low(self) -> float:
        """Two standard errors below the mean."""
        return self.size.mean - SURE * self.size.error

    @property
    def high(self) -> float:
        """Two standard errors above the mean."""
        return self.size.mean + SURE * self.size.error

    def __str__(self) -> str:
        """Give the power as people write it."""
        return f"m^{self.size.mean:.2f} ± {self.size.error:.2f}"
