"""Parameter groups in the optimizers of torch, the pair of Muon and AdamW, and weight decay."""

import inspect

import pytest
import torch
from torch import nn

from paramsearch.errors import ParamsearchError
from paramsearch.rules.base import save_base
from paramsearch.rules.degrees import DEGREES
from paramsearch.rules.param_groups import decay_factor, muon_groups, param_groups
from paramsearch.rules.plug import apply
from paramsearch.rules.resolve import Factors
from paramsearch.rules.rule import Rule
from paramsearch.tracing.tensor import TensorInfo


def mlp(width: int) -> nn.Sequential:
    hidden = nn.Linear(width, width)
    return nn.Sequential(nn.Linear(8, width), nn.ReLU(), hidden, nn.ReLU(), nn.Linear(width, 4))


def mup(optimizer: str) -> Rule:
    """Published muP, taken for optimizers that it says nothing about as well."""
    if optimizer in ("sgd", "adamw", "adamw-independent"):
        return Rule.load("mup", optimizer)
    return Rule.load("mup").model_copy(update={"optimizer": optimizer})


def applied(optimizer: str = "adamw", width: int = 64, **options) -> tuple[nn.Module, list[dict]]:
    model, rule = mlp(width), mup(optimizer)
    options = {"base": mlp(16), "lr": 0.1, "weight_decay": 0.2, **options}
    return model, apply(rule, model, **options)


def step(model: nn.Module, *optimizers: torch.optim.Optimizer) -> None:
    model(torch.ones(2, 8)).square().mean().backward()
    for optimizer in optimizers:
        optimizer.step()


NO_GROUPS = {"LBFGS", "SparseAdam", "Muon"}  # one group only; sparse gradients only; see below
CLASSES = [
    name
    for name, found in vars(torch.optim).items()
    if inspect.isclass(found) and issubclass(found, torch.optim.Optimizer)
    if name not in {"Optimizer", *NO_GROUPS}
]


@pytest.mark.parametrize("name", CLASSES)
def test_every_optimizer_of_torch_steps_with_groups(name):
    model, groups = applied(f"torch.optim:{name}")
    optimizer = vars(torch.optim)[name](groups)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    step(model, optimizer)
    assert {g["name"]: g["lr"] for g in optimizer.param_groups}["hidden"] == pytest.approx(0.025)
    assert all(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_groups_come_back_from_a_checkpoint():
    model, groups = applied()
    optimizer = torch.optim.AdamW(groups)
    step(model, optimizer)
    again = torch.optim.AdamW(applied(width=64, lr=5.0)[1])
    again.load_state_dict(optimizer.state_dict())
    assert [g["lr"] for g in again.param_groups] == [g["lr"] for g in optimizer.param_groups]


def test_relative_schedules_keep_the_ratios():
    optimizer = torch.optim.AdamW(applied()[1])
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5)
    lrs = dict(
        zip([g["name"] for g in optimizer.param_groups], schedule.get_last_lr(), strict=True)
    )
    assert lrs["hidden"] == pytest.approx(lrs["input"] / 4)


def test_muon_takes_hidden_matrices_and_adamw_the_rest():
    model, groups = applied("muon")
    muon, adamw = muon_groups(groups)
    assert [p is model[2].weight for g in muon for p in g["params"]] == [True]
    assert {g["role"] for g in adamw} == {"input", "output", "vector", "scalar"}
    before = model[2].weight.detach().clone()
    step(model, torch.optim.Muon(muon), torch.optim.AdamW(adamw))
    assert not torch.equal(before, model[2].weight)


def test_eps_of_adam_is_not_muons():
    muon, adamw = muon_groups(applied("muon", eps=1e-3)[1])
    assert torch.optim.Muon(muon).param_groups[0]["eps"] == 1e-7
    assert {g["eps"] for g in adamw} == {1e-3}


def test_muon_at_the_base_itself(tmp_path):
    with pytest.raises(ParamsearchError, match="groups of the roles scalar; allowed: groups as"):
        muon_groups(applied("muon", width=16)[1])
    save_base(mlp(16), tmp_path / "base.yaml", wider=mlp(32))
    muon, _ = muon_groups(applied("muon", width=16, base=tmp_path / "base.yaml")[1])
    assert [g["lr"] for g in muon] == [0.1]


def test_muon_refuses_what_is_no_matrix():
    build = [nn.Sequential(nn.Conv1d(3, w, 1), nn.Conv1d(w, w, 1)) for w in (64, 16)]
    groups = apply(mup("muon"), build[0], build[1], lr=0.1)
    with pytest.raises(ParamsearchError, match=r"a hidden tensor of shape \(64, 64, 1\); allowed"):
        muon_groups(groups)


# Optimizer -> lr * weight_decay of every group at ratio 4, of 0.1 * 0.2 in the base; for
# adamw-independent, which does not multiply by lr, weight_decay.
SHARES = {
    ("adamw", "rule"): {"input": 0.02, "hidden": 0.005, "output": 0.005, "vector": 0.02},
    ("adamw", "independent"): dict.fromkeys(["input", "hidden", "output", "vector"], 0.02),
    ("sgd", "rule"): {"input": 0.08, "hidden": 0.02, "output": 0.005, "vector": 0.08},
    ("sgd", "independent"): dict.fromkeys(["input", "hidden", "output", "vector"], 0.02),
}


@pytest.mark.parametrize("optimizer, decay", SHARES)
def test_what_decay_takes_off(optimizer, decay):
    groups = applied(optimizer, decay=decay)[1]
    shares = {g["name"]: g["lr"] * g["weight_decay"] for g in groups if g["name"] != "scalar"}
    assert shares == pytest.approx(SHARES[optimizer, decay])


def test_decay_that_is_independent_by_itself():
    groups = applied("adamw-independent", decay="independent")[1]
    assert {g["weight_decay"] for g in groups} == {0.2}


def test_decay_of_a_rule_that_states_it():
    data = Rule.load("mup", "adamw").model_dump(exclude_defaults=True)
    data["groups"][1]["weight_decay"] = {"width": 0.5}
    groups = apply(Rule.model_validate(data), mlp(64), mlp(16), lr=0.1, weight_decay=0.2)
    assert {g["name"]: g["weight_decay"] for g in groups}["hidden"] == pytest.approx(0.4)
    assert decay_factor(Factors(weight_decay=2.0), "rule", DEGREES["adamw"]) == 2.0


def test_tensors_that_differ_only_in_the_forward_pass_share_a_group():
    tensors = [
        TensorInfo(name, (2, 2), "linear", "hidden", 2, 2, {}, False, "hidden") for name in "abc"
    ]
    factors = {"a": Factors(multiplier=0.5), "b": Factors(init=2.0), "c": Factors(lr=0.5)}
    made = param_groups(tensors, factors, dict.fromkeys("abc", torch.ones(2, 2)), {"lr": 1.0})
    assert [(g["name"], len(g["params"]), g["lr"]) for g in made] == [
        ("hidden", 2, 1.0),
        ("hidden.2", 1, 0.5),
    ]
