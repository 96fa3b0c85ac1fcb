"""Task ``next_byte``: the byte that follows 16 bytes of Python source, one prediction a window."""

from collections.abc import Mapping

import torch
from torch import Tensor

from paramsearch.tasks.losses import cross_entropy
from paramsearch.tasks.streams import generator
from paramsearch.tasks.task import Batch, Task
from paramsearch.tasks.text import standard_library
from paramsearch.tasks.windows import windows

BATCH = 64
CONTEXT = 16
EVALUATION = 512
KEY = "bytes"  # of the random streams: kept from when the task had that name, with its batches


class NextByte(Task):
    """Predict the byte that follows 16 bytes of Python source: 256 logits, mean cross-entropy.

    The same text as task ``bytes``, for models without a notion of position such as ``mlp``.

    Attributes:
        name: ``"next_byte"``.
        dims: 16 tokens, 256 outputs, a vocabulary of 256.
        loss_floor: Not known.
    """

    name = "next_byte"

    def __init__(
        self,
        device: str | torch.device = "cpu",
        seed: int = 0,
        *,
        context: int = CONTEXT,
        batch: int = BATCH,
        folder: str = "",
    ) -> None:
        """Read the text onto the device; the seed chooses where the batches are cut from it."""
        self.dims: Mapping[str, int] = {"inputs": context, "outputs": 256, "vocabulary": 256}
        train, held_out = (part.to(device) for part in standard_library(context + 1, folder))
        self._seed, self._batch = seed, batch
        self._sample = windows(train, context + 1)
        evaluation = windows(held_out, context + 1)(EVALUATION, generator(KEY, "evaluation"))
        self._held_out = evaluation[:, :-1], evaluation[:, -1]

    def batch(self, step: int) -> Batch:
        """Give windows drawn for (seed, step): tokens (batch, context), next bytes (batch,)."""
        tokens = self._sample(self._batch, generator(KEY, self._seed, step))
        return tokens[:, :-1], tokens[:, -1]

    def evaluation(self) -> Batch:
        """Give 512 windows of the held-out files: tokens (512, context), next bytes (512,)."""
        return self._held_out

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Give the mean cross-entropy in nats per byte; output (batch, 256), target (batch,)."""
        return cross_entropy(output, target)
