"""Options of an architecture: what a user may set, and how text becomes a value."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import yaml

from paramsearch.errors import ParamsearchError, unknown_name

_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True)
class Free:
    """An option of any kind, such as a list; the text of one is read as YAML, ``none`` as None.

    Attributes:
        default: Its default.
    """

    default: object


def default_of(option: object) -> object:
    """Give the default of an option: the first of its allowed values, or the value itself.

    Example:
        >>> default_of(("layer", "rms")), default_of(False), default_of(Free([1, 2]))
        ('layer', False, [1, 2])
    """
    if isinstance(option, Free):
        return option.default
    return cast(tuple[object, ...], option)[0] if isinstance(option, tuple) else option


def allowed(option: object) -> str:
    """Say which values an option takes, given its default or the tuple of its values.

    Example:
        >>> allowed(("layer", "rms")), allowed(False), allowed(2)
        ("'layer' or 'rms'", 'true or false', 'a whole number of at least 1')
    """
    if isinstance(option, tuple):
        *most, last = (repr(one) for one in cast(tuple[object, ...], option))
        return f"{', '.join(most)} or {last}" if most else last
    if isinstance(option, bool):
        return "true or false"
    if isinstance(option, float):
        return "a number"
    if isinstance(option, int):
        return f"a whole number of at least {min(option, 1)}"
    return "a whole number of at least 1 or none" if option is None else "text"


def choose(
    where: str, known: Mapping[str, object], given: Mapping[str, object]
) -> dict[str, object]:
    """Turn what a user sets into values of the options' types.

    Args:
        where: Whose options they are, for errors ("architecture 'gpt'").
        known: Option -> default, or a tuple of the allowed values. A whole number of at least 1
            stays one; None is a number of at least 1 that may be left open; see also `Free`.
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
    return _at_least(1, 1, where, value)


def _at_least(option: object, least: int, where: str, value: object) -> int:
    """Read a whole number; an option that is positive by default must stay so."""
    found = _number(int, value)
    if found is None or found < least:
        raise _unfit(where, value, allowed(option))
    return int(found)


def _value(where: str, option: object, value: object) -> object:
    if isinstance(option, Free):
        return Free(_read(where, value))
    if isinstance(option, tuple):
        return _choice(where, cast(tuple[object, ...], option), value)
    if isinstance(option, bool):
        found = value if isinstance(value, bool) else _WORDS.get(str(value).lower())
        if found is None:
            raise _unfit(where, value, allowed(option))
        return found
    if isinstance(option, float):
        number = _number(float, value)
        if number is None:
            raise _unfit(where, value, allowed(option))
        return number
    if isinstance(option, int):
        return _at_least(option, min(option, 1), where, value)
    if option is None:
        return None if str(value).lower() == "none" else _at_least(None, 1, where, value)
    if not isinstance(value, str):
        raise _unfit(where, value, allowed(option))
    return value


def _read(where: str, value: object) -> object:
    """Read the text of anything; YAML takes 1e-5 for a word."""
    if not isinstance(value, str):
        return value
    try:
        found: Any = None if value.lower() == "none" else yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise _unfit(where, value, "YAML, such as 2, none, name or [1, 2]") from error
    number = _number(float, found) if isinstance(found, str) else None
    return found if number is None else number


def _choice(where: str, option: tuple[object, ...], value: object) -> object:
    """Find a value, or the text of one, among those allowed."""
    for one in option:
        if type(one) is type(value) and one == value:
            return one
        if isinstance(value, str) and str(one).lower() == value.lower():
            return one
    raise _unfit(where, value, allowed(option))


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


def _unfit(where: str, value: object, words: str) -> ParamsearchError:
    return ParamsearchError(f"{where}: received {value!r}; allowed: {words}")
