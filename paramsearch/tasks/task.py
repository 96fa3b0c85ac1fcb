"""What a model is trained on: a deterministic stream of batches and a loss."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor

Batch = tuple[Tensor, Tensor]
"""Inputs and targets, both with the example dimension first."""


class Task(ABC):
    """A stream of batches that is the same at every scale, for every rule and seed of the model.

    Attributes:
        name: How the task is called on the command line.
        dims: Keyword arguments that fit a model to the task: always ``inputs`` and ``outputs``,
            and ``vocabulary`` when the inputs are tokens of shape (batch, inputs).
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

    @abstractmethod
    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Give the mean loss of one batch, a scalar; called under ``vmap``."""
