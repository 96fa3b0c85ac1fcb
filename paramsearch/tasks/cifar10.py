"""Task ``cifar10:FOLDER``: CIFAR-10 (Krizhevsky 2009) from its binary files.

The version for Python is not read: its files are pickles, which can run code.
"""

from pathlib import Path

import numpy as np
import torch

from paramsearch.errors import ParamsearchError
from paramsearch.tasks.arrays import tensor
from paramsearch.tasks.classification import BATCH, HELD_OUT, Classification
from paramsearch.tasks.task import Batch

PIXELS = 3 * 32 * 32
RECORD = 1 + PIXELS  # label, then pixels, channel-first
TRAIN = [f"data_batch_{i}.bin" for i in range(1, 6)]
HELD_OUT_FILE = "test_batch.bin"
INNER = "cifar-10-batches-bin"


def cifar10(
    device: str | torch.device = "cpu", seed: int = 0, *, folder: str, batch: int = BATCH
) -> Classification:
    """Classify CIFAR-10 images from a folder of its binary version: 3072 pixels -> 10 logits.

    Pixels are flat, channel-first and standardized as in task ``digits``; on the device they
    stay bytes. Evaluation is on the first 512 test images.

    Args:
        device: Where the images lie.
        seed: Chooses the order of the batches.
        folder: Holds ``data_batch_1.bin`` to ``data_batch_5.bin`` and ``test_batch.bin``, or the
            folder ``cifar-10-batches-bin`` with them.
        batch: Images in a batch.

    Returns:
        The task; its loss floor is not known.

    Raises:
        ParamsearchError: A file is missing or truncated, or a label is not from 0 to 9.
    """
    place = Path(folder).expanduser()
    place = place / INNER if (place / INNER).is_dir() else place
    parts = [_read(place / name) for name in TRAIN]
    pixels, labels = (torch.cat(part) for part in zip(*parts, strict=True))
    held_pixels, held_labels = _read(place / HELD_OUT_FILE)
    held_out = held_pixels[:HELD_OUT], held_labels[:HELD_OUT]
    return Classification(
        "cifar10",
        seed,
        (pixels, labels),
        held_out,
        channels=3,
        classes=10,
        batch=batch,
        device=device,
    )


def _read(path: Path) -> Batch:
    """Pixels (images, 3072) in uint8 and labels (images,) in int64 of one file."""
    if not path.is_file():
        raise ParamsearchError(
            f"CIFAR-10 file '{path}' does not exist; allowed: a folder with the binary version "
            "(data_batch_1.bin ...); the version for Python is not read, its pickles can run code"
        )
    size = path.stat().st_size
    if size == 0 or size % RECORD:
        raise ParamsearchError(
            f"CIFAR-10 file {path}: received {size} bytes; allowed: a whole number of records of "
            f"{RECORD} bytes, at least one"
        )
    records = tensor(np.fromfile(path, dtype=np.uint8)).view(-1, RECORD)
    labels = records[:, 0].long()
    if labels.max() > 9:
        raise ParamsearchError(
            f"CIFAR-10 file {path}: received label {int(labels.max())}; allowed: 0 to 9"
        )
    return records[:, 1:], labels
