"""The probe interface: something measured on members as they train."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

from paramsearch.tasks.task import Batch
from paramsearch.train.optimizers.interface import Tensors
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
        batch: The training batch of this step; before and after training, the evaluation batch.
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
    """Measures members while they train.

    A probe is a fixed set of functions: what it knows about the members of one chunk lies in its
    memory, a dictionary of tensors with the member dimension first. Diverged members may be taken
    out of it; before ``result`` they are put back, as they were.
    """

    def start(self, moment: Moment) -> Tensors:
        """Give the memory to begin with; called once per chunk, before the first step."""
        del moment
        return {}

    def add(self, memory: Tensors, losses: Tensor, grads: Tensors, updates: Tensors) -> Tensors:
        """Give the memory after one more step; called at every step, possibly compiled.

        It must be made of tensor operations alone. May be left trivial.

        Args:
            memory: As it is; may be changed in place.
            losses: Training losses before the step, (members,).
            grads: Gradients of the training loss, (members, *shape).
            updates: What the optimizer is about to add to the parameters.
        """
        del losses, grads, updates
        return memory

    def looks(self, step: int, steps: int) -> bool:
        """Say whether ``look`` is wanted at a step; such steps are slower, so keep them few."""
        del step, steps
        return False

    def look(self, memory: Tensors, moment: Moment) -> Tensors:
        """Give the memory after a close look at one step, between gradient and update."""
        del moment
        return memory

    @abstractmethod
    def result(self, memory: Tensors, moment: Moment) -> Tensors:
        """Give what was measured, name -> (members, ...); called once, after the last update."""


@dataclass(frozen=True, slots=True)
class AlwaysLooking(Probe):
    """A probe that takes its close look at every step, to learn how much memory that needs.

    Attributes:
        probe: The probe that looks.
    """

    probe: Probe

    def start(self, moment: Moment) -> Tensors:
        """Begin as the probe does."""
        return self.probe.start(moment)

    def add(self, memory: Tensors, losses: Tensor, grads: Tensors, updates: Tensors) -> Tensors:
        """Add as the probe does."""
        return self.probe.add(memory, losses, grads, updates)

    def looks(self, step: int, steps: int) -> bool:
        """Look at every step."""
        return True

    def look(self, memory: Tensors, moment: Moment) -> Tensors:
        """Look as the probe does."""
        return self.probe.look(memory, moment)

    def result(self, memory: Tensors, moment: Moment) -> Tensors:
        """Give what the probe measured."""
        return self.probe.result(memory, moment)


def member_losses(workload: Workload, stack: Stack, params: Tensors, batch: Batch) -> Tensor:
    """Give every member's loss on one batch, shape (members,)."""
    return workload.backend.each(workload.loss, (0, None))(stack.effective(params), batch)
