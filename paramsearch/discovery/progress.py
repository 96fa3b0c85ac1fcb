"""What a running job tells about itself."""

from collections.abc import Callable
from dataclasses import dataclass


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
    """

    stage: str
    done: int
    total: int | None
    best: float | None
    members: float = 0.0
    note: str = ""


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
