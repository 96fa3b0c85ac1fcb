"""Failures that a user or the machine caused end as a sentence and an exit code; ours do not."""

import signal
import sqlite3
import time
import weakref

import pytest

from paramsearch.cli.failures import plain_failures

FAILURES = [
    (MemoryError(), 2, "error: out of memory;"),
    (RuntimeError("CUDA out of memory. Tried"), 2, "error: out of memory;"),
    (sqlite3.OperationalError("database or disk is full"), 2, "error: the run store"),
    (OSError(28, "No space left on device", "a.json"), 2, "error: a.json: No space left"),
    (KeyboardInterrupt(), 130, "stopped"),
    (SystemExit(0), 2, "error: code that was to be run ends the process by sys.exit(0)"),
]


@pytest.mark.parametrize(("error", "code", "words"), FAILURES, ids=lambda value: str(value)[:20])
def test_failures_of_the_machine_are_one_sentence(error, code, words, capsys):
    with pytest.raises(Exception) as caught, plain_failures():
        raise error
    assert caught.value.exit_code == code
    assert capsys.readouterr().err.startswith(words)


def test_a_signal_of_which_compiled_code_made_another_error(capsys):
    with pytest.raises(Exception) as caught, plain_failures():
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            raise RuntimeError("error in a callback") from None
    assert caught.value.exit_code == 143
    assert capsys.readouterr().err == "stopped\n"


def test_our_own_faults_keep_their_traceback():
    with pytest.raises(RuntimeError, match="a bug"), plain_failures():
        raise RuntimeError("a bug")


class Watched:
    """Something with weak references."""


@pytest.fixture
def _interruptible():
    """Ctrl-C interrupts, also where the tests run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_whose_exception_is_dropped_is_sent_once_more(number, code, capsys):
    watched = Watched()
    reference = weakref.ref(watched, lambda _: signal.raise_signal(number))
    with pytest.raises(Exception) as caught, plain_failures():
        del watched
        assert reference() is None
        for _ in range(1000):
            time.sleep(0.01)
    assert caught.value.exit_code == code
    assert capsys.readouterr().err == "stopped\n"


def test_what_else_python_drops_is_told_as_ever(monkeypatch):
    told = []
    monkeypatch.setattr("sys.unraisablehook", told.append)
    watched = Watched()
    reference = weakref.ref(watched, lambda _: 1 / 0)
    with plain_failures():
        del watched
    assert reference() is None
    assert [lost.exc_type for lost in told] == [ZeroDivisionError]
