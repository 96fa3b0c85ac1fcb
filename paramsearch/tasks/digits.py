"""Task ``digits``: the 1797 scanned 8x8 digits that come with scikit-learn."""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from paramsearch.tasks.streams import generator
from paramsearch.tasks.task import Batch, Task

BATCH = 64
HELD_OUT = 512


class Digits(Task):
    """Classify images of digits: 64 standardized pixels -> 10 logits, mean cross-entropy.

    Pixels are centred on their training mean and divided by one common standard deviation (some
    pixels are nearly constant; dividing by their own would turn specks into outliers).
    The split into 1285 training and 512 evaluation images is the same for every seed.

    Attributes:
        name: ``"digits"``.
        dims: 64 inputs, 10 outputs.
        loss_floor: Not known.
    """

    name = "digits"
    dims: Mapping[str, int] = {"inputs": 64, "outputs": 10}

    def __init__(self, device: str | torch.device = "cpu", seed: int = 0) -> None:
        """Load the images onto the device; the seed chooses the order of the batches."""
        images, labels = _load()
        order = torch.randperm(len(images), generator=generator("digits", "split"))
        held_out, train = order[:HELD_OUT], order[HELD_OUT:]
        centred = images - images[train].mean(dim=0)
        images = centred / centred[train].square().mean().sqrt()
        self._seed = seed
        self._train = images[train].to(device), labels[train].to(device)
        self._held_out = images[held_out].to(device), labels[held_out].to(device)

    def batch(self, step: int) -> Batch:
        """Give 64 different training images, drawn for (seed, step): (64, 64) and (64,)."""
        images, labels = self._train
        draws = generator("digits", self._seed, step)
        rows = torch.randperm(len(images), generator=draws)[:BATCH].to(images.device)
        return images[rows], labels[rows]

    def evaluation(self) -> Batch:
        """Give the 512 held-out images: (512, 64) and (512,)."""
        return self._held_out

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Give the mean cross-entropy in nats; output (batch, 10), target (batch,)."""
        return functional.cross_entropy(output, target)


def _load() -> tuple[Tensor, Tensor]:
    """Images (1797, 64) in float32, 0 to 16, and labels (1797,)."""
    # Imported here: scikit-learn takes about a second, and no other task needs it.
    from sklearn import datasets

    bunch = cast(Any, datasets).load_digits()
    images = torch.tensor(bunch.data, dtype=torch.float32)
    return images, torch.tensor(bunch.target, dtype=torch.int64)
