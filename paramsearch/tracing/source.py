"""Find the line of the user's code that is running."""

import inspect
import os
from pathlib import Path
from traceback import walk_tb
from types import FrameType

import torch

_TORCH = str(Path(torch.__file__).parent) + os.sep
_OURS = str(Path(__file__).parent.parent) + os.sep
_CONTENT = _OURS + "_catalog" + os.sep  # shipped architectures are content, not engine
_OUTERMOST = "run_recorded"  # frames beyond it called the recorder, not the model


def caller() -> str:
    """Give ``file:line`` of the innermost frame outside torch and this package.

    Returns:
        The file relative to the working directory where it lies beneath it; empty if no such frame.
    """
    frame: FrameType | None = inspect.currentframe()
    while frame is not None and _is_engine(frame.f_code.co_filename):
        if frame.f_code.co_name == _OUTERMOST:
            return ""
        frame = frame.f_back
    return "" if frame is None else _shown(frame.f_code.co_filename, frame.f_lineno)


def raised_at(error: BaseException) -> str:
    """Give ``file:line`` of the innermost frame outside torch and this package that raised.

    Args:
        error: An error that was caught.

    Returns:
        The file relative to the working directory where it lies beneath it; empty if no such frame.

    Example:
        >>> try:
        ...     open("no/such/file")
        ... except OSError as error:
        ...     raised_at(error)    # a doctest is no file
        ''
    """
    frames = walk_tb(error.__traceback__)
    places = [(frame.f_code.co_filename, line) for frame, line in frames]
    theirs = [place for place in places if not _is_engine(place[0])]
    return _shown(*theirs[-1]) if theirs else ""


def _shown(file: str, line: int) -> str:
    path = Path(file)
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return f"{shown}:{line}"


def _is_engine(file: str) -> bool:
    inside = file.startswith((_TORCH, _OURS)) and not file.startswith(_CONTENT)
    return inside or file.startswith("<")
