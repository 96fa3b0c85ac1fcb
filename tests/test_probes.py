"""Probes on a population against plain autograd, hooks and dense Hessians on one model alone."""

from collections import defaultdict
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call, vmap
from torch.nn import functional

import paramsearch
from paramsearch.probes.capture import Capture
from paramsearch.probes.critical import BISECTIONS, CriticalSharpness, critical_step
from paramsearch.probes.features import Features
from paramsearch.probes.update_share import UpdateShare
from paramsearch.rules.rule import Rule
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import Arch, load_arch
from paramsearch.train.engine import Recipe, train
from paramsearch.train.optimizers import optimizer_entry
from paramsearch.train.population import Member
from paramsearch.train.workload import prepare

DOUBLE = torch.float64
NAN, INF = float("nan"), float("inf")
ARCHS = [load_arch("mlp"), load_arch("resmlp")]
MEMBERS = [Member(0, 2e-3, 0), Member(1, 1e-2, 3), Member(0, 1e-2, 3)]
RECIPES = [Recipe("sgd", 5), Recipe("adam", 5), Recipe("adamw", 5, weight_decay=0.1)]


def rules(optimizer):
    return [Rule.load("mup", optimizer), Rule.load("ntk", optimizer)]


class Plain:
    """One member as a user would train it; ``step`` returns what autograd and the update were."""

    def __init__(self, arch, task, width, member, recipe):
        self.task = load_task(task)
        self.model = arch.model(self.task.dims, {"width": width}).double()
        groups = paramsearch.apply(
            rules(recipe.optimizer)[member.rule],
            self.model,
            base=lambda: arch.model(self.task.dims),
            lr=member.lr,
            weight_decay=recipe.weight_decay,
            ratios={"width": width / arch.axes["width"]},
            generator=torch.Generator().manual_seed(member.seed),
        )
        self.optimizer = optimizer_entry(recipe.optimizer).reference(groups)

    @property
    def params(self):
        return {name: p.detach().clone() for name, p in self.model.named_parameters()}

    def step(self, number):
        before, (inputs, targets) = self.params, self.task.batch(number)
        self.optimizer.zero_grad()
        self.task.loss(self.model(inputs.double()), targets).backward()
        grads = {name: p.grad.clone() for name, p in self.model.named_parameters()}
        self.optimizer.step()
        return grads, {name: p - before[name] for name, p in self.params.items()}

    def outputs(self):
        """Output of the module that owns each tensor, caught by forward hooks."""
        outputs, hooks = {}, []
        for name, _ in self.model.named_parameters():
            module = self.model.get_submodule(name.rpartition(".")[0])
            hooks.append(
                module.register_forward_hook(lambda _m, _i, y, name=name: outputs.update({name: y}))
            )
        with torch.no_grad():
            self.model(self.task.evaluation()[0].double())
        for hook in hooks:
            hook.remove()
        return outputs


def measured(arch, recipe, probe, members=MEMBERS):
    workload = prepare(arch, load_task("digits"), {"width": 48}, dtype=DOUBLE)
    outcome = train(workload, rules(recipe.optimizer), members, recipe, [probe])
    return outcome.probes, {tensor.name: tensor.group for tensor in workload.tensors}


def rms(groups, values):
    squares = defaultdict(list)
    for name, value in values.items():
        squares[groups[name]].append(value.square().mean())
    return {group: torch.stack(parts).mean().sqrt() for group, parts in squares.items()}


@pytest.mark.parametrize("arch", ARCHS, ids=lambda arch: arch.name)
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.optimizer)
def test_update_share_is_minus_gradient_times_update(arch, recipe):
    found, groups = measured(arch, recipe, UpdateShare)
    for index, member in enumerate(MEMBERS):
        plain = Plain(arch, "digits", 48, member, recipe)
        expected = defaultdict(float)
        for number in range(recipe.steps):
            grads, updates = plain.step(number)
            for name, group in groups.items():
                share = -torch.dot(grads[name].flatten(), updates[name].flatten())
                expected[f"update_share/{group}"] += share / recipe.steps
        assert set(expected) == set(found)
        for key, value in expected.items():
            torch.testing.assert_close(found[key][index], value, rtol=1e-8, atol=1e-14)


