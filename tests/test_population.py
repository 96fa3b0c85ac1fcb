"""Stacks of members against draws, laws and factors taken by hand."""

import pytest
import torch
from torch import nn

from paramsearch.rules.draws import draw
from paramsearch.rules.group import Group, Match
from paramsearch.rules.resolve import resolve
from paramsearch.rules.rule import Rule
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import Arch, load_arch
from paramsearch.train.population import Member, Stacker
from paramsearch.train.workload import prepare

DOUBLE = torch.float64
RATIO = 3
# role -> multiplier, init, lr, weight decay, eps: powers of the ratio
POWERS = {
    "input": (0.5, -0.25, 0.0, 1.0, 0.0),
    "hidden": (0.0, -0.5, -1.0, 0.0, 0.5),
    "output": (-1.0, 0.75, 1.0, 0.0, 0.0),
    "vector": (0.0, 0.5, 0.25, -1.0, 0.0),
    "scalar": (0.0, 0.0, 0.0, 0.0, 0.0),
}
QUANTITIES = ("multiplier", "init", "lr", "weight_decay", "eps")
SP = Rule.load("sp")
MEMBERS = [Member(0, 1e-2, 0), Member(1, 1e-2, 0), Member(1, 3e-2, 7), Member(0, 2e-3, 7)]


def odd_rule():
    groups = [
        Group(
            match=Match(role=role),
            **{q: {"width": p} for q, p in zip(QUANTITIES, powers, strict=True)},
        )
        for role, powers in POWERS.items()
    ]
    return Rule(name="odd", optimizer="adam", axes=("width",), groups=tuple(groups))


RULES = [SP, odd_rule()]


@pytest.fixture(scope="module")
def workload():
    arch = load_arch("resmlp")  # has norms: gains start at the constant 1
    return prepare(arch, load_task("digits"), {"width": 32 * RATIO}, dtype=DOUBLE)


@pytest.fixture(scope="module")
def stack(workload):
    return Stacker(workload, RULES, weight_decay=0.1, eps=1e-6).stack(MEMBERS)


def draws_of(seed, workload):
    shapes = {tensor.name: tensor.shape for tensor in workload.tensors}
    return draw(shapes, torch.Generator().manual_seed(seed))


def test_initial_values_are_std_times_a_power_of_the_ratio_times_the_draw(workload, stack):
    seen = set()
    for index, member in enumerate(MEMBERS):
        draws, factors = draws_of(member.seed, workload), resolve_all(workload)[member.rule]
        for tensor in workload.tensors:
            law, value = workload.laws[tensor.name], stack.params[tensor.name][index]
            unit = law.std * draws[tensor.name].double() if law.std else law.mean
            expected = torch.as_tensor(unit, dtype=DOUBLE) * factors[tensor.name].init
            torch.testing.assert_close(value, expected.expand(tensor.shape), rtol=1e-12, atol=0)
            seen.add((tensor.role, law.std == 0))
    assert seen >= {("hidden", False), ("input", False), ("output", False), ("vector", True)}


def resolve_all(workload):
    return [resolve(rule, workload.tensors, {"width": RATIO, "depth": 1}) for rule in RULES]


def test_rules_share_the_draws_of_a_seed_and_seeds_do_not(workload, stack):
    hidden = stack.params["blocks.0.up.weight"]
    units = hidden / hidden.square().mean(dim=(1, 2), keepdim=True).sqrt()
    torch.testing.assert_close(units[0], units[1])  # both seed 0
    torch.testing.assert_close(units[2], units[3])  # both seed 7
    assert (units[0] - units[2]).abs().max() > 1


@pytest.mark.parametrize(("name", "constant"), [("norm.weight", 1.0), ("norm.bias", 0.0)])
def test_constant_tensors_scale_their_constant(stack, name, constant):
    for index, factor in enumerate([1.0, RATIO**0.5, RATIO**0.5, 1.0]):
        expected = torch.full_like(stack.params[name][index], constant * factor)
        torch.testing.assert_close(stack.params[name][index], expected, rtol=1e-12, atol=0)


def test_every_member_has_memory_of_its_own(stack):
    for name, values in stack.params.items():
        assert values.is_contiguous(), name


def test_multipliers_that_are_1_for_all_are_left_out(workload, stack):
    with_one = {t.name for t in workload.tensors if POWERS[t.role][0] != 0}
    assert set(stack.multipliers) == with_one != set()
    for name, values in stack.multipliers.items():
        power = POWERS["input" if name == "input.weight" else "output"][0]
        expected = torch.tensor([1, RATIO**power, RATIO**power, 1], dtype=DOUBLE)
        torch.testing.assert_close(values.flatten(), expected)
    assert Stacker(workload, [SP], 0.0, 1e-8).stack(MEMBERS[:1]).multipliers == {}


def test_effective_parameters_are_what_the_model_sees(stack):
    effective = stack.effective(stack.params)
    torch.testing.assert_close(
        effective["readout.weight"][1], stack.params["readout.weight"][1] / RATIO
    )
    assert effective["norm.weight"] is stack.params["norm.weight"]


@pytest.mark.parametrize(("quantity", "base"), [("lr", None), ("weight_decay", 0.1), ("eps", 1e-6)])
def test_hyperparameters_are_base_values_times_powers_of_the_ratio(workload, stack, quantity, base):
    for tensor in workload.tensors:
        power = POWERS[tensor.role][QUANTITIES.index(quantity)]
        bases = [member.lr if base is None else base for member in MEMBERS]
        expected = [b * RATIO ** (power * m.rule) for b, m in zip(bases, MEMBERS, strict=True)]
        column = getattr(stack.hyper, quantity)[tensor.name]
        assert column.shape == (len(MEMBERS), *(1 for _ in tensor.shape))
        torch.testing.assert_close(column.flatten(), torch.tensor(expected, dtype=DOUBLE))


@pytest.mark.parametrize(("decay", "decays"), [(0.0, False), (0.1, True)])
def test_no_weight_decay_is_known_as_such(workload, decay, decays):
    assert Stacker(workload, [SP], decay, 1e-8).stack(MEMBERS[:1]).hyper.decays is decays


def test_a_second_stack_of_a_stacker_equals_that_of_a_fresh_one(workload):
    stacker = Stacker(workload, RULES, 0.0, 1e-8)
    stacker.stack(MEMBERS[:2])
    again, fresh = stacker.stack(MEMBERS), Stacker(workload, RULES, 0.0, 1e-8).stack(MEMBERS)
    torch.testing.assert_close(again.params, fresh.params, rtol=0, atol=0)


class Gate(nn.Module):
    """Has a constant tensor that is neither 0 nor 1."""

    def __init__(self, inputs, outputs, width):
        super().__init__()
        self.input, self.readout = nn.Linear(inputs, width), nn.Linear(width, outputs)
        self.gate = nn.Parameter(torch.full((width,), 0.3))

    def forward(self, x):
        return self.readout(self.gate * self.input(x))


def test_any_constant_is_kept():
    workload = prepare(Arch(Gate, {"width": 8}), load_task("digits"), {"width": 24}, dtype=DOUBLE)
    gate = Stacker(workload, RULES, 0.0, 1e-8).stack(MEMBERS[:2]).params["gate"]
    expected = torch.tensor([0.3, 0.3 * RATIO**0.5], dtype=DOUBLE)[:, None].expand(2, 24)
    torch.testing.assert_close(gate, expected, rtol=1e-6, atol=0)
