"""What a model is trained on: a deterministic stream of batches and a loss."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor

from paramsearch.errors import ParamsearchError

RESIZABLE = "copy and random_walk, and mixtures of them"
"""The tasks whose vocabulary can be chosen, in words."""

Batch = tuple[Tensor, Tensor]
"""Inputs and targets, both with the example dimension first."""


class Task(ABC):
    """A stream of batches that is the same at every scale, for every rule and seed of the model.

    ``dims`` are the keyword arguments that fit a model to the task. They say what shapes meet:

    ===============  ==========================================================================
    key              meaning
    ===============  ==========================================================================
    ``inputs``       size of one example: numbers (batch, inputs), or tokens where there is a
                     ``vocabulary``
    ``outputs``      size of one prediction: logits or values
    ``vocabulary``   only with tokens: how many there are; inputs are int64 in [0, vocabulary)
    ``positions``    only where a prediction is wanted at every position of a sequence: how many;
                     the output is (batch, positions, outputs), otherwise (batch, outputs)
    ``channels``     only with images of several channels: how many; inputs are flat and
                     channel-first, inputs = channels * side * side for a square image
    ``nodes``        only with graphs: how many nodes; inputs = nodes * (nodes + features), the
                     rows of the adjacency matrix, each followed by the node's features
    ===============  ==========================================================================

    Attributes:
        name: How the task is called on the command line.
        dims: Always ``inputs`` and ``outputs``, the other keys where they apply.
        loss_floor: The lowest expected loss, where it is known.
    """

    name: str
    dims: Mapping[str, int]
    loss_floor: float | None = None

    @abstractmethod
    def batch(self, step: int) -> Batch:
        """Give the training batch of one step; called once per step, the same batch each time."""

    @abstractmethod
    def evaluation(self) -> Batch:
        """Give the fixed batch, never trained on, on which features are compared."""

    def with_vocabulary(self, size: int) -> "Task":
        """Give the same task with another number of tokens; most tasks have one vocabulary.

        Called once per scale where the vocabulary is an axis.

        Raises:
            ParamsearchError: The task has one vocabulary.
        """
        if self.dims.get("vocabulary") == size:
            return self
        raise ParamsearchError(
            f"task '{self.name}' cannot have a vocabulary of {size}; tasks that can have any are "
            f"{RESIZABLE}, for instance --task copy"
        )

    @abstractmethod
    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Give the mean loss of one batch, a scalar; called under ``vmap``."""
