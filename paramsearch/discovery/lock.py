"""One process at a time in a run folder."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from paramsearch.errors import ParamsearchError


@contextmanager
def locked(folder: Path) -> Generator[None, None, None]:
    """Hold the run folder for this process; the system frees it however the process ends.

    Args:
        folder: An existing folder; the file ``lock`` in it carries the holder's process id.

    Raises:
        ParamsearchError: Another process holds the folder; names its process id.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with locked(folder):
        ...     int((folder / "lock").read_text()) == os.getpid()
        True
    """
    with (folder / "lock").open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            if not isinstance(error, BlockingIOError):
                reason = error.strerror or error
                raise ParamsearchError(f"run folder {folder} cannot be locked: {reason}") from error
            raise ParamsearchError(
                f"run folder {folder} is in use by pid {holder}; wait for it, or choose "
                f"another --out"
            ) from error
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
