"""Probes on a population against plain autograd, hooks and dense Hessians on one model alone."""

from collections import defaultdict

import pytest
import torch
from plain_run import Plain, rules
from torch import nn
from torch.func import functional_call, vmap

from paramsearch.probes.capture import Capture
from paramsearch.probes.features import Features
from paramsearch.probes.first_share import FirstShare
from paramsearch.probes.peak_share import PeakShare
from paramsearch.probes.update_share import UpdateShare
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import load_arch
from paramsearch.train.engine import train
from paramsearch.train.population import Member
from paramsearch.train.recipe import Recipe
from paramsearch.train.workload import prepare

DOUBLE = torch.float64
NAN, INF = float("nan"), float("inf")
ARCHS = [load_arch("mlp"), load_arch("resmlp")]
MEMBERS = [Member(0, 2e-3, 0), Member(1, 1e-2, 3), Member(0, 1e-2, 3)]
RECIPES = [Recipe("sgd", 5), Recipe("adam", 5), Recipe("adamw", 5, weight_decay=0.1)]


def measured(arch, recipe, probe, members=MEMBERS):
    workload = prepare(arch, load_task("digits"), {"width": 48}, dtype=DOUBLE)
    outcome = train(workload, rules(recipe.optimizer), members, recipe, [probe])
    return outcome.probes, {tensor.name: tensor.group for tensor in workload.tensors}


def rms(groups, values):
    squares = defaultdict(list)
    for name, value in values.items():
        squares[groups[name]].append(value.square().mean())
    return {group: torch.stack(parts).mean().sqrt() for group, parts in squares.items()}


def decreases(plain, number, groups):
    """What each group's update buys at a step of a plain run, to first order."""
    grads, updates = plain.step(number)
    found = defaultdict(float)
    for name, group in groups.items():
        found[group] -= torch.dot(grads[name].flatten(), updates[name].flatten())
    return found


def assert_read(found, index, expected):
    assert set(expected) == set(found)
    for key, value in expected.items():
        torch.testing.assert_close(found[key][index], value, rtol=1e-8, atol=1e-14)


@pytest.mark.parametrize("arch", ARCHS, ids=lambda arch: arch.name)
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.optimizer)
def test_update_share_is_minus_gradient_times_update(arch, recipe):
    found, groups = measured(arch, recipe, UpdateShare())
    for index, member in enumerate(MEMBERS):
        plain = Plain(arch, "digits", 48, member, recipe)
        expected = defaultdict(float)
        for number in range(recipe.steps):
            for group, share in decreases(plain, number, groups).items():
                expected[f"update_share/{group}"] += share / recipe.steps
        assert_read(found, index, expected)


@pytest.mark.parametrize("arch", ARCHS, ids=lambda arch: arch.name)
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.optimizer)
def test_first_share_is_the_decrease_by_the_first_update_over_the_loss(arch, recipe):
    found, groups = measured(arch, recipe, FirstShare())
    for index, member in enumerate(MEMBERS):
        plain = Plain(arch, "digits", 48, member, recipe)
        inputs, targets = plain.task.batch(0)
        loss = plain.task.loss(plain.model(inputs.double()), targets).detach()
        shares = decreases(plain, 0, groups)
        assert_read(found, index, {f"first_share/{g}": s / loss for g, s in shares.items()})


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.optimizer)
def test_the_peak_share_is_the_largest_decrease_by_an_update_over_the_loss(recipe):
    found, groups = measured(ARCHS[0], recipe, PeakShare())
    for member, peak in zip(MEMBERS, found["peak_share"], strict=True):
        plain, shares = Plain(ARCHS[0], "digits", 48, member, recipe), []
        for number in range(recipe.steps):
            inputs, targets = plain.task.batch(number)
            loss = plain.task.loss(plain.model(inputs.double()), targets).detach()
            shares.append(sum(decreases(plain, number, groups).values()) / loss)
        torch.testing.assert_close(peak, max(shares), rtol=1e-8, atol=0)


def test_steps_without_a_loss_are_no_peak():
    probe, ones = PeakShare(), torch.ones(4, 1)
    memory = {"peak": torch.zeros(4)}
    for losses in ([2.0, NAN, 0.0, INF], [4.0, 4.0, -1.0, 4.0]):
        memory = probe.add(memory, torch.tensor(losses), {"w": ones}, {"w": -ones})
    assert memory["peak"].tolist() == [0.5, 0.25, 0.0, 0.25]


@pytest.mark.parametrize("arch", ARCHS, ids=lambda arch: arch.name)
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.optimizer)
def test_features_are_what_hooks_see_before_and_after_training(arch, recipe):
    found, groups = measured(arch, recipe, Features())
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
