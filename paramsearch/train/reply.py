"""What a training program answers: the losses in the last line of JSON that it prints."""

import json
import math
from typing import Any, cast

from paramsearch.errors import ParamsearchError

_FORM = '{"losses": [2.3, 1.9]} or {"loss": 1.9}'


def losses_in(printed: str) -> list[float]:
    r"""Read the losses of a run.

    The last line that is a JSON object counts; whatever else a program prints does no harm.

    Args:
        printed: All that the program printed on stdout.

    Returns:
        The training loss of each step that it tells, at least one; NaN for ``null``.

    Raises:
        ParamsearchError: There is no such line, or it does not hold losses.

    Example:
        >>> losses_in('step 2\n{"losses": [2.5, 1]}\nbye\n'), losses_in('{"loss": 0.5}')
        ([2.5, 1.0], [0.5])
    """
    reply = _last_object(printed)
    if reply is None:
        raise ParamsearchError(f"printed no line of JSON; allowed: {_FORM}")
    if "losses" in reply:
        key, values = "losses", cast(object, reply["losses"])
    elif "loss" in reply:
        key, values = "loss", cast(object, [reply["loss"]])
    else:
        keys = ", ".join(map(str, reply)) or "nothing"
        raise ParamsearchError(f"printed JSON with {keys:.80}; allowed: {_FORM}")
    if not isinstance(values, list) or not values:
        received = _shown(reply[key])
        raise ParamsearchError(f"printed {key} {received}; allowed: {_FORM}")
    return [_number(key, value) for value in cast(list[Any], values)]


def _last_object(printed: str) -> dict[str, Any] | None:
    for line in reversed(printed.splitlines()):
        if not line.lstrip().startswith("{"):
            continue
        try:
            return cast(dict[str, Any], json.loads(line))
        except (ValueError, RecursionError):
            continue
    return None


def _number(key: str, value: object) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ParamsearchError(f"printed {key} with {_shown(value)}; allowed: numbers")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
