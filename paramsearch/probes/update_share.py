"""First-order loss decrease bought by the update of each group."""

import torch
from torch import Tensor

from paramsearch.train.probe import Moment, Probe


class UpdateShare(Probe):
    """Measure ``-<grad_g, delta_g>`` per step, averaged over the run, for every group g.

    The sum over groups is the decrease of the training loss to first order in the update. Under a
    good parameterization every group's share keeps its size as the model grows.

    Results: ``update_share/<group>``, shape (members,), in units of the loss per step.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._steps = 0

    def observe(self, moment: Moment) -> None:
        """Add this step's shares."""
        self._steps += 1
        for tensor in moment.workload.tensors:
            grad, update = moment.grads[tensor.name], moment.updates[tensor.name]
            share = -(grad * update).flatten(1).sum(dim=1)
            key = f"update_share/{tensor.group}"
            self._sums[key] = self._sums.get(key, torch.zeros_like(share)) + share

    def result(self) -> dict[str, Tensor]:
        """Give the mean over steps."""
        return {key: total / self._steps for key, total in self._sums.items()}
