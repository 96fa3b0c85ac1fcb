"""What a user wants of the answer: one end of the front, or a rule that holds up to a ratio."""

from paramsearch.errors import ParamsearchError

PREFERENCES = ("limit", "loss")
"""The ends of the front: features that keep learning at every scale, or the lowest loss."""

TARGET = 256.0
"""Ratio up to which features should not freeze where the user names none: there a change that
falls like m^-1/4, from where on a rule is called lazy, has fallen to 1/4."""


def check_wish(prefer: str | None, target_ratio: float | None) -> None:
    """Check what a user wants of the answer.

    Args:
        prefer: One of the ends, or None.
        target_ratio: The largest ratio at which the rule is to be used, or None.

    Raises:
        ParamsearchError: Another preference, or a ratio that is not above 1.

    Example:
        >>> check_wish("limits", None)
        Traceback (most recent call last):
        paramsearch.errors.ParamsearchError: prefer: received 'limits'; allowed: limit, loss
    """
    if prefer is not None and prefer not in PREFERENCES:
        raise ParamsearchError(f"prefer: received '{prefer}'; allowed: {', '.join(PREFERENCES)}")
    if target_ratio is not None and not target_ratio > 1:
        raise ParamsearchError(
            f"target ratio: received {target_ratio:g}; allowed: a number above 1"
        )
