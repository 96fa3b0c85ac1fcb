"""Progress on stderr: a live line in a terminal, plain lines elsewhere."""

import math
import time
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar

from paramsearch.discovery.progress import Listener, Progress

_PREDICTED = 0.1  # of a stage, which is taken to be over in the time predicted
_QUIET_SECONDS = 10.0  # between plain lines within a stage


@contextmanager
def shown(console: Console, unit: str) -> Generator[Listener, None, None]:
    """Show the progress of a job.

    Args:
        console: On stderr.
        unit: What is counted, in the plural: ``trials``, ``scales``.

    Yields:
        The listener to give to the job.
    """
    if not console.is_terminal:
        yield _Lines(console, unit)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[count]}"),
        TextColumn("{task.fields[facts]}"),
        TimeElapsedColumn(),
        TextColumn("eta"),
        TimeRemainingColumn(),
    )
    # One scale alone may take minutes: the speed is that of the whole stage.
    with Bar(*columns, console=console, transient=True, speed_estimate_period=math.inf) as bar:
        yield _Live(bar, unit)


def facts(progress: Progress, seconds: float) -> str:
    """Give best score and speed in words.

    Args:
        progress: Where the job stands.
        seconds: Since the job began.

    Example:
        >>> facts(Progress("search", 3, 9, 0.51234, 125.0), 2.0)
        'best 0.5123, 62.5 members/s'
    """
    best = "" if progress.best is None else f"best {progress.best:.4g}, "
    rate = progress.members / seconds if seconds > 0 else 0.0
    return f"{best}{rate:.3g} members/s"


class _Live:
    def __init__(self, bar: Bar, unit: str):
        self._bar = bar
        self._unit = unit
        self._stage = ""
        self._began = time.monotonic()
        self._task = bar.add_task("starting", total=None, count="", facts="")

    def __call__(self, progress: Progress) -> None:
        if progress.note:
            self._bar.console.print(progress.note, highlight=False, markup=False)
        if progress.stage != self._stage:
            self._stage = progress.stage
            self._bar.reset(self._task)
        share = _share(progress)
        self._bar.update(
            self._task,
            description=f"{progress.stage} {self._unit}",
            completed=share or 0.0,
            total=None if share is None else 1.0,
            count=f"{progress.done}/{'?' if progress.total is None else progress.total}",
            facts=facts(progress, time.monotonic() - self._began),
        )


class _Lines:
    def __init__(self, console: Console, unit: str):
        self._console = console
        self._unit = unit
        self._began = time.monotonic()
        self._last = Progress("", -1, None, None, 0)
        self._spoke = -_QUIET_SECONDS
        self._stage_began = self._began

    def __call__(self, progress: Progress) -> None:
        seconds = time.monotonic() - self._began
        if progress.note:
            line = f"{progress.stage}: {progress.note}"
            self._console.print(line, highlight=False, soft_wrap=True, markup=False)
        same = progress.stage == self._last.stage
        if not same:
            self._stage_began = time.monotonic()
        moved = progress.done != self._last.done
        finished = progress.done == progress.total
        soon = seconds - self._spoke < _QUIET_SECONDS
        if same and (not moved or (soon and not finished)):
            return
        self._last, self._spoke = progress, seconds
        at_most = " of at most " if progress.stage == "search" else "/"  # patience may end it
        total = "" if progress.total is None else f"{at_most}{progress.total}"
        line = f"{progress.stage}: {progress.done}{total} {self._unit}, {facts(progress, seconds)}"
        line = (
            line + _eta(progress, time.monotonic() - self._stage_began)
            if progress.done
            else f"{progress.stage}: started"
        )
        self._console.print(line, highlight=False, soft_wrap=True, markup=False)


def _eta(progress: Progress, seconds: float) -> str:
    if progress.total is None or not 0 < progress.done < progress.total or seconds < 1:
        return ""  # also where the stage is first heard of when some of it is done
    about = "at most" if progress.stage == "search" else "about"
    share = _share(progress)
    return f", {about} {_left(share, seconds, progress.foretold):.0f} s left" if share else ""


def _left(share: float, seconds: float, foretold: float) -> float:
    """Give the seconds left of a stage, of which a share is over.

    What little is over says little about the pace: what was predicted counts as a tenth of it.

    Example:
        >>> _left(0.5, 30.0, 0.0), _left(0.001, 5.0, 500.0)
        (30.0, 544.0...)
    """
    known = _PREDICTED * foretold
    pace = (seconds + known) / (share * foretold + known) if known else seconds / share
    return (1 - share) * (foretold or 1.0) * pace


def _share(progress: Progress) -> float | None:
    """Give the share of a stage's time that is over, about; None where its end is not known."""
    if progress.share is not None or not progress.total:
        return progress.share
    return progress.done / progress.total
