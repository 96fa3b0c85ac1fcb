"""Plugging a rule into ordinary models."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from paramsearch.errors import ParamsearchError
from paramsearch.rules.multiplied import multipliers_of
from paramsearch.rules.plug import apply
from paramsearch.rules.rule import Rule
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import load_arch


def mlp(width: int, depth: int = 1) -> nn.Sequential:
    hidden = [layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.ReLU())]
    return nn.Sequential(nn.Linear(8, width), nn.ReLU(), *hidden, nn.Linear(width, 4))


class Raw(nn.Module):
    """A matrix that no module type explains."""

    def __init__(self, width: int):
        super().__init__()
        self.inner = nn.Linear(8, width)
        self.mix = nn.Parameter(torch.randn(width, width) / math.sqrt(width))
        self.head = nn.Linear(width, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.inner(x) @ self.mix)


def rule(name: str = "mup", optimizer: str | None = None) -> Rule:
    return Rule.load(name, optimizer)


def values(model: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(3)


# group name -> LR at ratio 4 of a base LR 0.1.
LRS = {
    "adam": {"input": 0.1, "vector": 0.1, "hidden": 0.025, "output": 0.025, "scalar": 0.1},
    "sgd": {"input": 0.4, "vector": 0.4, "hidden": 0.1, "output": 0.025, "scalar": 0.1},
}


@pytest.mark.parametrize("optimizer", LRS)
def test_param_groups(optimizer):
    model = mlp(64)
    groups = apply(rule("mup", optimizer), model, mlp(16), lr=0.1, weight_decay=0.2, eps=1e-6)
    assert {g["name"]: g["lr"] for g in groups} == pytest.approx(LRS[optimizer])
    assert all(
        g["weight_decay"] == 0.2 and g.get("eps") == (1e-6, None)[optimizer == "sgd"]
        for g in groups
    )
    grouped = {id(p) for g in groups for p in g["params"]}
    assert grouped == {id(p) for p in model.parameters()}


@pytest.mark.parametrize("make", [torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD])
def test_torch_optim_takes_the_groups(make):
    optimizer = {"Adam": "adam", "AdamW": "adamw", "SGD": "sgd"}[make.__name__]
    model = mlp(32)
    stepper = make(apply(rule("mup", optimizer), model, mlp(16), lr=0.01))
    before = values(model)
    model(torch.ones(2, 8)).square().sum().backward()
    stepper.step()
    assert any(not torch.equal(before[name], value) for name, value in values(model).items())


# Tensor -> its standard deviation at base width 16 and ratio 16, under muP from torch's init.
TORCH_INIT = 1 / math.sqrt(3)
STDS = {
    "0.weight": TORCH_INIT / math.sqrt(8),
    "2.weight": TORCH_INIT / math.sqrt(16) / 4,
    "4.weight": TORCH_INIT / math.sqrt(16) / 16,
    "2.bias": TORCH_INIT / math.sqrt(16),
}


def test_initial_values_follow_the_base():
    model = mlp(256)
    apply(rule(), model, lambda: mlp(16), lr=0.1, generator=seeded())
    found = {name: value.std().item() for name, value in values(model).items() if name in STDS}
    assert found == pytest.approx(STDS, rel=0.2)


def test_constants_stay_constants():
    def normed(width: int) -> nn.Module:
        return nn.Sequential(nn.Linear(8, width), nn.LayerNorm(width), nn.Linear(width, 4))

    model = normed(64)
    apply(rule(), model, lambda: normed(16), lr=0.1)
    assert model[1].weight.eq(1).all() and model[1].bias.eq(0).all()


def test_same_generator_same_values():
    drawn = []
    for _ in range(2):
        model = mlp(32)
        torch.manual_seed(5)
        base = mlp(16)
        apply(rule(), model, base, lr=0.1, generator=seeded())
        drawn.append(values(model))
    assert all(torch.equal(drawn[0][name], drawn[1][name]) for name in drawn[0])


def test_a_base_factory_leaves_the_global_generator():
    torch.manual_seed(0)
    model = mlp(32)
    state = torch.get_rng_state()
    apply(rule(), model, lambda: mlp(16), lr=0.1, generator=seeded())
    assert torch.equal(torch.get_rng_state(), state)


def test_multipliers_and_keys():
    model = mlp(64)
    keys = list(model.state_dict())
    apply(rule("ntk"), model, lambda: mlp(16), lr=0.1)
    assert multipliers_of(model) == {"2.weight": 0.5, "4.weight": 0.5}
    assert list(model.state_dict()) == keys
    apply(rule("mup"), model, lambda: mlp(16), lr=0.1)
    assert multipliers_of(model) == {}


def test_plugging_in_again_gives_the_same():
    model, again = Raw(64), Raw(64)
    x, base = torch.randn(3, 8), Raw(16)
    for _ in range(2):
        apply(rule("ntk"), again, base, lr=0.1, inputs=x, generator=seeded())
    apply(rule("ntk"), model, base, lr=0.1, inputs=x, generator=seeded())
    torch.testing.assert_close(model(x), again(x), rtol=0, atol=0)


def test_the_base_itself_keeps_everything():
    groups = apply(rule(), mlp(16), mlp(16), lr=0.1)
    assert [group["lr"] for group in groups] == [0.1]


def test_frozen_tensors_stay_as_they_are():
    model = mlp(64)
    model[0].requires_grad_(False)
    before = values(model)
    groups = apply(rule(), model, mlp(16), lr=0.1)
    assert torch.equal(before["0.weight"], model[0].weight)
    assert {id(p) for g in groups for p in g["params"]}.isdisjoint(map(id, model[0].parameters()))


def test_a_deeper_model_starts_like_the_base_blocks():
    model = mlp(128, depth=3)
    named = nn.ModuleDict({"net": model})
    apply(rule(), named, nn.ModuleDict({"net": mlp(32, depth=3)}), lr=0.1, ratios={"width": 4})
    stds = [model[i].weight.std().item() for i in (2, 4, 6)]
    assert stds == pytest.approx([TORCH_INIT / math.sqrt(32) / 2] * 3, rel=0.1)


class Stack(nn.Module):
    def __init__(self, width: int, depth: int):
        super().__init__()
        self.stem = nn.Linear(8, width)
        self.blocks = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.head = nn.Linear(width, 4)


def with_depth(**match: str) -> Rule:
    data = rule().model_dump(exclude_defaults=True)
    for group in data["groups"]:
        group["lr"] = {"width": group["lr"]["width"], "depth": -0.5}
        group["match"] = match or group["match"]
    return Rule.model_validate({**data, "axes": ["width", "depth"]})


def test_depth_is_given_and_its_new_blocks_take_part():
    model = Stack(64, 8)
    groups = apply(with_depth(), model, Stack(16, 2), lr=0.1, ratios={"depth": 4})
    assert {g["name"]: g["lr"] for g in groups}["hidden"] == pytest.approx(0.1 / 4 / 2)
    assert sum(len(g["params"]) for g in groups if g["name"] == "hidden") == 8
    stds = [block.weight.std().item() for block in model.blocks]
    assert stds == pytest.approx([TORCH_INIT / math.sqrt(16) / 2] * 8, rel=0.2)


def test_raw_parameters_are_told_by_running_the_model():
    model = Raw(64)
    with pytest.raises(ParamsearchError, match=r"mix .*pass inputs="):
        apply(rule(), model, Raw(16), lr=0.1)
    groups = apply(rule(), model, Raw(16), lr=0.1, inputs=torch.randn(2, 8))
    hidden = next(g for g in groups if any(p is model.mix for p in g["params"]))
    assert hidden["lr"] == pytest.approx(0.025)


def uneven(width: int, inner: int) -> nn.Module:
    return nn.Sequential(nn.Linear(8, width), nn.Linear(width, inner), nn.Linear(inner, 4))


REFUSED = {
    "unmatched": (
        dict(rule=rule().model_copy(update={"groups": rule().groups[:2]})),
        r"rule 'mup' has no group that matches 0.bias \(vector, linear\), 2.bias .*, 4.weight",
    ),
    "uneven": (
        dict(model=uneven(64, 96), base=uneven(16, 16)),
        r"grow by different ratios \(4 in 0.weight; 6 in 1.weight\); give the ratios",
    ),
    "depth": (
        dict(rule=with_depth(), model=Stack(64, 2), base=Stack(16, 2)),
        r"do not tell its ratio along width and depth; .*ratios={'width': 4, 'depth': 4}",
    ),
    "unknown axis": (dict(ratios={"dept": 2}), r"received axis 'dept'; allowed: .*, width"),
    "roles do not show": (
        dict(rule=with_depth(), model=Stack(16, 8), base=Stack(16, 2), ratios={"depth": 4}),
        r"matches by role, which shows only in dimensions that grow",
    ),
    "recurrent": (
        dict(rule=rule("ntk"), model=nn.LSTM(8, 64), base=nn.LSTM(8, 16)),
        r"weight_hh_l0 belongs to LSTM.*use rule.regauge\('no-multipliers'\)",
    ),
    "bad ratio": (dict(ratios={"width": -1}), r"needs a positive ratio along width"),
}


@pytest.mark.parametrize("changes, message", REFUSED.values(), ids=REFUSED)
def test_refused_and_nothing_changed(changes, message):
    arguments = {"rule": rule(), "model": mlp(64), "base": mlp(16), "lr": 0.1, **changes}
    before = copy.deepcopy(arguments["model"].state_dict())
    with pytest.raises(ParamsearchError, match=message):
        apply(**arguments)
    after = arguments["model"].state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_given_ratios_settle_uneven_growth():
    groups = apply(
        rule(), uneven(64, 96), uneven(16, 16), lr=0.1, ratios={"width": 4}, generator=seeded()
    )
    assert {g["name"]: g["lr"] for g in groups}["hidden"] == pytest.approx(0.025)


def test_rules_without_roles_work_where_nothing_grows():
    groups = apply(
        with_depth(name="*"), Stack(16, 8), Stack(16, 2), lr=0.1, ratios={"width": 1, "depth": 4}
    )
    assert {g["lr"] for g in groups} == {0.05}


def test_a_rule_that_matches_on_residual_needs_inputs():
    groups = [
        {"match": {"role": "hidden", "residual": True}, "lr": {"width": -2}},
        {"match": {"name": "*"}, "lr": {"width": -1}},
    ]
    rule = Rule.model_validate(
        {"name": "branches", "optimizer": "adam", "axes": ["width"], "groups": groups}
    )
    arch, task = load_arch("resmlp"), load_task("digits")

    def plugged(**options):
        model = arch.model(task.dims, {"width": 64})
        return apply(rule, model, base=arch.model(task.dims), lr=1.0, **options)

    with pytest.raises(ParamsearchError, match=r"residual branches .* give `inputs=`"):
        plugged()
    assert {g["lr"] for g in plugged(inputs=task.batch(0)[0])} == {0.25, 0.5}
