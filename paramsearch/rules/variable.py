"""One free exponent of a space that is laid over a model."""

from dataclasses import dataclass

from paramsearch.rules.gauge import tidy

_AT = 1e-9  # from a bound


@dataclass(frozen=True, slots=True)
class Variable:
    """One free exponent, on the grid ``low, low + step, ..., high``.

    Attributes:
        group: Name of the group of tensors, or of the sites.
        quantity: ``init``, ``lr``, ``weight_decay`` or ``eps``; ``multiplier`` of sites.
        axis: The axis whose power it is.
        low: Smallest value.
        high: Largest value.
        step: Distance of neighbours.
        start: Where a blind search starts; on the grid.
        tied: Further groups or sites that share it.
    """

    group: str
    quantity: str
    axis: str
    low: float
    high: float
    step: float
    start: float
    tied: tuple[str, ...] = ()

    @property
    def groups(self) -> tuple[str, ...]:
        """Name all groups, or sites, whose exponent it is."""
        return self.group, *self.tied

    @property
    def label(self) -> str:
        """Name the variable for people: ``hidden lr width``."""
        return f"{' + '.join(self.groups)} {self.quantity} {self.axis}"

    @property
    def values(self) -> tuple[float, ...]:
        """List the grid.

        Example:
            >>> Variable("hidden", "lr", "width", -1.0, 0.0, 0.5, 0.0).values
            (-1.0, -0.5, 0.0)
        """
        count = round((self.high - self.low) / self.step) + 1
        return tuple(tidy(self.low + index * self.step) for index in range(count))

    def nearest(self, value: float) -> int:
        """Give the index of the grid value nearest to a value; the ends for values beyond.

        Example:
            >>> Variable("hidden", "lr", "width", -1.0, 0.0, 0.5, 0.0).nearest(-7.0)
            0
        """
        index = round((value - self.low) / self.step)
        return min(max(index, 0), len(self.values) - 1)

    def determined(self, low: float, high: float) -> bool:
        """Say whether an interval of equally good values ends before the bounds do, on both sides.

        Where a bound cuts it off, nobody knows how far it reaches.

        Args:
            low: Its lower end.
            high: Its upper end.

        Example:
            >>> hidden = Variable("hidden", "lr", "width", -1.0, 0.0, 0.25, 0.0)
            >>> hidden.determined(-0.75, -0.5), hidden.determined(-1.0, -0.75)
            (True, False)
        """
        return low > self.low + _AT and high < self.high - _AT
