"""What a user did wrong, in one sentence: the rule, then the value received."""

import difflib
from collections.abc import Iterable

FAILURES = (Exception, SystemExit)
"""What code of others may end with: a script that is imported may ask the process to exit, too."""

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


class ParamsearchError(ValueError):
    """Base of every error that a user can cause; the command line prints it and exits with 2."""


def out_of_memory(error: BaseException) -> bool:
    """Say whether memory ran out, on the CPU or on a GPU.

    Example:
        >>> out_of_memory(RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"))
        True
    """
    if isinstance(error, MemoryError):
        return True
    told = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in told for words in _OUT_OF_MEMORY)


def said(error: BaseException) -> str:
    r"""Give what an error says on one line, without the frames of C++ that torch appends.

    Example:
        >>> said(RuntimeError("no such op\nException raised from f at x.cpp:1"))
        'no such op'
        >>> said(SystemExit(3))
        'sys.exit(3)'
    """
    if isinstance(error, SystemExit):
        return f"sys.exit({'' if error.code is None else repr(error.code)})"
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
