"""How large every group's own output is at initialization, and how far training moves it."""

import torch
from torch import Tensor
from torch.func import vmap

from paramsearch.probes.capture import Capture
from paramsearch.train.optimizer import Tensors
from paramsearch.train.probe import Moment, Probe


class Features(Probe):
    """Measure ``signal`` and ``feature_change`` of every group on the evaluation batch.

    With ``h_g`` the output of the operation that consumes group g's tensors, signal is the root
    mean square of ``h_g`` at initialization and feature change that of ``h_g(trained) - h_g(0)``,
    both over examples, units and the tensors of the group. Features that freeze as the model
    grows (the lazy or neural-tangent regime) show as a feature change that falls with scale.

    Results: ``signal/<group>`` and ``feature_change/<group>``, shape (members,).
    """

    def __init__(self) -> None:
        self._initial: Tensors = {}
        self._groups: dict[str, str] = {}
        self._change: Tensors = {}

    def observe(self, moment: Moment) -> None:
        """Keep the outputs at initialization."""
        if moment.step == 0:
            self._groups = {t.name: t.group for t in moment.workload.tensors}
            self._initial = _outputs(moment)

    def finish(self, moment: Moment) -> None:
        """Compare with the outputs after training."""
        trained = _outputs(moment)
        self._change = {name: trained[name] - start for name, start in self._initial.items()}

    def result(self) -> dict[str, Tensor]:
        """Give both measures per group."""
        return {
            **self._per_group("signal", self._initial),
            **self._per_group("feature_change", self._change),
        }

    def _per_group(self, name: str, outputs: Tensors) -> dict[str, Tensor]:
        squares: dict[str, list[Tensor]] = {}
        for tensor, output in outputs.items():
            mean_square = output.square().flatten(1).mean(dim=1)
            squares.setdefault(f"{name}/{self._groups[tensor]}", []).append(mean_square)
        return {key: torch.stack(parts).mean(dim=0).sqrt() for key, parts in squares.items()}


def _outputs(moment: Moment) -> Tensors:
    """Run all members on the evaluation batch and catch every tensor's output."""
    inputs, _ = moment.workload.evaluation()

    def one(params: Tensors) -> Tensors:
        with Capture(params) as capture:
            moment.workload.output(params, inputs)
        return capture.outputs

    outputs = vmap(one)(moment.stack.effective(moment.params))
    assert isinstance(outputs, dict)
    return outputs
