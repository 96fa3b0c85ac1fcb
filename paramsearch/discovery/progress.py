"""What a running job tells about itself."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a job stands; sent after every batch of work.

    Attributes:
        stage: What it is doing: ``search``, ``polish``, ``interval``, ``snap``, ``verify``.
        done: Trials (or curves) done in this stage.
        total: Trials at most in this stage; None when the data decide.
        best: Best score so far; None when there is none yet.
        member_steps: Member-steps trained by this process.
    """

    stage: str
    done: int
    total: int | None
    best: float | None
    member_steps: int


Listener = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """Ignore the progress."""
    del progress
