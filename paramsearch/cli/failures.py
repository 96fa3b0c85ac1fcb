"""Every failure that is not a fault of ours ends as one sentence on stderr and an exit code."""

import signal
import sqlite3
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import NoReturn

import typer

from paramsearch.errors import ParamsearchError, out_of_memory, said

BAD_INPUT = 2
INTERRUPTED = 130
TERMINATED = 143

_AGAIN = 0.01  # seconds until a signal whose exception was dropped is sent once more


class Terminated(KeyboardInterrupt):
    """The process was asked to end by SIGTERM; unwinds as Ctrl-C does."""


@contextmanager
def plain_failures() -> Generator[None, None, None]:
    """Turn what a user or the machine caused into one sentence; anything else keeps its traceback.

    Example:
        >>> with plain_failures():
        ...     raise ParamsearchError("the sentence")  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        Exit: 2
    """
    try:
        with _terminable():
            yield
    except ParamsearchError as error:
        _fail(str(error))
    except KeyboardInterrupt as error:
        typer.echo(str(error) or "stopped", err=True)
        terminated = Terminated in (type(error), type(error.__cause__))
        raise typer.Exit(TERMINATED if terminated else INTERRUPTED) from None
    except MemoryError:
        _fail_of_memory()
    except sqlite3.Error as error:
        _fail(f"the run store cannot be used: {error}")
    except BrokenPipeError:
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}")
    except RuntimeError as error:
        if out_of_memory(error):
            _fail_of_memory()
        raise
    except SystemExit as error:  # nothing of ours raises it: a model or an optimizer at work
        _fail(f"code that was to be run ends the process by {said(error)}")


@contextmanager
def _terminable() -> Generator[None, None, None]:
    """Turn SIGTERM into an exception, so that a run can be left in order.

    Compiled code in the middle of which it is raised may make another exception of it. Where Python
    drops it, or that of Ctrl-C, as it does in a callback of a weak reference, the signal is sent
    once more.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may say what a signal does
        return
    asked: list[int] = []

    def stop(number: int, frame: object) -> NoReturn:
        asked.append(number)
        raise Terminated

    def dropped(lost: "sys.UnraisableHookArgs") -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            hook(lost)
            return
        number = signal.SIGTERM if issubclass(lost.exc_type, Terminated) else signal.SIGINT
        threading.Timer(_AGAIN, signal.raise_signal, (number,)).start()

    hook, sys.unraisablehook = sys.unraisablehook, dropped
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except Exception as error:
        if asked:
            raise Terminated from error
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
        sys.unraisablehook = hook


def _fail(sentence: str) -> NoReturn:
    typer.echo(f"error: {' '.join(sentence.split())}", err=True)
    raise typer.Exit(BAD_INPUT) from None


def _fail_of_memory() -> NoReturn:
    _fail("out of memory; use smaller scales, fewer seeds or learning rates, or another --device")
