"""The loss decrease that the first step of each group would buy, beside the loss itself."""

from dataclasses import dataclass

import torch

from paramsearch.probes.labels import Label, group_of
from paramsearch.probes.update_share import decrease
from paramsearch.train.optimizers.interface import Tensors
from paramsearch.train.probe import Moment, Probe


@dataclass(frozen=True)
class FirstShare(Probe):
    """Measure ``-gain <grad_g, delta_g> / loss`` of the first update, for every group g.

    With momentum b the update comes to be ``gain = 1 / (1 - b)`` times as large as the first one if
    the gradient stays: that is the step that has to stay short of the minimum.
    At initialization nothing has learned yet, so how this goes with the scale is a power law even
    where training ends at the same loss and the same outputs at every scale. If the sum over groups
    is above 2, the step goes beyond the minimum of every quadratic that is nowhere negative and has
    this value and this slope: along the step it is ``L - S L t + a t^2`` with ``a >= S^2 L / 4``,
    the lowest at ``t = S L / (2 a) <= 2 / S``.

    Results: ``first_share/<group>``, shape (members,); NaN where the loss is not positive.

    Attributes:
        label: Gives the name of a tensor's group.
        gain: How much larger an update becomes under a gradient that stays; see ``gain``.
    """

    label: Label = group_of
    gain: float = 1.0

    def start(self, moment: Moment) -> Tensors:
        """Give a share of 0 for every group."""
        labels = [self.label(tensor) for tensor in moment.workload.tensors]
        none = torch.zeros_like(next(iter(moment.params.values())).flatten(1)[:, 0])
        return {f"first_share/{label}": none.clone() for label in labels}

    def looks(self, step: int, steps: int) -> bool:
        """Look at the first step."""
        return step == 0

    def look(self, memory: Tensors, moment: Moment) -> Tensors:
        """Give the shares of this step."""
        losses = moment.losses(moment.params, moment.batch)
        shares = {name: torch.zeros_like(value) for name, value in memory.items()}
        for tensor in moment.workload.tensors:
            part = decrease(moment.grads[tensor.name], moment.updates[tensor.name])
            shares[f"first_share/{self.label(tensor)}"] += self.gain * part
        nothing = torch.full_like(losses, torch.nan)
        return {n: torch.where(losses > 0, s / losses, nothing) for n, s in shares.items()}

    def result(self, memory: Tensors, moment: Moment) -> Tensors:
        """Give the shares."""
        del moment
        return dict(memory)
