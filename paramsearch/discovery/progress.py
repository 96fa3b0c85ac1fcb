"""What a running job tells about itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a job stands; sent after every batch of work.

    Attributes:
        stage: What it is doing: ``plan``, ``base``, ``solve``, ``climb``, ``search``,
            ``polish``, ``interval``, ``snap``, ``verify``.
        done: Trials (or curves) done in this stage.
        total: Trials at most in this stage; None when the data decide.
        best: Best score so far; None when there is none yet.
        members: Training runs made by this process, those under way in part; counted by the job.
        note: What took unusual time or went otherwise than usual, in words; "" for nothing new.
        share: Of the stage's time that is over, about; None where all that is counted takes alike.
        foretold: Seconds of the whole stage as they were predicted; 0 where they were not.
    """

    stage: str
    done: int
    total: int | None
    best: float | None
    members: float = 0.0
    note: str = ""
    share: float | None = None
    foretold: float = 0.0


def weighed(listen: "Listener", parts: Sequence[float]) -> "Listener":
    """Tell a listener the share of the time that is over, and what was predicted for the whole.

    Args:
        listen: Told about progress.
        parts: Seconds that each of what is counted takes; none where that is not known.

    Example:
        >>> told = weighed(lambda progress: print(progress.share), [1.0, 3.0])
        >>> told(Progress("verify", 1, 2, None))
        0.25
    """
    if not sum(parts):
        return listen
    whole = sum(parts)
    return lambda progress: listen(
        replace(progress, share=sum(parts[: progress.done]) / whole, foretold=whole)
    )


def _ignore(_: object) -> None:
    """Hear nothing."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told about training while it runs.

    Attributes:
        steps: Called with the number of member-steps just made.
        note: Told in words what takes unusual time or goes otherwise than usual.
    """

    steps: Callable[[int], None] = _ignore
    note: Callable[[str], None] = _ignore


Listener = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """Ignore the progress."""
    del progress
