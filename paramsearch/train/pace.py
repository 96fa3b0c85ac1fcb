"""How long populations take on this machine now, by training small ones for a moment."""

import time
from collections.abc import Callable
from dataclasses import dataclass

Run = Callable[[int, int], None]
"""Trains a number of members for a number of steps."""

_ROUNDS = 5  # samples of each size at most
_TRIES = 3  # of a size, to see whether it takes too long
_LONG = 8  # steps of the longer sample
_GROWTH = 4  # from one size of a sample to the next


@dataclass(frozen=True, slots=True)
class Pace:
    """Time of a population, linear in its members, its steps and their product.

    Attributes:
        start: Seconds to begin.
        member: To begin, per member.
        step: Per step.
        member_step: Per member and step.
    """

    start: float
    member: float
    step: float
    member_step: float

    def seconds(self, members: float, steps: float) -> float:
        """Give the time of one population.

        Args:
            members: How many train side by side.
            steps: How many updates they make.

        Example:
            >>> Pace(start=1.0, member=0.1, step=0.01, member_step=0.001).seconds(10, 100)
            4.0
        """
        return self.start + self.member * members + steps * (self.step + self.member_step * members)

    def scaled(self, member: float, step: float, member_step: float) -> "Pace":
        """Give the pace of a population whose parts take so many times as long.

        Args:
            member: Beginning, per member.
            step: Each step.
            member_step: Each member's part of it.

        Example:
            >>> Pace(1.0, 1.0, 1.0, 1.0).scaled(2.0, 3.0, 4.0)
            Pace(start=1.0, member=2.0, step=3.0, member_step=4.0)
        """
        parts = (member * self.member, step * self.step, member_step * self.member_step)
        return Pace(self.start, *parts)


NONE = Pace(0.0, 0.0, 0.0, 0.0)
"""Of a population that there is not."""


def pace(run: Run, members: int, seconds: float) -> Pace:
    """Measure how long a run takes, from samples of few and many members and steps.

    Differences are taken between the shortest times, which nothing else on the machine disturbed;
    all are then as much longer as the samples were altogether.

    Args:
        run: What is timed; it is called a few times more, so that nothing done once is timed.
        members: Most members that train side by side; fewer are sampled where they take long.
        seconds: That the longest sample may take, and about half of all samples.

    Returns:
        The time, never negative in any part.
    """
    run(1, 1)
    many = _sample(run, members, seconds)
    run(many, 1)  # the first as large as this may build and load the arena, and takes its memory
    took: dict[tuple[int, int], list[float]] = {(n, s): [] for n in (many, 1) for s in (_LONG, 1)}
    began = time.perf_counter()
    for _ in range(_ROUNDS):
        # In turns, so that what else the machine does for a moment does not hit one size alone.
        for (n, s), times in took.items():
            times.append(_time(run, n, s))
        if time.perf_counter() - began > seconds:
            break
    least = {size: min(times) for size, times in took.items()}
    load = sum(map(sum, took.values())) / sum(len(took[size]) * least[size] for size in took)
    return fitted({size: load * t for size, t in least.items()}, many, _LONG)


def fitted(times: dict[tuple[int, int], float], many: int, long: int) -> Pace:
    """Fit the pace to four times.

    Args:
        times: (members, steps) -> seconds, for 1 and ``many`` members, 1 and ``long`` steps.
        many: More than 1.
        long: More than 1.

    Example:
        >>> true = Pace(1.0, 0.5, 0.25, 0.125)
        >>> times = {(n, s): true.seconds(n, s) for n in (1, 9) for s in (1, 5)}
        >>> fitted(times, 9, 5) == true
        True
    """
    rise = {n: max(0.0, (times[n, long] - times[n, 1]) / (long - 1)) for n in (1, many)}
    begin = {n: max(0.0, times[n, 1] - rise[n]) for n in (1, many)}
    member_step = max(0.0, (rise[many] - rise[1]) / (many - 1))
    member = max(0.0, (begin[many] - begin[1]) / (many - 1))
    return Pace(
        start=max(0.0, begin[1] - member),
        member=member,
        step=max(0.0, rise[1] - member_step),
        member_step=member_step,
    )


def _sample(run: Run, members: int, seconds: float) -> int:
    """Find how many members can be sampled: all, or as many as do not take too long."""
    many = 2
    while many < members:
        took = min(_time(run, many, 2) for _ in range(_TRIES))
        if took * _GROWTH * _LONG / 2 > seconds:  # the next size would take too long
            break
        many = min(many * _GROWTH, members)
    return many


def _time(run: Run, members: int, steps: int) -> float:
    """Give the seconds of one run."""
    began = time.perf_counter()
    run(members, steps)
    return time.perf_counter() - began