@pytest.mark.parametrize("arch", ARCHS, ids=lambda arch: arch.name)
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.optimizer)
def test_features_are_what_hooks_see_before_and_after_training(arch, recipe):
    found, groups = measured(arch, recipe, Features)
    for index, member in enumerate(MEMBERS):
        plain = Plain(arch, "digits", 48, member, recipe)
        before = plain.outputs()
        for number in range(recipe.steps):
            plain.step(number)
        changes = {name: after - before[name] for name, after in plain.outputs().items()}
        for probe, values in (("signal", before), ("feature_change", changes)):
            for group, expected in rms(groups, values).items():
                value = found[f"{probe}/{group}"][index]
                torch.testing.assert_close(value, expected, rtol=1e-8, atol=0)


class Raw(nn.Module):
    """A functional model on one tensor of its own."""

    def __init__(self, use):
        super().__init__()
        self.use, self.weight = use, nn.Parameter(torch.empty(3, 4))

    def forward(self, x):
        return self.use(x, self.weight)


def tied():
    model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 5))
    model[1].weight = model[0].weight
    return model


def convolved(x, weight, bias):
    windows = x.unfold(2, 2, 1)  # (batch, in, positions, kernel)
    return torch.einsum("biwk,oik->bow", windows, weight) + bias[:, None]


def normed(x, weight, bias):
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * weight + bias


TOKENS = torch.tensor([[0, 2], [4, 1], [3, 3]])
ROWS = torch.randn(6, 4, generator=torch.Generator().manual_seed(1), dtype=DOUBLE)
# model, inputs, and the output of the consuming operation from inputs and the model's tensors
CAPTURES = {
    "embedding": (nn.Sequential(nn.Embedding(5, 4), nn.Tanh()), TOKENS, lambda x, w: w[x]),
    "linear": (nn.Sequential(nn.Linear(4, 3), nn.ReLU()), ROWS, lambda x, w, b: x @ w.T + b),
    "conv": (nn.Sequential(nn.Conv1d(2, 3, 2), nn.ReLU()), ROWS.view(2, 2, 6), convolved),
    "layer norm": (nn.Sequential(nn.LayerNorm(4), nn.Tanh()), ROWS, normed),
    "tied": (tied(), TOKENS, lambda x, w, b: {"0.weight": w[x], "1.bias": w[x] @ w.T + b}),
    "transposed": (Raw(lambda x, w: (x @ w.t()).tanh()), ROWS, lambda x, w: x @ w.T),
    "einsum": (
        Raw(lambda x, w: torch.einsum("bi,oi->bo", x.sin(), w).exp()),
        ROWS,
        lambda x, w: x.sin() @ w.T,
    ),
}


@pytest.mark.parametrize("case", CAPTURES)
def test_capture_catches_the_consuming_operation_under_vmap(case):
    model, inputs, formula = CAPTURES[case]
    draws = torch.Generator().manual_seed(0)
    shapes = {name: p.shape for name, p in model.named_parameters()}
    params = {n: torch.randn(3, *s, generator=draws, dtype=DOUBLE) for n, s in shapes.items()}

    def outputs(one):
        with Capture(one) as capture:
            functional_call(model, one, (inputs,))
        return capture.outputs

    found = vmap(outputs)(params)
    assert set(found) == set(shapes)
    for member in range(3):
        expected = formula(inputs, *(p[member] for p in params.values()))
        for name, output in found.items():
            wanted = expected[name] if isinstance(expected, dict) else expected
            torch.testing.assert_close(output[member], wanted, rtol=1e-10, atol=1e-12)


# Critical step and sharpness: on a quadratic the loss is back at its start at 2 D'g / D'HD.


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
    probe = partial(CriticalSharpness, LR, at)
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
    probe = partial(CriticalSharpness, LR, range(12))
    note = lambda _: counts.append(len(asked))  # noqa: E731
    train(workload, rules("adam"), CURVED, Recipe("adam", 12), [probe], on_steps=note)
    first, *later = np.diff(counts)
    assert first <= 16 and max(later) <= 8
