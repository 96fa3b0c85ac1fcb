"""How large every group's own output is at initialization, and how far training moves it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from paramsearch.probes.labels import Label, group_of
from paramsearch.probes.outputs import outputs
from paramsearch.tracing.tensor import TensorInfo
from paramsearch.train.optimizers.interface import Tensors
from paramsearch.train.probe import Moment, Probe


def _never(tensor: TensorInfo) -> bool:
    del tensor
    return False


@dataclass(frozen=True)
class Features(Probe):
    """Measure ``signal`` and ``feature_change`` of every group on the evaluation batch.

    With ``h_g`` the output of the operation that consumes group g's tensors, signal is the root
    mean square of ``h_g`` at initialization and feature change that of ``h_g(trained) - h_g(0)``,
    both over examples, units and the tensors of the group. Features that freeze as the model
    grows (the lazy or neural-tangent regime) show as a feature change that falls with scale.

    Results: ``signal/<group>`` and ``feature_change/<group>``, shape (members,).

    Attributes:
        label: Gives the name of a tensor's group.
        adds_up: Says of which tensors the outputs are summed over the group before they are
            squared: those of residual branches, which add up in the stream.
    """

    label: Label = group_of
    adds_up: Callable[[TensorInfo], bool] = _never

    def start(self, moment: Moment) -> Tensors:
        """Keep the outputs at initialization."""
        return outputs(moment)

    def result(self, memory: Tensors, moment: Moment) -> Tensors:
        """Give both measures per group, from the outputs before and after training."""
        trained = outputs(moment)
        change = {name: trained[name] - start for name, start in memory.items()}
        tensors = moment.workload.tensors
        return {
            **self._per_group("signal", tensors, memory),
            **self._per_group("feature_change", tensors, change),
        }

    def _per_group(self, probe: str, tensors: Sequence[TensorInfo], outputs: Tensors) -> Tensors:
        squares: dict[str, list[Tensor]] = {}
        sums: dict[tuple[str, torch.Size], Tensor] = {}
        for tensor in tensors:
            if (output := outputs.get(tensor.name)) is None:
                continue
            name = f"{probe}/{self.label(tensor)}"
            if self.adds_up(tensor):
                key = name, output.shape
                sums[key] = sums[key] + output if key in sums else output
            else:
                squares.setdefault(name, []).append(_mean_square(output))
        for (name, _), total in sums.items():
            squares.setdefault(name, []).append(_mean_square(total))
        return {name: torch.stack(parts).mean(dim=0).sqrt() for name, parts in squares.items()}


def _mean_square(output: Tensor) -> Tensor:
    return output.square().flatten(1).mean(dim=1)
