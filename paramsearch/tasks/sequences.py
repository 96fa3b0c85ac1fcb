"""Next-token prediction at every position: what all tasks on sequences have in common."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from paramsearch.tasks.losses import IGNORED, cross_entropy
from paramsearch.tasks.streams import generator
from paramsearch.tasks.task import Batch, Task

BATCH = 16
CONTEXT = 32
EVALUATION = 64
"""Default numbers of sequences in a batch, of positions in a sequence, and of held-out sequences;
small, because a population holds logits for all of them once per member."""

Sampler = Callable[[int, torch.Generator], Tensor]
"""Gives ``count`` token sequences (count, context + 1) in int64 from a generator on the CPU."""


class Sequences(Task):
    """Predict every next token of a sequence: mean cross-entropy over positions, in nats.

    Inputs are the first ``context`` tokens of sequences of ``context + 1``, targets the last
    ``context``; a model must not look ahead. A uniform guess has loss log(vocabulary).

    Attributes:
        name: Given by the maker.
        dims: ``inputs`` and ``positions`` are the context, ``outputs`` the vocabulary.
        loss_floor: Entropy rate of the source, where it is known.
    """

    def __init__(
        self,
        name: str,
        seed: int,
        sample: Sampler,
        held_out: Tensor,
        vocabulary: int,
        *,
        batch: int = BATCH,
        uncounted: int = 0,
        loss_floor: float | None = None,
        resized: "Callable[[int], Task] | None" = None,
    ) -> None:
        """Make a task of a source of sequences.

        Args:
            name: How the task is called; also the key of its random streams.
            seed: Chooses the training batches.
            sample: The source of training sequences, on the device where batches are wanted.
            held_out: The evaluation sequences, (examples, context + 1), on the same device.
            vocabulary: Number of tokens.
            batch: Sequences in a batch.
            uncounted: Predictions at the start of each sequence that do not enter the loss.
            loss_floor: The lowest expected loss, where it is known.
            resized: Vocabulary -> the same task with it, where there is one.
        """
        context = held_out.shape[1] - 1
        self.name = self._key = name
        self.dims: Mapping[str, int] = {
            "inputs": context,
            "outputs": vocabulary,
            "vocabulary": vocabulary,
            "positions": context,
        }
        self.loss_floor = loss_floor
        self._seed, self._sample, self._batch = seed, sample, batch
        self._uncounted, self._resized = uncounted, resized
        self._held_out = self._split(held_out)

    def batch(self, step: int) -> Batch:
        """Give the sequences drawn for (seed, step): twice (batch, context) in int64."""
        return self._split(self._sample(self._batch, generator(self._key, self._seed, step)))

    def evaluation(self) -> Batch:
        """Give the held-out sequences: twice (examples, context) in int64."""
        return self._held_out

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Give the mean cross-entropy; output (batch, context, vocabulary)."""
        return cross_entropy(output, target)

    def with_vocabulary(self, size: int) -> Task:
        """Give the same task with another number of tokens, where its source has one."""
        if self._resized is None or self.dims["vocabulary"] == size:
            return super().with_vocabulary(size)
        task = self._resized(size)
        task.name = self.name
        return task

    def _split(self, tokens: Tensor) -> Batch:
        """Inputs and targets of sequences (examples, context + 1)."""
        targets = tokens[:, 1:].clone()
        targets[:, : self._uncounted] = IGNORED
        return tokens[:, :-1], targets
