"""Multipliers on plain modules: what they must survive, against the product written by hand."""

import copy
import io
import pickle

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from paramsearch.errors import ParamsearchError
from paramsearch.rules.multiplied import multipliers_of, set_multipliers

X = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))


class Named(nn.Module):
    """A raw parameter, a layer, and the layer's weight tied under a second name."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))
        self.layer = nn.Linear(3, 3)
        self.again = nn.Linear(3, 3, bias=False)
        self.again.weight = self.layer.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.again(self.layer(x * self.gain))


def expected(model: Named, gain: float, weight: float, x: Tensor = X) -> Tensor:
    w = model.state_dict()["layer.weight"] * weight
    return (x * model.state_dict()["gain"] * gain @ w.T + model.layer.bias) @ w.T


def multiplied(gain: float = 2.0, weight: float = 0.5) -> Named:
    model = Named()
    set_multipliers(model, {"gain": gain, "layer.weight": weight})
    return model


def pickled(model: nn.Module) -> nn.Module:
    return pickle.loads(pickle.dumps(model))


def saved(model: nn.Module) -> nn.Module:
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


def test_forward_reads_the_product():
    model = multiplied()
    torch.testing.assert_close(model(X), expected(model, 2.0, 0.5))


@pytest.mark.parametrize("through", [copy.deepcopy, pickled, saved, copy.copy])
def test_copies_keep_multipliers(through):
    model = multiplied()
    copied = through(model)
    torch.testing.assert_close(copied(X), model(X), rtol=0, atol=0)
    assert isinstance(copied, Named) and type(copied.layer) is type(model.layer)


def test_a_deep_copy_is_independent():
    model = multiplied()
    copied = copy.deepcopy(model)
    set_multipliers(copied, {"gain": 7.0})
    assert (multipliers_of(model)["gain"], multipliers_of(copied)["gain"]) == (2.0, 7.0)


def test_setting_twice_replaces_and_one_restores():
    model = multiplied()
    set_multipliers(model, {"gain": 3.0})
    torch.testing.assert_close(model(X), expected(model, 3.0, 0.5))
    set_multipliers(model, {"gain": 1.0, "layer.weight": 1.0})
    assert type(model) is Named and type(model.layer) is nn.Linear
    assert multipliers_of(model) == {}
    torch.testing.assert_close(model(X), expected(model, 1.0, 1.0))


def test_state_dict_keys_and_values_stay():
    plain = Named()
    model = multiplied()
    model.load_state_dict(plain.state_dict())
    assert list(model.state_dict()) == list(plain.state_dict())
    torch.testing.assert_close(model.state_dict()["gain"], plain.state_dict()["gain"])
    torch.testing.assert_close(model(X), expected(model, 2.0, 0.5))


def test_gradient_is_that_of_the_raw_parameter():
    model = multiplied()
    model(X).sum().backward()
    plain = Named()
    plain.load_state_dict({"gain": model.gain.detach(), **scaled_layers(model)})
    plain(X).sum().backward()
    torch.testing.assert_close(dict(model.named_parameters())["gain"].grad, 2 * plain.gain.grad)


def scaled_layers(model: Named) -> dict[str, Tensor]:
    weight = model.layer.weight.detach()
    return {"layer.weight": weight, "layer.bias": model.layer.bias, "again.weight": weight}


def test_a_multiplied_model_compiles():
    model = multiplied()
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(X), model(X))


def test_functional_call_under_vmap_multiplies_what_it_is_given():
    model = multiplied()
    gains = torch.randn(4, 3)
    got = vmap(lambda gain: functional_call(model, {"gain": gain}, (X,)))(gains)
    for gain, output in zip(gains, got, strict=True):
        w = model.layer.weight
        torch.testing.assert_close(output, (X * 2 * gain @ w.T + model.layer.bias) @ w.T)


def test_an_assigned_parameter_is_multiplied_as_well():
    model = multiplied()
    model.gain = nn.Parameter(torch.zeros(3))
    assert "gain" in model.state_dict() and model.gain.eq(0).all()


@pytest.mark.parametrize("kind", [nn.ParameterList, nn.ParameterDict])
def test_parameter_containers(kind):
    holder = kind([nn.Parameter(torch.ones(2))] if kind is nn.ParameterList else {"0": X[0]})
    before = holder[0 if kind is nn.ParameterList else "0"].clone()
    set_multipliers(holder, {"0": 3.0})
    torch.testing.assert_close(holder[0 if kind is nn.ParameterList else "0"], 3 * before)


def test_attention_multiplies_its_packed_weights():
    attention = nn.MultiheadAttention(4, 2, batch_first=True)
    other = copy.deepcopy(attention)
    x = torch.randn(1, 3, 4)
    set_multipliers(attention, {"in_proj_weight": 2.0, "out_proj.weight": 0.5})
    with torch.no_grad():
        other.in_proj_weight.mul_(2.0)
        other.out_proj.weight.mul_(0.5)
    torch.testing.assert_close(attention(x, x, x)[0], other(x, x, x)[0])


def test_recurrent_modules_are_refused():
    with pytest.raises(ParamsearchError, match=r"weight_hh_l0 belongs to LSTM.*no-multipliers"):
        set_multipliers(nn.LSTM(2, 2), {"weight_hh_l0": 0.5})
    set_multipliers(nn.LSTM(2, 2), {"weight_hh_l0": 1.0})


def test_unknown_parameter_changes_nothing():
    model = Named()
    with pytest.raises(ParamsearchError, match=r"no parameter layer.wait; it has gain, layer"):
        set_multipliers(model, {"gain": 2.0, "layer.wait": 2.0})
    assert type(model) is Named
