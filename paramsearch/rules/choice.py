"""The values that one exponent of a space may take."""

from pydantic import Field, model_validator

from paramsearch.rules.group import Exponent, Frozen

_TOLERANCE = 1e-9


class Choice(Frozen):
    """The values one exponent may take: ``low, low + step, ..., high``; a number alone fixes it.

    Attributes:
        low: Smallest value.
        high: Largest value.
        step: Distance of neighbours.
        start: Where a blind search starts.
        tie: Name of a tie: all groups, or sites, that state the same one for this quantity and axis
            share their exponent; None for one's own.

    Example:
        >>> Choice.model_validate(-0.5).start
        -0.5
    """

    low: Exponent
    high: Exponent
    step: Exponent = Field(gt=0)
    start: Exponent
    tie: str | None = Field(default=None, min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _number_is_fixed(cls, data: object) -> object:
        if isinstance(data, int | float) and not isinstance(data, bool):
            return {"low": data, "high": data, "step": 1, "start": data}
        return data

    @model_validator(mode="after")
    def _is_a_grid(self) -> "Choice":
        if not self.low <= self.start <= self.high:
            raise ValueError(
                f"received low {self.low:g}, start {self.start:g}, high {self.high:g}; "
                "allowed: low <= start <= high"
            )
        for key, value in (("high", self.high), ("start", self.start)):
            steps = (value - self.low) / self.step
            if abs(steps - round(steps)) > _TOLERANCE:
                raise ValueError(
                    f"received {key} {value:g} with low {self.low:g} and step {self.step:g}; "
                    f"allowed: {key} a whole number of steps above low"
                )
        return self

    @model_validator(mode="after")
    def _ties_what_is_free(self) -> "Choice":
        if self.tie and self.fixed:
            raise ValueError(
                f"received tie '{self.tie}' for the fixed value {self.low:g}; allowed: a tie of "
                "what is free, with low < high"
            )
        return self

    @property
    def fixed(self) -> bool:
        """Whether there is nothing to choose."""
        return self.low == self.high
