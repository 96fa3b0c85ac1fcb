"""Classification of images that lie on the device: what all tasks on images have in common."""

from collections.abc import Mapping

import torch
from torch import Tensor

from paramsearch.tasks.losses import cross_entropy
from paramsearch.tasks.streams import generator
from paramsearch.tasks.task import Batch, Task

BATCH = 64
HELD_OUT = 512
MEASURED = 8192
"""Training images from which mean and scale are taken, at most."""


class Classification(Task):
    """Classify images: flat standardized pixels -> one logit per class, mean cross-entropy.

    Pixels are centred on their training mean and divided by one common standard deviation (some
    pixels are nearly constant; dividing by their own would turn specks into outliers).

    Attributes:
        name: Given by the maker.
        dims: ``inputs`` pixels, ``outputs`` classes, ``channels`` where there are several.
        loss_floor: Not known.
    """

    def __init__(
        self,
        name: str,
        seed: int,
        train: Batch,
        held_out: Batch,
        *,
        channels: int = 1,
        classes: int | None = None,
        batch: int = BATCH,
        device: str | torch.device = "cpu",
    ) -> None:
        """Load the images onto the device.

        Args:
            name: How the task is called; also the key of its random streams.
            seed: Chooses the order of the batches.
            train: Training images (images, pixels) of any number type, and labels (images,).
            held_out: The same for evaluation.
            channels: Channels of an image; they come first within its pixels.
            classes: Number of classes; by default the largest label decides.
            batch: Images in a batch.
            device: Where images lie; in the type that they came in.
        """
        images, labels = train
        some = images[:MEASURED].float()
        mean = some.mean(dim=0)
        scale = (some - mean).square().mean().sqrt()
        classes = classes or 1 + int(torch.maximum(labels.max(), held_out[1].max()))
        self.name = self._key = name
        self.dims: Mapping[str, int] = {"inputs": images.shape[1], "outputs": classes}
        if channels > 1:
            self.dims = {**self.dims, "channels": channels}
        self._seed, self._batch = seed, min(batch, len(images))
        self._mean, self._scale = mean.to(device), scale.to(device)
        self._train = images.to(device), labels.to(device)
        self._held_out = self._standardized(held_out[0].to(device)), held_out[1].to(device)

    def batch(self, step: int) -> Batch:
        """Give different training images, drawn for (seed, step): (batch, pixels), (batch,)."""
        images, labels = self._train
        draws = generator(self._key, self._seed, step)
        rows = torch.randperm(len(images), generator=draws)[: self._batch].to(images.device)
        return self._standardized(images[rows]), labels[rows]

    def evaluation(self) -> Batch:
        """Give the held-out images: (images, pixels) and (images,)."""
        return self._held_out

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Give the mean cross-entropy in nats; output (batch, classes), target (batch,)."""
        return cross_entropy(output, target)

    def _standardized(self, images: Tensor) -> Tensor:
        return (images.float() - self._mean) / self._scale


def held_out_rows(name: str, count: int) -> tuple[Tensor, Tensor]:
    """Draw which examples are held out, the same for every seed.

    Args:
        name: Name of the task.
        count: Examples there are.

    Returns:
        Rows to train on, and rows to evaluate on: 512, a third of the examples at most.

    Example:
        >>> train, held_out = held_out_rows("digits", 100)
        >>> len(train), len(held_out), len({*train.tolist(), *held_out.tolist()})
        (67, 33, 100)
    """
    order = torch.randperm(count, generator=generator(name, "split"))
    held_out = min(HELD_OUT, count // 3)
    return order[held_out:], order[:held_out]
