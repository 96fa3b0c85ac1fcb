"""Options of an architecture: what a user may set, and how text becomes a value."""

from collections.abc import Mapping
from typing import cast

from paramsearch.errors import ParamsearchError, unknown_name

_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def default_of(option: object) -> object:
    """Give the default of an option: the first of its allowed values, or the value itself.

    Example:
        >>> default_of(("layer", "rms")), default_of(False)
        ('layer', False)
    """
    return cast(tuple[object, ...], option)[0] if isinstance(option, tuple) else option


def choose(
    where: str, known: Mapping[str, object], given: Mapping[str, object]
) -> dict[str, object]:
    """Turn what a user sets into values of the options' types.

    Args:
        where: Whose options they are, for errors ("architecture 'gpt'").
        known: Option -> default, or a tuple of the allowed values. A whole number of at least 1
            stays one; None is a number of at least 1 that may be left open.
        given: Option -> value, or the text of one: ``"2"``, ``"true"``, ``"none"``.

    Returns:
        The options that are given, with their values.

    Raises:
        ParamsearchError: No such option, or a value that does not fit.

    Example:
        >>> known = {"depth": 2, "tied": False, "norm": ("layer", "rms"), "kv_heads": None}
        >>> choose("mine", known, {"depth": "4", "tied": "yes", "norm": "rms", "kv_heads": "1"})
        {'depth': 4, 'tied': True, 'norm': 'rms', 'kv_heads': 1}
        >>> choose("mine", known, {"norm": "batch"})  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        ParamsearchError: mine: norm: received 'batch'; allowed: 'layer' or 'rms'
    """
    chosen: dict[str, object] = {}
    for key, value in given.items():
        if key not in known:
            raise unknown_name(f"option of {where}", key, known)
        chosen[key] = _value(f"{where}: {key}", known[key], value)
    return chosen


def whole(where: str, value: object) -> int:
    """Give a size: a whole number of at least 1, or the text of one.

    Raises:
        ParamsearchError: It is something else.

    Example:
        >>> whole("architecture 'gpt': depth", "4")
        4
    """
    return _at_least(1, where, value)


def _at_least(least: int, where: str, value: object, otherwise: str = "") -> int:
    """Read a whole number; an option that is positive by default must stay so."""
    found = _number(int, value)
    if found is None or found < least:
        raise _unfit(where, value, f"a whole number of at least {least}{otherwise}")
    return int(found)


def _value(where: str, option: object, value: object) -> object:
    if isinstance(option, tuple):
        return _choice(where, cast(tuple[object, ...], option), value)
    if isinstance(option, bool):
        found = value if isinstance(value, bool) else _WORDS.get(str(value).lower())
        if found is None:
            raise _unfit(where, value, "true or false")
        return found
    if isinstance(option, float):
        number = _number(float, value)
        if number is None:
            raise _unfit(where, value, "a number")
        return number
    if isinstance(option, int):
        return _at_least(min(option, 1), where, value)
    if option is None:
        return None if str(value).lower() == "none" else _at_least(1, where, value, " or none")
    if not isinstance(value, str):
        raise _unfit(where, value, "text")
    return value


def _choice(where: str, allowed: tuple[object, ...], value: object) -> object:
    """Find a value, or the text of one, among those allowed."""
    for one in allowed:
        if type(one) is type(value) and one == value:
            return one
        if isinstance(value, str) and str(one).lower() == value.lower():
            return one
    *most, last = (repr(one) for one in allowed)
    raise _unfit(where, value, f"{', '.join(most)} or {last}" if most else last)


def _number(kind: type[int] | type[float], value: object) -> int | float | None:
    """Read a number; None if it is none of the kind, or not finite."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    if kind is int and isinstance(value, float):
        return None
    try:
        found = kind(value)
        return found if abs(found) < float("inf") else None
    except ValueError:
        return None


def _unfit(where: str, value: object, allowed: str) -> ParamsearchError:
    return ParamsearchError(f"{where}: received {value!r}; allowed: {allowed}")
