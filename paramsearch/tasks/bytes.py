"""Task ``bytes``: next-byte prediction on the source text of the local Python standard library."""

import sysconfig
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from paramsearch.errors import ParamsearchError
from paramsearch.tasks.streams import generator
from paramsearch.tasks.task import Batch, Task

BATCH = 64
CONTEXT = 16
EVALUATION = 512
TEXT = 4_000_000  # bytes, about: whole files are taken until this is reached
HELD_OUT_EVERY = 8  # every eighth file is never trained on


class Bytes(Task):
    """Predict the byte that follows 16 bytes of Python source: 256 logits, mean cross-entropy.

    The text is the ``*.py`` files at the top of the standard library in order of their names, so
    one Python version gives the same batches everywhere. Whole files are held out for evaluation.

    Attributes:
        name: ``"bytes"``.
        dims: 16 tokens, 256 outputs, a vocabulary of 256.
        loss_floor: Not known.
    """

    name = "bytes"
    dims: Mapping[str, int] = {"inputs": CONTEXT, "outputs": 256, "vocabulary": 256}

    def __init__(
        self, device: str | torch.device = "cpu", seed: int = 0, folder: Path | None = None
    ) -> None:
        """Read the text onto the device; the seed chooses where the batches are cut from it."""
        train, held_out = _read(folder or Path(sysconfig.get_path("stdlib")))
        self._seed = seed
        self._train = train.to(device)
        self._held_out = _cut(held_out.to(device), EVALUATION, generator("bytes", "evaluation"))

    def batch(self, step: int) -> Batch:
        """Give 64 windows, drawn for (seed, step): tokens (64, 16) and next bytes (64,)."""
        return _cut(self._train, BATCH, generator("bytes", self._seed, step))

    def evaluation(self) -> Batch:
        """Give 512 windows of the held-out files: tokens (512, 16) and next bytes (512,)."""
        return self._held_out

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Give the mean cross-entropy in nats per byte; output (batch, 256), target (batch,)."""
        return functional.cross_entropy(output, target)


def _cut(text: Tensor, count: int, draws: torch.Generator) -> Batch:
    """Cut windows of context and next byte at random places; text (bytes,) in uint8."""
    starts = torch.randint(len(text) - CONTEXT, (count,), generator=draws)
    offsets = torch.arange(CONTEXT + 1)
    windows = text[(starts[:, None] + offsets).to(text.device)].long()  # (count, CONTEXT + 1)
    return windows[:, :-1], windows[:, -1]


def _read(folder: Path) -> tuple[Tensor, Tensor]:
    """Training and held-out text of one folder, both (bytes,) in uint8."""
    parts: list[bytes] = []
    size = 0
    for path in sorted(folder.glob("*.py"), key=lambda path: path.name):
        # Written when Python was built, with that machine's paths in it.
        if path.name.startswith("_sysconfigdata") or size >= TEXT:
            continue
        parts.append(path.read_bytes())
        size += len(parts[-1])
    held_out = b"".join(parts[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY])
    train = b"".join(part for i, part in enumerate(parts, start=1) if i % HELD_OUT_EVERY)
    if min(len(train), len(held_out)) <= CONTEXT:
        raise ParamsearchError(
            f"task 'bytes' needs at least {HELD_OUT_EVERY} Python source files, "
            f"one of them longer than {CONTEXT} bytes; {folder} has {len(parts)}"
        )
    return _tensor(train), _tensor(held_out)


def _tensor(text: bytes) -> Tensor:
    return torch.frombuffer(bytearray(text), dtype=torch.uint8)
