"""Task ``mix:NAME=WEIGHT,...``: several tasks in every batch, in shares that follow the weights."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from paramsearch.errors import ParamsearchError
from paramsearch.tasks.task import Batch, Task

SHARED = ("context", "batch")
"""Options that may stand between the parts; they are passed to every part."""


class Mixture(Task):
    r"""Learn several tasks at once: every batch holds examples of each, in the shares of weights.

    The shares are deterministic. Of the first t batches of B examples each, tasks 1 ... i make

    .. math:: \mathrm{round}\big(t B (w_1 + \dots + w_i)\big)

    examples, so that a batch is off by less than one example and the error does not add up.
    The examples are the first of each task's own batch of the same step.

    Attributes:
        name: Given by the maker.
        dims: The same for all parts.
        loss_floor: Not known: a model must also find out which task an example is of.
        parts: The tasks with their weights, which sum to 1.
    """

    name = "mix"

    def __init__(self, parts: Sequence[tuple[Task, float]]) -> None:
        """Mix tasks of the same dims, batch size and loss; weights are divided by their sum."""
        total = sum(weight for _, weight in parts)
        if not total > 0:
            raise ParamsearchError("task 'mix': all weights are 0; allowed: at least one above 0")
        self.parts = [(task, weight / total) for task, weight in parts]
        first = parts[0][0]
        for task, _ in parts[1:]:
            _check_alike(first, task)
        self.dims: Mapping[str, int] = first.dims
        self._size = len(first.batch(0)[0])
        self._evaluation = self._mixed([task.evaluation() for task, _ in parts], 0)

    def batch(self, step: int) -> Batch:
        """Give the mixed batch of one step, shaped like a batch of any part."""
        return self._mixed([task.batch(step) for task, _ in self.parts], step)

    def evaluation(self) -> Batch:
        """Give the mixed evaluation batch."""
        return self._evaluation

    def with_vocabulary(self, size: int) -> Task:
        """Give the mixture of the same tasks with another number of tokens."""
        task = Mixture([(part.with_vocabulary(size), weight) for part, weight in self.parts])
        task.name = self.name
        return task

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Give the loss that the parts have in common, over the whole batch."""
        return self.parts[0][0].loss(output, target)

    def _mixed(self, batches: Sequence[Batch], step: int) -> Batch:
        counts = shares([weight for _, weight in self.parts], len(batches[0][0]), step)
        pairs = list(zip(batches, counts, strict=True))
        inputs = torch.cat([batch[0][:count] for batch, count in pairs])
        return inputs, torch.cat([batch[1][:count] for batch, count in pairs])


def shares(weights: Sequence[float], size: int, step: int) -> list[int]:
    """Give how many examples of a batch each task makes.

    Args:
        weights: They sum to 1.
        size: Examples in the batch.
        step: Number of the batch; sums over steps follow the weights exactly.

    Returns:
        One number per weight; they sum to the size.

    Example:
        >>> [shares([0.7, 0.3], 4, step) for step in range(3)]
        [[3, 1], [3, 1], [2, 2]]
    """
    ends = [0.0, *accumulate(weights)]
    ends[-1] = 1.0  # whatever rounding says
    rows = [[math.floor(t * size * end + 0.5) for end in ends] for t in (step, step + 1)]
    taken = [late - early for early, late in zip(*rows, strict=True)]
    return [after - before for before, after in pairwise(taken)]


def _check_alike(first: Task, other: Task) -> None:
    for what, of in _ALIKE.items():
        if of(first) != of(other):
            raise ParamsearchError(
                f"task 'mix' needs tasks of the same {what}: '{first.name}' has {of(first)}, "
                f"'{other.name}' has {of(other)}"
            )


_ALIKE: dict[str, Callable[[Task], object]] = {
    "dims": lambda task: dict(task.dims),
    "batch size": lambda task: len(task.batch(0)[0]),
    "evaluation size": lambda task: len(task.evaluation()[0]),
    "loss": lambda task: getattr(task.loss, "__func__", task.loss),
}


def parse_mix(text: str) -> tuple[dict[str, float], str]:
    """Read ``NAME=WEIGHT,...`` with options for every part among them.

    Args:
        text: For instance ``"bytes=0.7,bigram=0.3,context=16"``.

    Returns:
        Task name -> weight, and the shared options as text.

    Raises:
        ParamsearchError: There is no part, one stands twice, or a weight is no number from 0.

    Example:
        >>> parse_mix("bytes=0.7,tokens:my.bin=0.3,context=16")
        ({'bytes': 0.7, 'tokens:my.bin': 0.3}, 'context=16')
    """
    weights: dict[str, float] = {}
    shared: list[str] = []
    for part in text.split(",") if text else []:
        name, sign, number = part.rpartition("=")
        if name in SHARED:
            shared.append(part)
            continue
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if not (sign and name and math.isfinite(weight) and weight >= 0) or name in weights:
            raise ParamsearchError(
                f"task 'mix': received '{part}'; allowed: each task once with a weight of at least "
                "0, for instance mix:bytes=0.7,bigram=0.3"
            )
        weights[name] = weight
    if not weights:
        raise ParamsearchError("task 'mix' needs parts, for instance mix:bytes=0.7,bigram=0.3")
    return weights, ",".join(shared)
