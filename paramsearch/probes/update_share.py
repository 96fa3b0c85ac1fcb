"""First-order loss decrease bought by the update of each group."""

from dataclasses import dataclass

import torch
from torch import Tensor

from paramsearch.probes.labels import Label, group_of
from paramsearch.train.optimizers.interface import Tensors
from paramsearch.train.probe import Moment, Probe


@dataclass(frozen=True)
class UpdateShare(Probe):
    """Measure ``-<grad_g, delta_g>`` per step, averaged over the run, for every group g.

    The sum over groups is the decrease of the training loss to first order in the update. Under a
    good parameterization every group's share keeps its size as the model grows.

    Results: ``update_share/<group>``, shape (members,), in units of the loss per step.

    Attributes:
        label: Gives the name of a tensor's group.
    """

    label: Label = group_of

    def start(self, moment: Moment) -> Tensors:
        """Give a sum of 0 for every tensor."""
        return {name: torch.zeros_like(p.flatten(1)[:, 0]) for name, p in moment.params.items()}

    def add(self, memory: Tensors, losses: Tensor, grads: Tensors, updates: Tensors) -> Tensors:
        """Add this step's shares."""
        del losses
        return {n: total + decrease(grads[n], updates[n]) for n, total in memory.items()}

    def result(self, memory: Tensors, moment: Moment) -> Tensors:
        """Give the mean over steps, summed over the tensors of a group."""
        totals: Tensors = {}
        for tensor in moment.workload.tensors:
            key, share = f"update_share/{self.label(tensor)}", memory[tensor.name] / moment.steps
            totals[key] = totals[key] + share if key in totals else share
        return totals


def decrease(grad: Tensor, update: Tensor) -> Tensor:
    """Give the decrease of the loss to first order by the update of a tensor, (members,)."""
    return -(grad * update).flatten(1).sum(dim=1)
