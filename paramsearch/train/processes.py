"""Run processes, several at a time; when the caller is interrupted, none is left behind."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from paramsearch.errors import brief

STDOUT, STDERR = "stdout", "stderr"
"""Files in the folder of a call that hold what it printed."""


@dataclass(frozen=True, slots=True)
class Call:
    """A process to be run.

    Attributes:
        words: The program and its arguments.
        folder: Where what it prints is kept; must exist.
    """

    words: tuple[str, ...]
    folder: Path


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended.

    Attributes:
        trouble: What went wrong, in words; "" where its exit code is 0.
        stdout: What it printed.
        stderr: What it printed as errors.
    """

    trouble: str
    stdout: str
    stderr: str


def run_all(
    calls: Sequence[Call], jobs: int, timeout: float, on_end: Callable[[int, Ended], None]
) -> None:
    """Run processes and tell how each ended, in the order of the calls.

    Args:
        calls: What to run.
        jobs: Processes at the same time.
        timeout: Seconds after which a process, with all that it started, is killed.
        on_end: Called in this thread with the index of a call and how it ended. Whatever it raises,
            as any interrupt, kills the processes that still run.
    """
    children = _Children(timeout)
    pool = ThreadPoolExecutor(jobs)
    try:
        futures = [pool.submit(children.run, call) for call in calls]
        for index, future in enumerate(futures):
            on_end(index, future.result())
    finally:
        children.kill()
        pool.shutdown(cancel_futures=True)


class _Children:
    """The processes that run now."""

    def __init__(self, timeout: float):
        self._timeout = timeout
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._over = False

    def run(self, call: Call) -> Ended:
        """Run one process to its end; called in a thread of its own."""
        with (call.folder / STDOUT).open("wb") as out, (call.folder / STDERR).open("wb") as err:
            with self._lock:
                if self._over:
                    return Ended("was not started", "", "")
                try:  # in a session of its own, so that all that it starts can be killed with it
                    process = subprocess.Popen(
                        call.words,
                        stdin=subprocess.DEVNULL,
                        stdout=out,
                        stderr=err,
                        start_new_session=True,
                    )
                except (OSError, ValueError) as error:
                    return Ended(f"cannot be started: {brief(error)}", "", "")
                self._running.add(process)
            trouble = self._wait(process)
        texts = [(call.folder / name).read_text("utf-8", "replace") for name in (STDOUT, STDERR)]
        return Ended(trouble, *texts)

    def kill(self) -> None:
        """Kill what runs, and start nothing more."""
        with self._lock:
            self._over = True
            for process in self._running:
                _kill(process)

    def _wait(self, process: subprocess.Popen[bytes]) -> str:
        """Wait for the end of a process, and say what went wrong."""
        try:
            code = process.wait(self._timeout)
        except subprocess.TimeoutExpired:
            _kill(process)
            process.wait()
            return f"took more than {self._timeout:g} s and was killed"
        finally:
            with self._lock:
                self._running.discard(process)
        if code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"exited with code {code}" if code else ""


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
