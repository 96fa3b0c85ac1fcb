"""Names of tasks with options: ``name``, ``name:WORD``, ``name:key=value,...`` or both.

For instance ``random_walk:er,nodes=500`` or ``tokens:data/train.bin,context=64``. What a task takes
is read from the keyword-only parameters of the function or class that makes it.
"""

import inspect
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from paramsearch.errors import ParamsearchError, unknown_name

Value = int | float | bool | str
_OPTION = re.compile(r"[a-z][a-z0-9_]*(?==)")


def options(make: Callable[..., Any]) -> dict[str, Any]:
    """List the options of a task: the keyword-only parameters of what makes it.

    Args:
        make: The function or class that makes the task.

    Returns:
        Name -> default; ``inspect.Parameter.empty`` where one must be given.

    Example:
        >>> def make(device, seed, *, context=32, dtype="uint16"): ...
        >>> options(make)
        {'context': 32, 'dtype': 'uint16'}
    """
    parameters = inspect.signature(make).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def parse(task: str, text: str, allowed: Mapping[str, Any], word: str = "") -> dict[str, Value]:
    """Read what follows the colon of a task's name.

    Args:
        task: The name before the colon, for errors.
        text: The text after it, parts separated by commas.
        allowed: Option -> default, which fixes its type; None stands for a whole number.
        word: The option that a bare first part sets; empty if there is none.

    Returns:
        Option -> value, those that were given.

    Raises:
        ParamsearchError: An option is unknown, given twice or of the wrong type, or a needed one
            is missing; lists what is allowed.

    Example:
        >>> parse("random_walk", "ba,nodes=500", {"graph": "er", "nodes": 1000}, word="graph")
        {'graph': 'ba', 'nodes': 500}
    """
    found: dict[str, Value] = {}
    for place, part in enumerate(text.split(",") if text else []):
        named = _OPTION.match(part)
        key, value = (named[0], part[named.end() + 1 :]) if named else (word, part)
        if not named and (place or not word):
            raise ParamsearchError(
                f"task '{task}': received '{part}'; allowed: {_usage(task, allowed, word)}"
            )
        if key not in allowed:
            raise unknown_name(f"option of task '{task}'", key, allowed)
        if key in found:
            raise ParamsearchError(f"task '{task}': option '{key}' is given twice")
        found[key] = _value(f"task '{task}': {key}", value, allowed[key])
    missing = [key for key, default in allowed.items() if default is inspect.Parameter.empty]
    for key in missing:
        if not found.get(key):
            raise ParamsearchError(
                f"task '{task}' needs {_what(key, word)}: {_usage(task, allowed, word)}"
            )
    return found


def _what(key: str, word: str) -> str:
    return f"a {key}" if key == word else f"option '{key}'"


def _usage(task: str, allowed: Mapping[str, Any], word: str) -> str:
    parts = [word.upper()] if word else []
    parts += [f"{key}=..." for key in allowed if key != word]
    return f"{task}:{','.join(parts)}" if parts else f"{task}, without options"


def _value(where: str, text: str, default: Any) -> Value:
    """Read a value of the type of the default."""
    if isinstance(default, bool):
        if text not in ("true", "false"):
            raise ParamsearchError(f"{where}: received '{text}'; allowed: true or false")
        return text == "true"
    if default is None or isinstance(default, int):
        if not (text.isascii() and text.isdecimal()) or int(text) < 1:
            raise ParamsearchError(
                f"{where}: received '{text}'; allowed: a whole number of at least 1"
            )
        return int(text)
    if isinstance(default, float):
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number >= 0):
            raise ParamsearchError(f"{where}: received '{text}'; allowed: a number of at least 0")
        return number
    return text
