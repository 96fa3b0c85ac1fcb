"""Learning rate schedules: the factor of every step."""

from dataclasses import dataclass
from math import cos, pi
from typing import Literal, get_args

from paramsearch.errors import ParamsearchError, unknown_name

Name = Literal["constant", "linear", "cosine", "wsd"]

SCHEDULES: tuple[str, ...] = get_args(Name)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The learning rate over a run, as a factor on its peak.

    Steps count from 0. With W = round(warmup * steps) steps of warmup, step t < W has the factor
    ``(t + 1) / W``, so the last of them is at the peak. With the progress p of a fall, which is 0
    at its first step and would reach 1 at the step after the last:

    | name       | factor from step W on                                                     |
    | ---------- | ------------------------------------------------------------------------- |
    | `constant` | 1                                                                         |
    | `linear`   | ``1 + (final - 1) p``, falling from step W on                             |
    | `cosine`   | ``final + (1 - final) (1 + cos(pi p)) / 2``, falling from step W on       |
    | `wsd`      | 1, then ``1 + (final - 1) p`` over the last round(decay * steps) steps    |

    Attributes:
        name: The form.
        warmup: Share of the steps that warm up, in [0, 1].
        decay: Share of the steps, at the end, over which ``wsd`` falls; 0 for the others.
        final: Where the fall leads, in [0, 1].

    Raises:
        ParamsearchError: A value that is not allowed.

    Example:
        >>> Schedule("linear", warmup=0.25).factors(8)
        [0.5, 1.0, 1.0, 0.8333333333333334, 0.6666666666666667, 0.5, 0.33333333333333337, \
0.16666666666666663]
    """

    name: str = "constant"
    warmup: float = 0.0
    decay: float = 0.0
    final: float = 0.0

    def __post_init__(self) -> None:
        """Check the values."""
        if self.name not in SCHEDULES:
            raise unknown_name("schedule", self.name, SCHEDULES)
        for key in ("warmup", "decay", "final"):
            value = getattr(self, key)
            if not 0 <= value <= 1:
                raise ParamsearchError(
                    f"schedule '{self.name}': {key}: received {value}; allowed: 0 to 1"
                )
        if (self.name == "wsd") != (self.decay > 0):
            allowed = "above 0" if self.name == "wsd" else "0, for only wsd has a decay share"
            raise ParamsearchError(
                f"schedule '{self.name}': decay: received {self.decay}; allowed: {allowed}"
            )
        if self.warmup + self.decay > 1:
            raise ParamsearchError(
                f"schedule '{self.name}': received warmup {self.warmup} and decay {self.decay}; "
                "allowed: together at most 1"
            )

    def factors(self, steps: int) -> list[float]:
        """Give the factor of every step.

        Args:
            steps: Number of steps of the run.

        Returns:
            ``steps`` numbers from 0 to 1.
        """
        warm = round(self.warmup * steps)
        rest = steps - warm
        length = min(round(self.decay * steps), rest) if self.name == "wsd" else rest
        rising = [(t + 1) / warm for t in range(warm)]
        falling = [self._fallen(t / length) for t in range(length)]
        return [*rising, *[1.0] * (rest - length), *falling]

    def _fallen(self, progress: float) -> float:
        """Give the factor at a progress from 0 to 1 of the fall."""
        if self.name == "constant":
            return 1.0
        if self.name == "cosine":
            return self.final + (1 - self.final) * (1 + cos(pi * progress)) / 2
        return 1 + (self.final - 1) * progress
