"""Critical steps and critical sharpness: on a quadratic the loss is back at 2 D'g / D'HD."""

import numpy as np
import pytest
import torch
from plain_run import Plain, rules
from torch import nn
from torch.func import functional_call
from torch.nn import functional

import paramsearch
from paramsearch.probes.critical import BISECTIONS, CriticalSharpness, critical_step
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import Arch, load_arch
from paramsearch.train.engine import cost_of, train
from paramsearch.train.population import Member
from paramsearch.train.recipe import Execution, Recipe
from paramsearch.train.workload import prepare

DOUBLE = torch.float64
NAN, INF = float("nan"), float("inf")


def quadratics(members, size):
    """Dense random H, g and update D = -P g per member; curvatures over 8 decades."""
    draws = torch.Generator().manual_seed(0)
    half = torch.randn(members, size, size, generator=draws, dtype=DOUBLE)
    h = half @ half.mT * 10 ** (8 * torch.rand(members, 1, 1, generator=draws, dtype=DOUBLE) - 4)
    g = torch.randn(members, size, generator=draws, dtype=DOUBLE)
    d = -g * (0.1 + torch.rand(members, size, generator=draws, dtype=DOUBLE))
    first, second = (d * g).sum(1), torch.einsum("mi,mij,mj->m", d, h, d)
    return lambda s: 0.7 + s * first + s**2 * second / 2, -2 * first / second


@pytest.mark.parametrize(("bisections", "error"), [(BISECTIONS, 1 / 16), (40, 1e-9)])
@pytest.mark.parametrize("start", [1.0, 1e-3, 30.0])
def test_critical_step_of_dense_quadratics(bisections, error, start):
    losses, expected = quadratics(64, 5)
    found = critical_step(losses, torch.full((64,), start, dtype=DOUBLE), bisections)
    torch.testing.assert_close(found, expected, rtol=error, atol=0)


# slope, curvature, step from which the loss is as given, that loss -> critical step
ODD = [
    (-1.0, 2.0, INF, 0.0, 1.0),  # an ordinary one among them
    (+1.0, 2.0, INF, 0.0, NAN),  # ascends
    (+0.01, 1.0, INF, 0.0, NAN),  # ascends so gently that rounding hides it
    (-1.0, 0.0, INF, 0.0, NAN),  # never rises
    (-1.0, -1.0, INF, 0.0, NAN),  # falls ever faster
    (0.0, 0.0, INF, 0.0, NAN),  # moves nothing
    (-1.0, 0.0, 5.0, INF, 5.0),  # overflows when stepping far
    (-1.0, 0.0, 0.3, NAN, 0.3),  # the same, nearer than the first trial
    (NAN, 0.0, INF, 0.0, NAN),  # diverged before
]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_critical_step_of_odd_directions_side_by_side(dtype):
    slope, curvature, edge, beyond, expected = torch.tensor(ODD, dtype=dtype).T

    def losses(step):
        values = 2.3 + slope * step + curvature * step**2 / 2
        return torch.where(step >= edge, beyond, values)

    found = critical_step(losses, torch.ones_like(slope))
    torch.testing.assert_close(found, expected, rtol=1 / 16, atol=0, equal_nan=True)


class RandomFeatures(nn.Module):
    """Linear in its parameters, so that the mean square error is exactly quadratic."""

    def __init__(self, inputs, outputs, width):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("features", torch.randn(width, inputs, generator=generator))
        self.readout = nn.Linear(width, outputs)

    def forward(self, x):
        return self.readout(functional.linear(x, self.features).tanh())


FEATURES = Arch(build=RandomFeatures, axes={"width": 4}, task="teacher")
LR = 2e-2
CURVED = [Member(rule, LR, seed) for rule in range(2) for seed in range(2)]


def sharpness_along(plain, number):
    """2 / critical LR along Adam's update, from the dense Hessian: D'HD / (-D'g) / lr."""
    start, (inputs, targets) = plain.params, plain.task.batch(number)
    sizes = [p.numel() for p in start.values()]

    def loss(flat):
        parts = zip(start.items(), flat.split(sizes), strict=True)
        values = {name: part.view_as(p) for (name, p), part in parts}
        output = functional_call(plain.model, values, (inputs.double(),))
        return plain.task.loss(output, targets.double())

    hessian = torch.autograd.functional.hessian(loss, flattened(start))
    g, d = map(flattened, plain.step(number))
    return d @ hessian @ d / -(d @ g) / LR


def flattened(values):
    return torch.cat([value.flatten() for value in values.values()])


def test_critical_sharpness_is_the_curvature_along_the_actual_update():
    recipe, at = Recipe("adam", steps=4), [0, 1, 3]
    workload = prepare(FEATURES, load_task("teacher"), {"width": 16}, dtype=DOUBLE)
    probe = CriticalSharpness(LR, frozenset(at))
    found = train(workload, rules("adam"), CURVED, recipe, [probe]).probes["critical_sharpness"]
    for member, values in zip(CURVED, found, strict=True):
        plain = Plain(FEATURES, "teacher", 16, member, recipe)
        expected = torch.stack([sharpness_along(plain, number) for number in range(4)])
        torch.testing.assert_close(values, expected[at], rtol=1 / 16, atol=0)


@pytest.mark.parametrize(("arch", "task"), [(FEATURES, "teacher"), (load_arch("mlp"), "digits")])
def test_a_measurement_costs_few_forward_passes(arch, task, monkeypatch):
    asked, counts, original = [], [0], paramsearch.train.probe.member_losses
    count = lambda *arguments: asked.append(1) or original(*arguments)  # noqa: E731
    monkeypatch.setattr("paramsearch.train.probe.member_losses", count)
    workload = prepare(arch, load_task(task), {}, dtype=DOUBLE)
    probe = CriticalSharpness(LR, frozenset(range(12)))
    note = lambda _: counts.append(len(asked))  # noqa: E731
    recipe = Recipe("adam", 12)
    cost_of(workload, recipe, [probe])  # which is measured once
    asked.clear()
    train(
        workload,
        rules("adam"),
        CURVED,
        recipe,
        [probe],
        note,
        Execution(False, chunk=4),
    )
    first, *later = np.diff(counts)
    assert first <= 16 and max(later) <= 8
