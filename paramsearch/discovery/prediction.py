"""What a job will take, as data and in words."""

from dataclasses import dataclass
from math import inf
from typing import Any


@dataclass(frozen=True, slots=True)
class Growth:
    """How the cost of a step grows along an axis.

    Attributes:
        axis: The axis.
        base: Size of the base.
        scale: The largest size that trains.
        times: Cost of a step there, over that at the base.
        power: Of the scale with which it grows from the last size but one to the last.
    """

    axis: str
    base: int
    scale: int
    times: float
    power: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a job will take.

    Attributes:
        trials: Candidates evaluated, as expected; 0 where none are proposed.
        member_steps: Updates of all training runs, as expected.
        most_member_steps: At most, whatever the data say.
        members: Training runs, as expected.
        flops: Floating-point operations of matrix products, as expected; None where a user's
            program trains.
        memory: Bytes at the peak: of this process, or on the GPU that trains; None likewise.
        seconds: As expected; None likewise.
        parts: The seconds of training by scale, smallest first; none where a program trains.
        looped: Why members train one by one though nobody asked for it; "" where they do not.
        growth: How a step grows along the axis; None where one scale alone trains.
        room: Bytes that the machine, or the GPU that trains, has.
    """

    trials: int
    member_steps: int
    most_member_steps: int
    members: int
    flops: float | None = None
    memory: float | None = None
    seconds: float | None = None
    parts: tuple[float, ...] = ()
    looped: str = ""
    growth: Growth | None = None
    room: float = inf

    def counts(self) -> dict[str, Any]:
        """Give what does not depend on the machine, as plain data."""
        return {
            "trials": self.trials,
            "members": self.members,
            "member_steps": self.member_steps,
            "most_member_steps": self.most_member_steps,
            "flops": self.flops,
        }

    def sentence(self, done: int = 0) -> str:
        """Give the prediction in words.

        Args:
            done: Trials that a run to be continued holds already.

        Example:
            >>> Prediction(90, 1_200_000, 4_000_000, 30_000, 1.3e15, 8e8, 229.0).sentence()
            'about 4 minutes, 1.3e15 FLOPs, 0.8 GB (1.2e6 member-steps)'
        """
        steps = f"{short(self.member_steps)} member-steps"
        if self.seconds is None or self.flops is None or self.memory is None:
            return f"about {self.members} runs of the command ({steps})"
        left = f", {rounded(self.left(done))} of them left" if done else ""
        return (
            f"about {rounded(self.seconds)}{left}, {short(self.flops)} FLOPs, "
            f"{self.memory / 1e9:.1f} GB ({steps})"
        )

    def left(self, done: int) -> float:
        """Give the seconds that are left once some trials are done."""
        return (self.seconds or 0.0) * max(0.0, 1 - done / max(1, self.trials))


def short(value: float) -> str:
    """Give a large count to two digits.

    Example:
        >>> short(1.34e15), short(850.0)
        ('1.3e15', '850')
    """
    if value < 1000:
        return f"{value:.0f}"
    digits, power = f"{value:.1e}".split("e")
    return f"{digits}e{int(power)}"


def rounded(seconds: float) -> str:
    """Give a time in words, as exactly as a prediction can be.

    Args:
        seconds: Not negative.

    Example:
        >>> [rounded(s) for s in (0.3, 42, 100, 229, 12000, 400000, 1e12)]
        ['1 s', '40 s', '100 s', '4 minutes', '3 h 20 min', '5 days', '3.2e4 years']
    """
    if seconds < 120:
        step = 5 if seconds >= 17.5 else 1
        return f"{max(1, step * round(seconds / step))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} minutes"
    if minutes < 48 * 60:
        hours, rest = divmod(10 * round(minutes / 10), 60)
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    days = minutes / 60 / 24
    return f"{round(days)} days" if days < 730 else f"{short(days / 365)} years"
