"""What holds for every shipped architecture, on the task that it names."""

from functools import cache

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap

from paramsearch.catalog import names
from paramsearch.probes.critical import CriticalSharpness
from paramsearch.probes.features import Features
from paramsearch.probes.first_share import FirstShare
from paramsearch.probes.update_share import UpdateShare
from paramsearch.rules.neutral import neutral
from paramsearch.tasks.catalog import load_task
from paramsearch.tasks.task import Batch, Task
from paramsearch.tracing.arch import Arch, load_arch
from paramsearch.tracing.output import parted, total_loss
from paramsearch.tracing.run import seeded
from paramsearch.tracing.trace import Trace, trace
from paramsearch.train.engine import train
from paramsearch.train.population import Member
from paramsearch.train.recipe import Recipe
from paramsearch.train.workload import prepare

NAMES = names("architecture")
EXAMPLES = 4


@cache
def loaded(name: str) -> tuple[Arch, Task]:
    arch = load_arch(name)
    return arch, load_task(arch.task)


@cache
def traced(name: str, axis: str | None = None) -> Trace:
    """Trace at the base, or at twice the base along one axis."""
    arch, task = loaded(name)
    scale = {axis: 2 * arch.axes[axis]} if axis else None
    return trace(arch, axis=axis, task=task, scale=scale)


def batch(name: str, dtype: torch.dtype, examples: int | None = None) -> Batch:
    inputs, target = (part[:examples] for part in loaded(name)[1].batch(0))
    cast = [part.to(dtype) if part.is_floating_point() else part for part in (inputs, target)]
    return cast[0], cast[1]


def members(name: str) -> list[torch.nn.Module]:
    arch, task = loaded(name)
    models = []
    for seed in range(2):
        with seeded(seed):
            models.append(arch.model(task.dims).double())
    return models


@pytest.mark.parametrize("name", NAMES)
def test_roles(name):
    roles = {tensor.role for tensor in traced(name).tensors}
    assert {"input", "output"} <= roles
    assert not traced(name).unused


@pytest.mark.parametrize(
    ("name", "axis"), [(name, axis) for name in NAMES for axis in load_arch(name).axes]
)
def test_groups_are_the_same_at_every_scale(name, axis):
    base, scaled = traced(name), traced(name, axis)
    for by in ("role", "module"):
        assert list(scaled.groups(by)) == list(base.groups(by))


@pytest.mark.parametrize("name", NAMES)
def test_a_population_has_the_gradients_of_its_members(name):
    models, data = members(name), batch(name, torch.float64, EXAMPLES)

    def loss(params: dict[str, Tensor]) -> Tensor:
        output = functional_call(models[0], params, (data[0],))
        return total_loss(loaded(name)[1], output, data[1])

    plain = [{key: p.detach() for key, p in model.named_parameters()} for model in models]
    stacked = {key: torch.stack([params[key] for params in plain]) for key in plain[0]}
    grads, losses = vmap(grad_and_value(loss))(stacked)
    for i, params in enumerate(plain):
        expected, value = grad_and_value(loss)(params)
        torch.testing.assert_close(losses[i], value, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(
            {key: grad[i] for key, grad in grads.items()}, expected, rtol=1e-10, atol=1e-10
        )


@pytest.mark.parametrize("name", NAMES)
def test_starts_as_if_it_knew_nothing(name):
    task, (inputs, target) = loaded(name)[1], batch(name, torch.float64)
    for model in members(name):
        output = parted(model(inputs))[0]
        start, ignorant = task.loss(output, target), task.loss(torch.zeros_like(output), target)
        torch.testing.assert_close(start, ignorant, rtol=0.05, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_builds_without_memory(name):
    arch, task = loaded(name)
    with torch.device("meta"):
        model = arch.model(task.dims, {axis: 2 * size for axis, size in arch.axes.items()})
    assert all(p.is_meta for p in model.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_no_step_and_no_look_goes_member_by_member(name):
    arch, task = loaded(name)
    workload = prepare(arch, task, {})
    assert workload.backend.name == "stacked"
    probes = [UpdateShare(), FirstShare(), Features(), CriticalSharpness(1e-3, frozenset([1]))]
    recipe = Recipe("adam", 2, clip=1.0)
    torch._C._functorch._set_vmap_fallback_enabled(False)  # to fall back is an error now
    try:
        twice = [Member(0, 1e-3, 0), Member(0, 1e-3, 1)]
        found = train(workload, [neutral("adam", ["width"])], twice, recipe, probes)
    finally:
        torch._C._functorch._set_vmap_fallback_enabled(True)
    assert found.final.isfinite().all() and "critical_sharpness" in found.probes
