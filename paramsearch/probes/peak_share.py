"""The largest share of the loss that one update of a run would buy."""

from dataclasses import dataclass

import torch
from torch import Tensor

from paramsearch.probes.update_share import decrease
from paramsearch.train.optimizers.interface import Tensors
from paramsearch.train.probe import Moment, Probe


@dataclass(frozen=True)
class PeakShare(Probe):
    """Measure ``max_t -<grad_t, delta_t> / loss_t`` over the steps t of a run, of all tensors.

    At the first step a readout that starts near 0 hides how large the updates of the layers before
    it are to become; once it has learned, they show. Training at the edge of stability has peaks
    of 1 to 5, at which a step goes beyond the minimum of what it sees (``FirstShare``). That is no
    harm by itself. But where the peak grows with the scale, beyond that of a rule under which
    learning stays the same, larger models diverge.

    Results: ``peak_share``, shape (members,); steps at which the loss is not positive and finite
    do not count.
    """

    def start(self, moment: Moment) -> Tensors:
        """Begin at 0."""
        return {"peak": torch.zeros_like(next(iter(moment.params.values())).flatten(1)[:, 0])}

    def add(self, memory: Tensors, losses: Tensor, grads: Tensors, updates: Tensors) -> Tensors:
        """Keep the larger one of this step's share and those before."""
        parts = [decrease(grads[name], update) for name, update in updates.items()]
        share = torch.stack(parts).sum(dim=0) / losses
        counts = losses.isfinite() & (losses > 0) & share.isfinite()
        return {"peak": torch.where(counts, torch.maximum(memory["peak"], share), memory["peak"])}

    def result(self, memory: Tensors, moment: Moment) -> Tensors:
        """Give the peak."""
        del moment
        return {"peak_share": memory["peak"]}
