"""What a user did wrong, in one sentence: the rule, then the value received."""

import difflib
from collections.abc import Iterable


class ParamsearchError(ValueError):
    """Base of every error that a user can cause; the command line prints it and exits with 2."""


def said(error: BaseException) -> str:
    r"""Give what an error says on one line, without the frames of C++ that torch appends.

    Example:
        >>> said(RuntimeError("no such op\nException raised from f at x.cpp:1"))
        'no such op'
    """
    return " ".join(str(error).split("Exception raised from")[0].split())


def brief(error: BaseException, longest: int = 240) -> str:
    """Give the start of what an error says, on one line.

    Example:
        >>> brief(RuntimeError("a very long story"), longest=9)
        'a very...'
    """
    text = said(error)
    return text if len(text) <= longest else text[: longest - 3].rstrip() + "..."


def unknown_name(kind: str, name: str, known: Iterable[str]) -> ParamsearchError:
    """Make the error for a name that does not exist, listing what does and the nearest one.

    Args:
        kind: What the name stands for, in the singular ("architecture").
        name: The name received.
        known: Every name that exists.

    Returns:
        The error, to be raised by the caller.

    Example:
        >>> print(unknown_name("rule", "mupp", ["sp", "mup"]))
        unknown rule 'mupp'; did you mean 'mup'? (known: mup, sp)
    """
    known = sorted(known)
    nearest = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    hint = f"; did you mean '{nearest[0]}'?" if nearest else ""
    listing = ", ".join(known) if known else "none"
    return ParamsearchError(f"unknown {kind} '{name}'{hint} (known: {listing})")
