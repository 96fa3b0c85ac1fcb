"""Lists on the command line, separated by commas."""

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
