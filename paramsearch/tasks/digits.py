"""Task ``digits``: the 1797 scanned 8x8 digits that come with scikit-learn."""

from typing import Any, cast

import torch
from torch import Tensor

from paramsearch.tasks.classification import BATCH, Classification, held_out_rows


def digits(
    device: str | torch.device = "cpu", seed: int = 0, *, batch: int = BATCH
) -> Classification:
    """Classify images of digits: 64 standardized pixels -> 10 logits, mean cross-entropy.

    The split into 1285 training and 512 evaluation images is the same for every seed.

    Args:
        device: Where the images lie.
        seed: Chooses the order of the batches.
        batch: Images in a batch.

    Returns:
        The task; its loss floor is not known.

    Example:
        >>> inputs, target = digits().batch(0)
        >>> tuple(inputs.shape), tuple(target.shape)
        ((64, 64), (64,))
    """
    images, labels = _load()
    train, held_out = held_out_rows("digits", len(images))
    parts = [(images[rows], labels[rows]) for rows in (train, held_out)]
    return Classification("digits", seed, parts[0], parts[1], batch=batch, device=device)


def _load() -> tuple[Tensor, Tensor]:
    """Images (1797, 64) in float32, 0 to 16, and labels (1797,)."""
    # Imported here: scikit-learn takes about a second, and no other task needs it.
    from sklearn import datasets

    bunch = cast(Any, datasets).load_digits()
    images = torch.tensor(bunch.data, dtype=torch.float32)
    return images, torch.tensor(bunch.target, dtype=torch.int64)
