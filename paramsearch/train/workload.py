"""A model at one scale, ready to be trained as a population."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from paramsearch.rules.draws import InitLaw, base_builds, base_init, law_for
from paramsearch.scale import Scale, ratios
from paramsearch.tasks.task import Batch, Task
from paramsearch.tracing.arch import Arch
from paramsearch.tracing.run import seeded
from paramsearch.tracing.tensor import TensorInfo
from paramsearch.tracing.trace import Trace, trace


@dataclass(frozen=True)
class Workload:
    """Everything about one scale that all members share.

    Attributes:
        model: The model, of which only structure and buffers are used.
        task: The stream of batches.
        traced: The traced model at this scale.
        laws: Initialization of each tensor at the base scale.
        ratios: Axis -> scale / base.
        device: Where members train.
        dtype: Floating-point type of parameters and activations.
    """

    model: nn.Module
    task: Task
    traced: Trace
    laws: Mapping[str, InitLaw]
    ratios: Mapping[str, float]
    device: torch.device
    dtype: torch.dtype

    @property
    def tensors(self) -> tuple[TensorInfo, ...]:
        """Parameter tensors in the order of ``model.named_parameters()``."""
        return self.traced.tensors

    def batch(self, step: int) -> Batch:
        """Give the training batch of a step in the workload's dtype, on its device."""
        return self._placed(self.task.batch(step))

    def evaluation(self) -> Batch:
        """Give the evaluation batch in the workload's dtype, on its device."""
        return self._placed(self.task.evaluation())

    def output(self, params: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """Run the model of one member; ``params`` are effective: multipliers already applied."""
        return functional_call(self.model, dict(params), (inputs,))

    def loss(self, params: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Give the mean loss of one member on a batch, a scalar."""
        return self.task.loss(self.output(params, batch[0]), batch[1])

    def _placed(self, batch: Batch) -> Batch:
        inputs, targets = (
            part.to(self.device, self.dtype if part.is_floating_point() else part.dtype)
            for part in batch
        )
        return inputs, targets


def prepare(
    arch: Arch,
    task: Task,
    scale: Scale,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Workload:
    """Build and trace a model at one scale and measure how its base model is initialized.

    Args:
        arch: The architecture.
        task: The task it is trained on.
        scale: Sizes along the axes; those left out stand at their base.
        device: Where members will train.
        dtype: Floating-point type of parameters and activations.

    Returns:
        The workload.

    Raises:
        ParamsearchError: The model cannot be built or traced at this scale.
    """
    traced = trace(arch, task=task, scale=scale)
    at_base = all(arch.axes[axis] == size for axis, size in scale.items())
    base = traced if at_base else trace(arch, task=task)
    known = base_init(base_builds(lambda: arch.model(task.dims)))
    laws = {t.name: law_for(t, known, base.tensors) for t in traced.tensors}
    with seeded():
        model = arch.model(task.dims, scale).to(device, dtype)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return Workload(
        model=model,
        task=task,
        traced=traced,
        laws=laws,
        ratios=ratios(scale, arch.axes),
        device=torch.device(device),
        dtype=dtype,
    )
