"""Memory of the C library, kept from step to step.

The GNU C library hands large blocks back to the system when they are freed, and takes them anew,
page by page, at the next step: up to half of the time that a step takes.
"""

import ctypes
import os
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
KEPT = 2**30
"""Bytes: freed blocks up to this size, and as many at the end of the heap, are kept."""
_SETTINGS = ("GLIBC_TUNABLES", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")


@cache
def keep_heap() -> bool:
    """Have this process keep memory that it frees, for its next allocation.

    Where the environment says how memory is to be allocated, that holds.

    Returns:
        Whether the C library does so; another one than GNU's is left as it is.
    """
    if os.name != "posix" or any(name in os.environ for name in _SETTINGS):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all(mallopt(which, KEPT) for which in (_TRIM_THRESHOLD, _MMAP_THRESHOLD))
