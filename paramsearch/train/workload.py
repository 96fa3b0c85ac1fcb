"""A model at one scale, ready to be trained as a population."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, replace_all_batch_norm_modules_
from torch.nn.attention import SDPBackend, sdpa_kernel

from paramsearch.errors import FAILURES, ParamsearchError, brief
from paramsearch.rules.draws import InitLaw, base_builds, base_init, law_for
from paramsearch.scale import Scale, ratios
from paramsearch.tasks.task import Batch, Task
from paramsearch.tracing.arch import Arch
from paramsearch.tracing.output import parted
from paramsearch.tracing.run import seeded
from paramsearch.tracing.source import raised_at
from paramsearch.tracing.tensor import TensorInfo
from paramsearch.tracing.trace import Trace, trace
from paramsearch.train.backend import LOOP, STACKED, Backend
from paramsearch.train.recipe import Engine

KEPT_BYTES = 32 * 2**20
"""Memory that a workload's batches may take between chunks of members."""


@dataclass(frozen=True, eq=False)
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
        backend: How members are trained side by side.
        precision: Of matrix products; with ``"bf16"`` the model computes in bfloat16 where that is
            safe (``torch.autocast``), and parameters, gradients, losses and the optimizer stay in
            ``dtype``.
        kept: What the engine learnt about the workload and keeps: its cost, compiled steps.
    """

    model: nn.Module
    task: Task
    traced: Trace
    laws: Mapping[str, InitLaw]
    ratios: Mapping[str, float]
    device: torch.device
    dtype: torch.dtype
    backend: Backend = STACKED
    precision: str = "float32"
    kept: dict[Any, Any] = field(default_factory=dict[Any, Any])

    @property
    def tensors(self) -> tuple[TensorInfo, ...]:
        """Parameter tensors in the order of ``model.named_parameters()``."""
        return self.traced.tensors

    def batch(self, step: int) -> Batch:
        """Give the training batch of a step in the workload's dtype, on its device.

        Batches are kept for the next members, as many as fit: to draw one of random walks takes as
        long as half a step of a small transformer.
        """
        kept: dict[int, Batch] = self.kept.setdefault("batches", {})
        if step in kept:
            return kept[step]
        batch = self._placed(self.task.batch(step))
        if (len(kept) + 1) * sum(part.nbytes for part in batch) <= KEPT_BYTES:
            kept[step] = batch
        return batch

    def evaluation(self) -> Batch:
        """Give the evaluation batch in the workload's dtype, on its device."""
        return self._placed(self.task.evaluation())

    def output(self, params: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """Run the model of one member; ``params`` are effective: multipliers already applied."""
        return parted(self._forward(params, inputs))[0]

    def loss(self, params: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Give the mean loss of one member on a batch, a scalar."""
        output, auxiliary = parted(self._forward(params, batch[0]))
        loss = self.task.loss(output.to(self.dtype), batch[1])
        return loss if auxiliary is None else loss + auxiliary.to(self.dtype)

    def _forward(self, params: Mapping[str, Tensor], inputs: Tensor) -> Any:
        precision: AbstractContextManager[Any] = nullcontext()
        if self.precision == "bf16":
            precision = torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False)
        # Of the ways to compute attention, vmap batches only this one; others go member by member.
        with precision, sdpa_kernel(SDPBackend.MATH):
            return functional_call(self.model, dict(params), (inputs,))

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
    engine: Engine | None = None,
    base: Trace | None = None,
) -> Workload:
    """Build and trace a model at one scale and measure how its base model is initialized.

    Args:
        arch: The architecture.
        task: The task it is trained on; along axis ``vocabulary``, of the size at that scale.
        scale: Sizes along the axes; those left out stand at their base.
        device: Where members will train.
        dtype: Floating-point type of parameters and activations.
        engine: Backend and precision; by default members train side by side by ``vmap`` and, where
            the model does not take that, one after the other.
        base: The trace at the base, where that is known.

    Returns:
        The workload. Dropout is off, and batch norms use the batch's own statistics.

    Raises:
        ParamsearchError: The model cannot be built, traced or trained at this scale.
    """
    engine = engine or Engine()
    at_base = all(arch.axes[axis] == size for axis, size in scale.items())
    base = base or trace(arch, task=task)
    traced = base if at_base else trace(arch, task=task, scale=scale)
    small, task = arch.task_at(task), arch.task_at(task, scale)
    known = base_init(base_builds(lambda: arch.model(small.dims)))
    laws = {t.name: law_for(t, known, base.tensors) for t in traced.tensors}
    with seeded():
        model = arch.model(task.dims, scale).to(device, dtype).eval()
    replace_all_batch_norm_modules_(model)  # running statistics would be shared by all members
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    workload = Workload(
        model=model,
        task=task,
        traced=traced,
        laws=laws,
        ratios=ratios(scale, arch.axes),
        device=torch.device(device),
        dtype=dtype,
        precision=engine.precision,
    )
    return replace(workload, backend=_backend(workload, arch.name, engine.backend))


def _backend(workload: Workload, name: str, asked: str) -> Backend:
    """Find how one step of one member can be made, and look at its loss."""
    params = {key: p.detach()[None].clone() for key, p in workload.model.named_parameters()}
    batch = workload.batch(0)

    def attempt(backend: Backend) -> Tensor:
        return backend.gradients(workload.loss, (0, None))(params, batch)[1]

    backend = LOOP if asked == "loop" else STACKED
    try:
        loss = attempt(backend)
    except FAILURES as refused:
        if asked == "stacked":
            raise ParamsearchError(
                f"architecture '{name}' cannot be trained under torch.func.vmap; its step fails "
                f"with: {_told(refused)}; choose backend loop"
            ) from refused
        backend = replace(LOOP, reason=_told(refused))
        try:
            loss = attempt(backend)
        except FAILURES as error:
            raise ParamsearchError(
                f"architecture '{name}' cannot be trained; its step fails with: {_told(error)}"
            ) from error
    if not loss.isfinite().all():
        raise ParamsearchError(
            f"architecture '{name}' gives a loss of {loss.item()} on task "
            f"'{workload.task.name}' before any update; a learning rate cannot help there"
        )
    return backend


def _told(error: BaseException) -> str:
    """Give what an error says, and the line of the user's code at which it was raised."""
    place = raised_at(error)
    return f"{brief(error)}{f' (at {place})' if place else ''}"
