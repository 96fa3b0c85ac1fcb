"""Text that every machine has: the source of the local Python standard library, as bytes."""

import sysconfig
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from paramsearch.errors import ParamsearchError

SIZE = 4_000_000  # bytes, about: whole documents are taken until this is reached
HELD_OUT_EVERY = 8  # every eighth document is never trained on


def standard_library(needed: int, folder: str = "") -> tuple[Tensor, Tensor]:
    """Read the ``*.py`` files at the top of the standard library in the order of their names.

    One Python version gives the same text everywhere. Whole files are held out.

    Args:
        needed: Bytes that both parts must have.
        folder: Path of another folder to read.

    Returns:
        Training and held-out text, both (bytes,) in uint8.

    Raises:
        ParamsearchError: The folder holds too little.

    Example:
        >>> train, held_out = standard_library(needed=1000)
        >>> train.dtype, len(train) > len(held_out) > 1000
        (torch.uint8, True)
    """
    place = Path(folder or sysconfig.get_path("stdlib")).expanduser()
    paths = sorted(place.glob("*.py"), key=lambda path: path.name)
    # _sysconfigdata is written when Python is built, with that machine's paths in it.
    paths = [path for path in paths if not path.name.startswith("_sysconfigdata")]
    train, held_out, count = split(path.read_bytes() for path in paths)
    if min(len(train), len(held_out)) < needed:
        raise ParamsearchError(
            f"text needs at least {HELD_OUT_EVERY} Python source files, each {HELD_OUT_EVERY}th "
            f"longer than {needed} bytes; {place} has {count} files"
        )
    return train, held_out


def split(documents: Iterable[bytes]) -> tuple[Tensor, Tensor, int]:
    """Join about 4 MB of documents, every eighth of them in a held-out part.

    Args:
        documents: Read only as far as needed.

    Returns:
        Training and held-out text, both (bytes,) in uint8, and the number of documents taken.

    Example:
        >>> train, held_out, count = split([b"ab"] * 8 + [b"cd"])
        >>> len(train), len(held_out), count
        (16, 2, 9)
    """
    parts: list[bytes] = []
    size = 0
    for document in documents:
        if size >= SIZE:
            break
        parts.append(document)
        size += len(document)
    held_out = b"".join(parts[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY])
    train = b"".join(part for i, part in enumerate(parts, start=1) if i % HELD_OUT_EVERY)
    return _tensor(train), _tensor(held_out), len(parts)


def _tensor(text: bytes) -> Tensor:
    # frombuffer refuses an empty buffer.
    return torch.frombuffer(bytearray(text), dtype=torch.uint8) if text else torch.empty(0).byte()
