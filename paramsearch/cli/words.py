"""Lists and sizes on the command line."""

from paramsearch.errors import ParamsearchError


def words(text: str) -> list[str]:
    """Split a list of names.

    Example:
        >>> words("sp, mup")
        ['sp', 'mup']
    """
    return [word.strip() for word in text.split(",") if word.strip()]


def whole_numbers(option: str, text: str) -> list[int]:
    """Read a list of whole numbers.

    Args:
        option: Who takes it, for errors.
        text: As given.

    Raises:
        ParamsearchError: Something else than whole numbers and commas.

    Example:
        >>> whole_numbers("--scales", "512,1024")
        [512, 1024]
    """
    found = words(text)
    if not found:
        raise ParamsearchError(f"{option} is empty; allowed: whole numbers, as in 512,1024")
    if not all(word.isascii() and word.isdecimal() for word in found):
        raise ParamsearchError(
            f"{option} must be whole numbers separated by commas, as in 512,1024; received '{text}'"
        )
    return [int(word) for word in found]


def axis_sizes(option: str, texts: list[str] | None) -> dict[str, int]:
    """Read sizes of axes.

    Args:
        option: Who takes them, for errors.
        texts: As given; None where there are none.

    Raises:
        ParamsearchError: Something else than ``axis=whole number``.

    Example:
        >>> axis_sizes("--with", ["depth=8"])
        {'depth': 8}
    """
    found: dict[str, int] = {}
    for text in texts or []:
        axis, _, size = text.partition("=")
        if not axis.strip() or not size.strip().isdecimal() or int(size) < 1:
            raise ParamsearchError(f"{option} takes AXIS=SIZE, as in depth=8; received '{text}'")
        found[axis.strip()] = int(size)
    return found
