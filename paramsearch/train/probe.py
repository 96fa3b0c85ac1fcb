"""The probe interface: something measured on members as they train."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor
from torch.func import vmap

from paramsearch.tasks.task import Batch
from paramsearch.train.optimizer import Tensors
from paramsearch.train.population import Stack
from paramsearch.train.workload import Workload


@dataclass(frozen=True, slots=True)
class Moment:
    """One step of training as a probe sees it: after the update is known, before it is applied.

    Attributes:
        step: Steps applied so far, counting from 0.
        steps: Steps that the run will have in all.
        stack: Multipliers and hyperparameters of the members.
        params: Parameters before the update, (members, *shape).
        grads: Gradients of the training loss at ``params``; empty before and after training.
        updates: What the optimizer is about to add to ``params``; empty likewise.
        batch: The training batch of this step.
        workload: The model and its task.
    """

    step: int
    steps: int
    stack: Stack
    params: Tensors
    grads: Tensors
    updates: Tensors
    batch: Batch
    workload: Workload

    def losses(self, params: Tensors, batch: Batch) -> Tensor:
        """Give every member's loss at other parameters, shape (members,)."""
        return member_losses(self.workload, self.stack, params, batch)


class Probe(ABC):
    """Measures members while they train; a fresh probe is made for every chunk of members."""

    @abstractmethod
    def observe(self, moment: Moment) -> None:
        """Look at one step; called at every step in order, between gradient and update."""

    def finish(self, moment: Moment) -> None:
        """Look at the trained members; called once, after the last update. May be left trivial."""
        del moment

    @abstractmethod
    def result(self) -> dict[str, Tensor]:
        """Give what was measured: name -> values with the member dimension first."""


def member_losses(workload: Workload, stack: Stack, params: Tensors, batch: Batch) -> Tensor:
    """Give every member's loss on one batch, shape (members,)."""
    losses = vmap(workload.loss, in_dims=(0, None))(stack.effective(params), batch)
    assert isinstance(losses, Tensor)
    return losses
