"""How large every group's own output is at initialization, and how far training moves it."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from paramsearch.probes.capture import Capture
from paramsearch.train.optimizers.interface import Tensors
from paramsearch.train.probe import Moment, Probe


@dataclass(frozen=True)
class Features(Probe):
    """Measure ``signal`` and ``feature_change`` of every group on the evaluation batch.

    With ``h_g`` the output of the operation that consumes group g's tensors, signal is the root
    mean square of ``h_g`` at initialization and feature change that of ``h_g(trained) - h_g(0)``,
    both over examples, units and the tensors of the group. Features that freeze as the model
    grows (the lazy or neural-tangent regime) show as a feature change that falls with scale.

    Results: ``signal/<group>`` and ``feature_change/<group>``, shape (members,).
    """

    def start(self, moment: Moment) -> Tensors:
        """Keep the outputs at initialization."""
        return _outputs(moment)

    def result(self, memory: Tensors, moment: Moment) -> Tensors:
        """Give both measures per group, from the outputs before and after training."""
        trained = _outputs(moment)
        change = {name: trained[name] - start for name, start in memory.items()}
        groups = {tensor.name: tensor.group for tensor in moment.workload.tensors}
        return {
            **_per_group("signal", groups, memory),
            **_per_group("feature_change", groups, change),
        }


def _per_group(name: str, groups: Mapping[str, str], outputs: Tensors) -> Tensors:
    squares: dict[str, list[Tensor]] = {}
    for tensor, output in outputs.items():
        mean_square = output.square().flatten(1).mean(dim=1)
        squares.setdefault(f"{name}/{groups[tensor]}", []).append(mean_square)
    return {key: torch.stack(parts).mean(dim=0).sqrt() for key, parts in squares.items()}


def _outputs(moment: Moment) -> Tensors:
    """Run all members on the evaluation batch and catch every tensor's output."""
    inputs, _ = moment.workload.evaluation()

    def one(params: Tensors) -> Tensors:
        with Capture(params) as capture:
            moment.workload.output(params, inputs)
        return capture.outputs

    return moment.workload.backend.each(one, (0,))(moment.stack.effective(moment.params))
