"""Task ``tokens:FILE``: a language model on a file of tokens, as nanoGPT writes them."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from paramsearch.errors import ParamsearchError
from paramsearch.tasks.arrays import tensor
from paramsearch.tasks.sequences import BATCH, CONTEXT, EVALUATION, Sampler, Sequences
from paramsearch.tasks.streams import generator

TYPES = ("uint16", "uint32")
HELD_OUT = 10  # the last tenth of the file is never trained on
CHUNK = 1 << 24  # tokens looked at together when a file is scanned

Tokens = NDArray[np.uint16] | NDArray[np.uint32]


def tokens_task(
    device: str | torch.device = "cpu",
    seed: int = 0,
    *,
    file: str,
    held_out: str = "",
    dtype: str = "uint16",
    vocabulary: int | None = None,
    context: int = CONTEXT,
    batch: int = BATCH,
) -> Sequences:
    """Predict every next token of a file of your own: mean cross-entropy at every position.

    The file holds plain little-endian numbers without a header. It is mapped into memory and only
    the windows of a batch are copied, so it may be larger than memory.

    Args:
        device: Where batches are wanted.
        seed: Chooses where the training windows are cut.
        file: Path of the training tokens.
        held_out: Path of the evaluation tokens; by default the last tenth of the file.
        dtype: ``uint16`` or ``uint32``.
        vocabulary: Number of tokens. By default the file is read once for its largest token; if
            given, tokens are checked as they are cut.
        context: Tokens that enter the model.
        batch: Windows in a batch.

    Returns:
        The task; its loss floor is not known.

    Raises:
        ParamsearchError: A file is missing, empty, truncated or too short, or a token is not below
            the vocabulary.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "train.bin"
        >>> (np.arange(1000) % 7).astype("<u2").tofile(path)
        >>> tokens_task(file=str(path), context=8).dims["vocabulary"]
        7
    """
    if dtype not in TYPES:
        raise ParamsearchError(
            f"task 'tokens': dtype: received '{dtype}'; allowed: {' or '.join(TYPES)}"
        )
    train = _mapped(Path(file).expanduser(), dtype)
    cut = len(train) - len(train) // HELD_OUT
    train, rest = (
        (train, _mapped(Path(held_out).expanduser(), dtype))
        if held_out
        else (
            train[:cut],
            train[cut:],
        )
    )
    for path, part in ((file, train), (held_out or file, rest)):
        if len(part) <= context:
            name = "training" if part is train else "held-out"
            raise ParamsearchError(
                f"token file {path}: received {len(part)} {name} tokens; allowed: at least "
                f"{context + 1}, one more than the context"
            )
    known = vocabulary or 1 + max(_largest(train), _largest(rest))
    sample = _windows(train, file, context + 1, known, device)
    evaluation = _windows(rest, held_out or file, context + 1, known, device)(
        EVALUATION, generator("tokens", "evaluation")
    )
    return Sequences("tokens", seed, sample, evaluation, known, batch=batch)


def _mapped(path: Path, dtype: str) -> Tokens:
    if not path.is_file():
        raise ParamsearchError(f"token file '{path}' does not exist")
    size, item = path.stat().st_size, np.dtype(dtype).itemsize
    if size == 0 or size % item:
        raise ParamsearchError(
            f"token file {path}: received {size} bytes; allowed: a whole number of {dtype} tokens "
            f"of {item} bytes each, at least one"
        )
    return np.memmap(path, dtype=np.dtype(dtype).newbyteorder("<"), mode="r")


def _largest(tokens: Tokens) -> int:
    return max(int(tokens[i : i + CHUNK].max()) for i in range(0, len(tokens), CHUNK))


def _windows(
    tokens: Tokens, path: str, length: int, vocabulary: int, device: str | torch.device
) -> Sampler:
    """Cut windows at random places and check them; only they are copied."""
    offsets = np.arange(length)

    def sample(count: int, draws: torch.Generator) -> Tensor:
        starts = torch.randint(len(tokens) - length + 1, (count, 1), generator=draws).numpy()
        found = tokens[starts + offsets].astype(np.int64)
        if found.max() >= vocabulary:
            raise ParamsearchError(
                f"token file {path}: received token {found.max()}; allowed: below the vocabulary "
                f"of {vocabulary}"
            )
        return tensor(found).to(device)

    return sample
