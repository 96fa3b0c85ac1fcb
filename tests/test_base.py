"""The base model measured, and kept in a file."""

import pytest
import torch
from torch import nn

from paramsearch.errors import ParamsearchError
from paramsearch.rules.base import load_base, save_base
from paramsearch.rules.plug import apply
from paramsearch.rules.rule import Rule


def mlp(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, width), nn.LayerNorm(width), nn.Linear(width, 4))


class Tied(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.tokens, self.readout = nn.Embedding(5, width), nn.Linear(width, 5, bias=False)
        self.readout.weight = self.tokens.weight


@pytest.fixture
def path(tmp_path):
    return tmp_path / "base.yaml"


@pytest.mark.parametrize("build", [mlp, Tied])
def test_a_file_gives_back_what_was_measured(path, build):
    save_base(lambda: build(16), path)
    assert load_base(path) == load_base(str(path)) == load_base(lambda: build(16))


def test_a_file_stands_in_for_the_base(path):
    save_base(lambda: mlp(16), path)
    models = [mlp(64), mlp(64)]
    bases = [path, lambda: mlp(16)]
    groups = [
        apply(Rule.load("mup"), m, base=b, lr=0.1, generator=torch.Generator().manual_seed(1))
        for m, b in zip(models, bases, strict=True)
    ]
    assert [g["lr"] for g in groups[0]] == [g["lr"] for g in groups[1]]
    for one, other in zip(*(model.parameters() for model in models), strict=True):
        assert torch.equal(one, other)


def test_a_file_says_what_a_person_would_write(path):
    torch.manual_seed(0)
    save_base(mlp(2), path)
    lines = path.read_text().splitlines()
    assert lines[1:3] == ["paramsearch: 1", "tensors:"]
    assert lines[5] == "  1.weight: {shape: [2], constant: 1.0}"


def test_a_wider_model_shows_roles_at_the_base(path):
    with torch.device("meta"):
        wider = mlp(32)
    save_base(mlp(16), path, wider=wider)
    groups = apply(Rule.load("mup"), mlp(16), base=path, lr=0.1)
    assert {g["role"]: g["lr"] for g in groups} == dict.fromkeys(
        ["input", "vector", "output", "scalar"], 0.1
    )
    assert "{shape: [16], wider: [32], constant: 1.0}" in path.read_text()


def test_a_wider_file_is_a_base_for_larger_models(path):
    save_base(lambda: mlp(16), path, wider=mlp(32))
    groups = apply(Rule.load("mup"), mlp(64), base=path, lr=0.1)
    assert {g["role"]: g["lr"] for g in groups}["output"] == pytest.approx(0.025)


def test_the_wider_model_is_the_same_architecture(path):
    with pytest.raises(ParamsearchError, match=r"wider: tensor '0.bias' is in one of base and"):
        save_base(mlp(16), path, wider=nn.Linear(8, 32))
    assert not path.exists()


def without_values() -> nn.Module:
    with torch.device("meta"):
        return mlp(16)


def not_finite() -> nn.Module:
    model = mlp(16)
    nn.init.constant_(model[2].bias, float("nan"))
    return model


# What is handed over as the base, and what is said about it.
REFUSED = {
    "a number": (3, r"base: received int; allowed: a torch module, a function that builds one, or"),
    "a function of something else": (lambda: 3, "base: received a function that gives int"),
    "meta": (without_values, r"base model: tensor '0.weight' is on the meta device .*to_empty"),
    "lazy": (nn.LazyLinear(3), "base model: tensor 'weight' is lazy and has no shape yet; run"),
    "not finite": (not_finite, "base model: tensor '2.bias' holds values that are not finite"),
    "no file": ("missing/base.yaml", "missing/base.yaml: cannot be read"),
}


@pytest.mark.parametrize("base, message", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_a_base(base, message):
    with pytest.raises(ParamsearchError, match=message):
        load_base(base)


# Text of a base file, and what is said about it.
MALFORMED = {
    "not YAML": ("a: [", r"base.yaml: line 1: expected the node"),
    "a rule": ("paramsearch: 1\ngroups: []", r"base.yaml: groups: .*allowed: paramsearch, tensors"),
    "empty": ("", r"base.yaml: received nothing; allowed: a mapping of paramsearch, tensors"),
    "no tensors": ("paramsearch: 1\ntensors: {}", r"base.yaml: tensors: received \{\}"),
    "no law": (
        "paramsearch: 1\ntensors: {w: {shape: [2]}}",
        r"tensors.w: received neither of std and constant; allowed: one of them",
    ),
    "two laws": (
        "paramsearch: 1\ntensors: {w: {shape: [2], std: 1.0, constant: 1.0}}",
        r"tensors.w: received both of std and constant",
    ),
    "a fraction": (
        "paramsearch: 1\ntensors: {w: {shape: [2.5], std: 1.0}}",
        r"tensors.w.shape.0: received 2.5; allowed: a valid integer",
    ),
    "no spread": (
        "paramsearch: 1\ntensors: {w: {shape: [2], std: 0.0}}",
        r"tensors.w.std: received 0.0; allowed: greater than 0",
    ),
    "an odd site": (
        "paramsearch: 1\ntensors: {w: {shape: [2], std: 1.0}}\nsites: [{kind: norm}]",
        "sites.0.kind: received 'norm'; allowed: 'branch', 'logits' or 'readout'",
    ),
    "another format": ("paramsearch: 2\ntensors: {w: {shape: [2], std: 1.0}}", "received 2; allow"),
}


@pytest.mark.parametrize("text, message", MALFORMED.values(), ids=MALFORMED)
def test_malformed_files(path, text, message):
    path.write_text(text)
    with pytest.raises(ParamsearchError, match=message):
        load_base(path)
