"""Writing files so that a reader, or a kill, never meets half of one."""

import json
import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast


def write_text(path: Path, text: str) -> None:
    """Write a text file in one step: a temporary file beside it, then a rename.

    Args:
        path: The file; its folder exists.
        text: The whole content.

    Example:
        >>> folder = Path(tempfile.mkdtemp())
        >>> write_text(folder / "a.txt", "one")
        >>> [p.name for p in folder.iterdir()], (folder / "a.txt").read_text()
        (['a.txt'], 'one')
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def plain(value: object) -> Any:
    """Give the value as strict JSON can hold it: tuples as lists, inf and nan as null.

    Args:
        value: Nested mappings, sequences, numbers, strings, None.

    Example:
        >>> plain({"losses": (1.5, float("inf"))})
        {'losses': [1.5, None]}
    """
    if isinstance(value, Mapping):
        mapping = cast(Mapping[object, object], value)
        return {str(key): plain(item) for key, item in mapping.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in cast(list[object], value)]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_json(path: Path, value: object) -> None:
    """Write strict, indented JSON in one step; what JSON cannot hold (inf, nan) becomes null.

    Args:
        path: The file; its folder exists.
        value: Nested mappings, sequences, numbers, strings, None.

    Example:
        >>> path = Path(tempfile.mkdtemp()) / "a.json"
        >>> write_json(path, {"loss": float("inf")})
        >>> json.loads(path.read_text())
        {'loss': None}
    """
    write_text(path, json.dumps(plain(value), indent=1, allow_nan=False) + "\n")
