"""Task ``images:FILE``: classify images of your own from a NumPy archive."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from paramsearch.errors import ParamsearchError, said
from paramsearch.tasks.arrays import tensor
from paramsearch.tasks.classification import BATCH, Classification, held_out_rows

_UNREADABLE = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)


def images_task(
    device: str | torch.device = "cpu", seed: int = 0, *, file: str, batch: int = BATCH
) -> Classification:
    """Classify images of your own: an npz archive with ``images`` and ``labels``.

    ``images`` is (N, height, width) or (N, height, width, channels), any real number type;
    ``labels`` is (N,), whole numbers from 0. A third of the images, 512 at most, is held out, the
    same for every seed.

    Args:
        device: Where the images lie.
        seed: Chooses the order of the batches.
        file: Path of the archive.
        batch: Images in a batch.

    Returns:
        The task; pixels are flat and channel-first, standardized as in task ``digits``.

    Raises:
        ParamsearchError: The file is missing or no archive, or an array is missing or does not fit.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "mine.npz"
        >>> np.savez(path, images=np.random.rand(30, 4, 4, 3), labels=np.arange(30) % 5)
        >>> dict(images_task(file=str(path)).dims)
        {'inputs': 48, 'outputs': 5, 'channels': 3}
    """
    arrays = _read(Path(file).expanduser())
    images, labels = _checked(file, arrays["images"], arrays["labels"])
    channels = images.shape[3]
    pixels = tensor(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).flatten(1)
    classes = tensor(labels.astype(np.int64))
    rows = held_out_rows("images", len(pixels))
    train, held_out = ((pixels[some], classes[some]) for some in rows)
    return Classification(
        "images", seed, train, held_out, channels=channels, batch=batch, device=device
    )


def _read(path: Path) -> dict[str, NDArray[Any]]:
    if not path.is_file():
        raise ParamsearchError(f"image file '{path}' does not exist")
    if not zipfile.is_zipfile(path):
        raise ParamsearchError(
            f"{path}: received a file that is no npz archive, or part of one; allowed: what "
            "numpy.savez writes"
        )
    try:
        with np.load(path, allow_pickle=False) as archive:  # a pickle could run code
            missing = [name for name in ("images", "labels") if name not in archive]
            if missing:
                raise ParamsearchError(
                    f"{path}: array '{missing[0]}' is missing; received {archive.files}; "
                    "allowed: an npz archive with 'images' and 'labels'"
                )
            return {name: archive[name] for name in ("images", "labels")}
    except ParamsearchError:
        raise
    except _UNREADABLE as error:
        raise ParamsearchError(
            f"{path} cannot be read as an npz archive of plain arrays: {said(error)}"
        ) from error


def _checked(
    file: str, images: NDArray[Any], labels: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give images (N, height, width, channels) and labels (N,)."""
    kind = images.dtype.kind
    if images.ndim not in (3, 4) or 0 in images.shape or kind not in "biuf":
        raise ParamsearchError(
            f"{file}: images: received shape {images.shape} of {images.dtype}; allowed: real "
            "numbers of shape (N, height, width) or (N, height, width, channels)"
        )
    if labels.shape != (len(images),) or labels.dtype.kind not in "biu":
        raise ParamsearchError(
            f"{file}: labels: received shape {labels.shape} of {labels.dtype}; allowed: whole "
            f"numbers of shape ({len(images)},), one per image"
        )
    if len(images) < 3 or labels.min() < 0:
        raise ParamsearchError(
            f"{file}: received {len(images)} images and labels from {labels.min()}; allowed: at "
            "least 3 images, labels from 0"
        )
    if kind == "f" and not np.isfinite(images).all():
        raise ParamsearchError(f"{file}: images: received values that are not finite")
    if kind == "f" or images.dtype.itemsize > 1:
        images = images.astype(np.float32)
    images = images.astype(np.uint8) if kind == "b" else images
    return images if images.ndim == 4 else images[..., None], labels
