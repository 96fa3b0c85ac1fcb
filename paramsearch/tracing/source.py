"""Find the line of the user's code that is running."""

import inspect
import os
from pathlib import Path
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
    if frame is None:
        return ""
    path = Path(frame.f_code.co_filename)
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return f"{shown}:{frame.f_lineno}"


def _is_engine(file: str) -> bool:
    inside = file.startswith((_TORCH, _OURS)) and not file.startswith(_CONTENT)
    return inside or file.startswith("<")
