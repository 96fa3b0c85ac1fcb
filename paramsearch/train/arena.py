"""Memory of large tensors on the CPU, without the holes that the C library leaves in it.

The GNU C library asks for 96 bytes more than it keeps of a tensor, and fills what is over with
small objects; the hole that a tensor leaves is then too small for the next one of the same size,
and a process comes to hold 15 to 140 % more than its tensors. ``arena.cpp`` places large ones.
"""

import ctypes
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch

from paramsearch.train.cost import room
from paramsearch.train.heap import KEPT, keep_heap

_SOURCE = Path(__file__).with_name("arena.cpp")
_LARGE = 2**24
"""Bytes of a chunk that are worth the arena, which is built once and loaded in a second."""

_PARTS = 100
"""A tensor that is smaller than the chunk by this factor would split holes, and is not placed."""


@contextmanager
def kept_memory(
    device: torch.device, size: float, wait: bool = True
) -> Generator[None, None, None]:
    """Have this process keep the memory that it frees, and hold little more than its tensors.

    Where there is no C++ compiler, or little to train, the C library keeps it as well as it can.

    Args:
        device: Where it is trained; only the CPU's memory is looked after.
        size: Bytes that what is trained at once will take.
        wait: For the arena to be built, if it is not; else it is built meanwhile, for the next.
    """
    on_cpu = device.type == "cpu"
    worthwhile = on_cpu and keep_heap() and size >= _LARGE
    arena = _arena() if worthwhile and (_begun().done() or wait) else None
    if arena is None:
        yield
        return
    arena.arena_enter(ctypes.c_int64(int(size / _PARTS)))
    try:
        yield
    finally:
        arena.arena_leave(ctypes.c_int64(KEPT))


def touched() -> int:
    """Give the bytes of the arena that the process holds; 0 where there is none."""
    arena = _arena()
    return 0 if arena is None else int(arena.arena_touched())


@cache
def _arena() -> Any:
    """Have torch allocate by the arena; None where it cannot be built."""
    try:
        found = _begun().result()
    except Exception:  # no compiler, no place to write to, another torch: of many kinds
        return None
    found.arena_touched.restype = ctypes.c_int64
    most = ctypes.c_int64(int(room(torch.device("cpu"))))
    return found if found.arena_open(most) else None


@cache
def _begun() -> Future[Any]:
    """Begin to build the library; torch's compiler keeps what it built on disk."""
    try:
        from torch._inductor.codecache import CppCodeCache  # takes a second

        c10 = Path(torch.__file__).with_name("lib") / "libc10.so"
        ctypes.CDLL(str(c10), ctypes.RTLD_GLOBAL)  # torch has loaded it, out of sight of others
    except Exception as error:  # another torch: of many kinds
        failed: Future[Any] = Future()
        failed.set_exception(error)
        return failed
    build: Any = CppCodeCache.load
    return ThreadPoolExecutor(1).submit(build, _SOURCE.read_text())
