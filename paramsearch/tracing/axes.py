"""Axes that a user declares: ``width=hidden_size`` says which arguments of the factory they set."""

import re
from collections.abc import Mapping

from paramsearch.errors import ParamsearchError

DECLARES = "axis:"
"""Before the name of an axis among settings: ``{"axis:width": "hidden_size"}`` declares it."""

VOCABULARY = "vocabulary"
"""The axis that is a size of the task, which the model follows."""

BATCH, STEPS = "batch", "steps"
TRAINING = (BATCH, STEPS)
"""Axes of training, along which no model grows: examples in a batch, updates of a run."""


def declared(text: str) -> tuple[str, dict[str, object]]:
    """Split what a user gives as axes into their names and what declares them.

    Args:
        text: ``width``, or with the arguments that the axis sets, ``width=hidden_size+ffn_size``;
            several axes stand with commas between them.

    Returns:
        The names of the axes, with commas between them, and the settings that declare them.

    Raises:
        ParamsearchError: It is not of this form.

    Example:
        >>> declared("width=hidden_size,depth")
        ('width,depth', {'axis:width': 'hidden_size'})
    """
    names: list[str] = []
    settings: dict[str, object] = {}
    for part in text.split(","):
        if "=" in part:
            name, arguments = declaration(part)
            settings[DECLARES + name] = "+".join(arguments)
            names.append(name)
        else:
            names.append(part.strip())
    return ",".join(names), settings


def declaration(text: str) -> tuple[str, tuple[str, ...]]:
    """Read the declaration of one axis: its name, and the arguments that it sets.

    Raises:
        ParamsearchError: It is not of the form ``NAME=ARGUMENT+...``, each argument once.

    Example:
        >>> declaration("width = hidden_size + ffn_size")
        ('width', ('hidden_size', 'ffn_size'))
    """
    name, _, words = text.partition("=")
    found = tuple(word.strip() for word in words.split("+"))
    named = all(re.fullmatch(r"[A-Za-z_]\w*", word) for word in (name.strip(), *found))
    if not named or len(set(found)) < len(found):
        raise ParamsearchError(
            f"axis: received '{text}'; allowed: NAME=ARGUMENT, with arguments that grow together "
            "NAME=ARGUMENT+ARGUMENT, such as width=hidden_size+ffn_size"
        )
    return name.strip(), found


def split(settings: Mapping[str, object]) -> tuple[dict[str, object], dict[str, str]]:
    """Split settings into plain ones, and the axes that they declare with their arguments.

    Example:
        >>> split({"axis:width": "hidden_size", "depth": "4"})
        ({'depth': '4'}, {'width': 'hidden_size'})
    """
    plain = {name: value for name, value in settings.items() if not name.startswith(DECLARES)}
    declared = {
        name.removeprefix(DECLARES): str(value)
        for name, value in settings.items()
        if name.startswith(DECLARES)
    }
    return plain, declared


def in_proportion(
    where: str, axis: str, size: int, base: int, sizes: Mapping[str, int]
) -> dict[str, int]:
    """Give the arguments that an axis sets at a size.

    Args:
        where: Whose axis it is, for errors (``"architecture 'gpt'"``).
        axis: The axis.
        size: Size along it.
        base: Its base size.
        sizes: Argument -> value at the base.

    Returns:
        Argument -> value.

    Raises:
        ParamsearchError: One of them would not be a whole number.

    Example:
        >>> in_proportion("mine", "width", 96, 64, {"hidden_size": 64, "ffn_size": 170})
        {'hidden_size': 96, 'ffn_size': 255}
    """
    for argument, value in sizes.items():
        if value * size % base:
            raise ParamsearchError(
                f"{where}: axis '{axis}' at {size} would set {argument} to "
                f"{value * size / base:g}, {size}/{base} of {value}; allowed: whole numbers"
            )
    return {argument: value * size // base for argument, value in sizes.items()}
