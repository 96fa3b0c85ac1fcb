"""What a model with multipliers survives, against the same model with the products as weights."""

import copy
import io
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from paramsearch.rules.base import save_base
from paramsearch.rules.multiplied import multipliers_of
from paramsearch.rules.plug import apply
from paramsearch.rules.rule import Rule


class Net(nn.Module):
    """Embedding, one hidden layer, and a readout; tied if asked for."""

    def __init__(self, width: int, tied: bool = False):
        super().__init__()
        self.tokens = nn.Embedding(6, width)
        self.norm, self.hidden = nn.LayerNorm(width), nn.Linear(width, width)
        self.readout = nn.Linear(width, 6, bias=not tied)
        if tied:
            self.readout.weight = self.tokens.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(torch.tanh(self.hidden(self.norm(self.tokens(x)))))


X = torch.arange(6).reshape(2, 3)


def plugged(width: int = 32, rule: str = "ntk", **options) -> Net:
    model = Net(width, **options)
    draws = torch.Generator().manual_seed(0)
    apply(Rule.load(rule), model, lambda: Net(8, **options), lr=0.1, generator=draws)
    return model


def by_hand(model: nn.Module) -> Net:
    """The same function without multipliers."""
    plain, carried = Net(32), multipliers_of(model)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            plain.get_parameter(name).copy_(parameter * carried.get(name, 1.0))
    return plain


def compiled(backend: str) -> Callable[[nn.Module], Callable[..., Tensor]]:
    return lambda model: torch.compile(model, backend=backend, fullgraph=True)


def checkpointed(reentrant: bool) -> Callable[[nn.Module], Callable[..., Tensor]]:
    """Recompute what comes after the embedding in the backward pass."""

    def ways(model: nn.Module) -> Callable[..., Tensor]:
        def later(x: Tensor) -> Tensor:
            return model.readout(torch.tanh(model.hidden(model.norm(x))))

        return lambda x: checkpoint(later, model.tokens(x), use_reentrant=reentrant)

    return ways


def autocast(model: nn.Module) -> Callable[..., Tensor]:
    def run(x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            output = model(x)
        assert output.dtype == torch.bfloat16
        return output.float()

    return run


def exported(strict: bool) -> Callable[[nn.Module], Callable[..., Tensor]]:
    return lambda model: torch.export.export(model, (X,), strict=strict).module()


WAYS = {
    "as it is": lambda model: model,
    "torch.compile, eager": compiled("eager"),
    "torch.compile, aot_eager": compiled("aot_eager"),
    "torch.export": exported(strict=False),
    "torch.export, strict": exported(strict=True),
    "checkpoint": checkpointed(reentrant=False),
    "checkpoint, reentrant": checkpointed(reentrant=True),
    "autocast": autocast,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_same_outputs_and_gradients_as_by_hand(way):
    model = plugged()
    plain, carried = by_hand(model), multipliers_of(model)
    assert carried == {"hidden.weight": 0.5, "readout.weight": 0.5}
    ran, run = (way(model), model), (way(plain), plain)
    outputs = [call(X) for call, _ in (ran, run)]
    torch.testing.assert_close(*outputs)
    for output in outputs:
        output.square().sum().backward()
    if way not in (WAYS["torch.export"], WAYS["torch.export, strict"]):  # which has copies
        for name, parameter in model.named_parameters():
            expected = plain.get_parameter(name).grad * carried.get(name, 1.0)
            torch.testing.assert_close(parameter.grad, expected)


@pytest.mark.parametrize("strict", [False, True])
def test_an_exported_program_has_the_plain_parameters(strict):
    model = plugged()
    program = torch.export.export(model, (X,), strict=strict)
    assert program.state_dict.keys() == model.state_dict().keys()
    torch.testing.assert_close(
        program.state_dict["hidden.weight"], model.state_dict()["hidden.weight"]
    )


def test_a_state_dict_goes_through_a_file():
    model, other = plugged(), plugged()
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    buffer.seek(0)
    nn.init.zeros_(dict(other.named_parameters())["hidden.weight"])
    other.load_state_dict(torch.load(buffer, weights_only=True))
    assert list(other.state_dict()) == list(Net(32).state_dict())
    torch.testing.assert_close(other(X), model(X), rtol=0, atol=0)


def test_a_copy_of_a_plugged_model_computes_the_same():
    model = plugged()
    torch.testing.assert_close(copy.deepcopy(model)(X), model(X), rtol=0, atol=0)


def test_a_tied_tensor_is_one_parameter_and_multiplied_in_both_places(tmp_path):
    data = Rule.load("mup").model_dump(exclude_defaults=True)
    data["groups"][0]["multiplier"] = {"width": -0.5}
    data["sites"] = []
    save_base(lambda: Net(8, tied=True), tmp_path / "base.yaml")
    model = Net(32, tied=True)
    groups = apply(Rule.model_validate(data), model, tmp_path / "base.yaml", lr=0.1)
    assert (
        sum(
            p is model.state_dict(keep_vars=True)["tokens.weight"]
            for g in groups
            for p in g["params"]
        )
        == 1
    )
    assert torch.equal(model.tokens.weight, model.readout.weight)
    assert torch.equal(model.readout.weight, model.state_dict()["readout.weight"] / 2)


def test_without_multipliers_nothing_about_the_model_changes():
    rule, model = Rule.load("ntk").regauge("no-multipliers"), Net(32)
    kinds = [type(module) for module in model.modules()]
    apply(rule, model, Net(8), lr=0.1)
    assert [type(module) for module in model.modules()] == kinds and not multipliers_of(model)


def test_a_compiled_model_can_be_plugged():
    model = Net(32)
    apply(Rule.load("ntk"), torch.compile(model, backend="eager"), Net(8), lr=0.1)
    assert multipliers_of(model) == {"hidden.weight": 0.5, "readout.weight": 0.5}
