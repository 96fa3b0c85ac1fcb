"""What cannot be plugged in: one sentence each, and a model that stays as it was."""

import copy

import pytest
import torch
from torch import nn

from paramsearch.errors import ParamsearchError
from paramsearch.rules.plug import apply
from paramsearch.rules.rule import Rule


def mlp(width: int, bias: bool = True) -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, width, bias), nn.ReLU(), nn.Linear(width, 4, bias))


def lazy() -> nn.Module:
    return nn.Sequential(nn.LazyLinear(64), nn.ReLU(), nn.LazyLinear(4))


def on_meta() -> nn.Module:
    with torch.device("meta"):
        return mlp(64)


def named(pattern: str) -> Rule:
    """Published muP, with a group for a name before its own."""
    data = Rule.load("mup").model_dump(exclude_defaults=True)
    group = {"match": {"name": pattern}, "lr": {"width": -1}}
    return Rule.model_validate({**data, "groups": [group, *data["groups"]]})


def with_decay() -> Rule:
    data = Rule.load("mup").model_dump(exclude_defaults=True)
    data["groups"][1]["weight_decay"] = {"width": 1}
    return Rule.model_validate(data)


REFUSED = {
    "lazy": (dict(model=lazy()), "model: tensor '0.weight' is lazy .*run the model on a batch"),
    "meta": (dict(model=on_meta()), r"model: tensor '0.weight' is on the meta device .*to_empty"),
    "frozen": (
        dict(model=mlp(64).requires_grad_(False)),
        "model: received no tensor that is trained; allowed: .*requires_grad=True",
    ),
    "base has more": (
        dict(model=mlp(64, bias=False)),
        "base model: tensor '0.bias' has no counterpart in the model; allowed: the same archi",
    ),
    "model has more": (
        dict(base=mlp(16, bias=False)),
        r"tensor '0.bias' with shape \(64,\) has no counterpart in the base model",
    ),
    "other ranks": (
        dict(model=nn.Sequential(nn.Conv1d(8, 64, 1), nn.ReLU(), nn.Linear(64, 4))),
        r"tensor '0.weight' with shape \(64, 8, 1\) .* base model, where its shape is \(16, 8\)",
    ),
    "a name that no tensor has": (
        dict(rule=named("blocks.*.q.weight")),
        r"rule 'mup': groups.0.match.name: received 'blocks.\*.q.weight', which matches no tensor "
        "of the model; its tensors: 0.weight, 0.bias, 2.weight, 2.bias",
    ),
    "a way of decay": (dict(decay="coupled"), "decay: received 'coupled'; allowed: rule, indep"),
    "decay stated twice": (
        dict(rule=with_decay(), decay="independent"),
        "decay: received 'independent', but rule 'mup' states weight_decay itself",
    ),
}


@pytest.mark.parametrize("changes, message", REFUSED.values(), ids=REFUSED)
def test_refused(changes, message):
    with pytest.raises(ParamsearchError, match=message):
        apply(**{"rule": Rule.load("mup"), "model": mlp(64), "base": mlp(16), "lr": 0.1, **changes})


def test_a_refused_model_stays_as_it_was():
    model = mlp(64)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ParamsearchError, match="matches no tensor"):
        apply(named("nothing"), model, mlp(16), lr=0.1)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_roles_that_the_model_lacks_are_no_error():
    groups = apply(Rule.load("mup"), mlp(64, bias=False), mlp(16, bias=False), lr=0.1)
    assert {group["role"] for group in groups} == {"input", "output"}


def test_names_of_frozen_tensors_count():
    model = mlp(64)
    model[0].requires_grad_(False)
    groups = apply(named("0.weight"), model, mlp(16), lr=0.1)
    assert {group["role"] for group in groups} == {"output", "scalar"}


def test_lazy_and_meta_models_once_they_have_values():
    ready = lazy()
    ready(torch.ones(1, 8))
    for model in (ready, on_meta().to_empty(device="cpu")):
        apply(Rule.load("mup"), model, lambda: mlp(16), lr=0.1)
        assert all(parameter.isfinite().all() for parameter in model.parameters())
