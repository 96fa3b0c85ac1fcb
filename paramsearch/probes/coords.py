"""The coordinates of a model over its first steps: how large every output is, how far it moved."""

from dataclasses import dataclass

import torch
from torch import Tensor

from paramsearch.probes.outputs import outputs
from paramsearch.train.optimizers.interface import Tensors
from paramsearch.train.probe import Moment, Probe


@dataclass(frozen=True)
class Coordinates(Probe):
    """Measure the mean square of outputs before and after every update, and of their change.

    With ``h_w(t)`` the output of the operation that consumes tensor w after t updates, on the
    evaluation batch, size is the mean of ``h_w(t) ** 2`` and change that of
    ``(h_w(t) - h_w(0)) ** 2``, over examples and units. Squares, so that tensors can be pooled.

    Attributes:
        tensors: Whose outputs are measured, each as a tuple of one; or as a tuple of several,
            whose outputs of one shape are added up. Those without a single output are left out.

    Results: ``size/<tensor>`` and ``change/<tensor>``, shape (members, steps + 1), under the name
    of the first that is added up.
    """

    tensors: frozenset[tuple[str, ...]]

    def start(self, moment: Moment) -> Tensors:
        """Keep the outputs at initialization, and begin the curves with them."""
        memory: Tensors = {}
        for name, output in self._outputs(moment).items():
            blank = torch.full((len(output), moment.steps + 1), torch.nan)
            blank = blank.to(output.device, output.dtype)
            memory |= {f"start/{name}": output, f"size/{name}": blank, f"change/{name}": blank}
        return self.look(memory, moment)

    def looks(self, step: int, steps: int) -> bool:
        """Look before every update but the first, at which the curves already began."""
        return step > 0

    def look(self, memory: Tensors, moment: Moment) -> Tensors:
        """Add this moment's point to the curves."""
        noted = dict(memory)
        for name, output in self._outputs(moment).items():
            change = output - memory[f"start/{name}"]
            for key, value in ((f"size/{name}", output), (f"change/{name}", change)):
                noted[key] = memory[key].clone()
                noted[key][:, moment.step] = _mean_square(value)
        return noted

    def result(self, memory: Tensors, moment: Moment) -> Tensors:
        """Give the curves, their last point after the last update."""
        noted = self.look(memory, moment)
        return {key: value for key, value in noted.items() if not key.startswith("start/")}

    def _outputs(self, moment: Moment) -> Tensors:
        caught = outputs(moment)
        found: Tensors = {}
        for names in self.tensors:
            first: dict[torch.Size, str] = {}
            for name in (name for name in names if name in caught):
                key = first.setdefault(caught[name].shape, name)
                found[key] = found[key] + caught[name] if key in found else caught[name]
        return found


def _mean_square(output: Tensor) -> Tensor:
    """Give the mean over everything but the members, (members,)."""
    return output.square().flatten(1).mean(dim=1)
