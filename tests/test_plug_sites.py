"""Multipliers of sites, plugged into models that nobody traced before."""

import pytest
import torch
from site_models import Mixer, Stack
from torch import Tensor, nn

from paramsearch.errors import ParamsearchError
from paramsearch.rules.base import save_base
from paramsearch.rules.multiplied import multipliers_of
from paramsearch.rules.plug import apply
from paramsearch.rules.rule import Rule

DEPTH = Rule.model_validate(
    {
        "name": "depth",
        "optimizer": "adam",
        "axes": ["depth"],
        "groups": [{"match": {"name": "*"}, "lr": {"depth": -0.5}}],
        "sites": [{"match": {"site": "branch"}, "multiplier": {"depth": -0.5}}],
    }
)
PLAIN = DEPTH.model_copy(update={"sites": ()})
ROWS = torch.randn(16, 4, generator=torch.Generator().manual_seed(0)).double()
SEQUENCES = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))


def losses(rule: Rule, model: nn.Module) -> Tensor:
    """Losses of 15 steps of Adam at four times the base depth, float64."""
    generator = torch.Generator().manual_seed(1)
    settings = {"lr": 0.02, "eps": 1e-3, "generator": generator, "ratios": {"depth": 4}}
    torch.manual_seed(0)
    base = Stack(8, 2, model.factor).double()
    groups = apply(rule, model, base, inputs=ROWS, **settings)
    optimizer = torch.optim.Adam(groups)
    curve: list[Tensor] = []
    for _ in range(15):
        loss = (model(ROWS) - ROWS[:, :3].sin()).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        curve.append(loss.detach())
    return torch.stack(curve)


def test_a_folded_branch_trains_as_one_that_is_scaled_in_the_code():
    scaled = losses(PLAIN, Stack(8, 8, factor=0.5).double())
    torch.testing.assert_close(losses(DEPTH, Stack(8, 8).double()), scaled, rtol=0, atol=1e-12)
    assert (losses(PLAIN, Stack(8, 8).double()) - scaled).abs().max() > 1e-3


def test_who_carries_it_and_how_long():
    model = Stack(8, 8).double()
    losses(DEPTH, model)
    ends = {f"blocks.{i}.down.{part}" for i in range(8) for part in ("weight", "bias")}
    assert multipliers_of(model) == dict.fromkeys(ends, 0.5)
    losses(PLAIN, model)
    assert multipliers_of(model) == {}


def plugged(rule: Rule, way: str, base: object = None, inputs: object = SEQUENCES) -> dict:
    """Multipliers of an attention model at four times the width of its base."""
    model = Mixer(32, way)
    apply(rule, model, base or Mixer(8, way), lr=0.1, inputs=inputs)
    return multipliers_of(model)


# The model's code -> the multiplier that muP gives to q.
LOGITS = {"plain": 4**-0.5, "sdpa": 4**-0.5, "one over d": None}


@pytest.mark.parametrize("way", LOGITS)
def test_logits_of_mup(way):
    factor = LOGITS[way]
    names = ("attention.q.weight", "attention.q.bias") if factor else ()
    assert plugged(Rule.load("mup"), way) == dict.fromkeys(names, factor)


def test_the_base_may_be_a_function():
    found = plugged(Rule.load("mup"), "plain", base=lambda: Mixer(8))
    assert set(found.values()) == {0.5}


def test_fused_attention_is_refused_until_the_line_is_written():
    with pytest.raises(ParamsearchError, match=r"'attention' cannot be folded: q and k come from"):
        plugged(Rule.load("mup"), "fused")
    assert plugged(Rule.load("sp"), "fused") == {}


def test_nothing_is_changed_where_a_rule_is_refused():
    model = Mixer(32, "fused")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ParamsearchError, match="cannot be folded"):
        apply(Rule.load("mup"), model, Mixer(8, "fused"), lr=0.1, inputs=SEQUENCES)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training


def test_a_run_is_asked_for_only_where_it_matters():
    with pytest.raises(ParamsearchError, match=r"scales attention logits \('attention'\), which"):
        plugged(Rule.load("mup"), "plain", inputs=None)
    with pytest.raises(ParamsearchError, match="scales residual branches, which show only when"):
        apply(DEPTH, Stack(8, 8), Stack(8, 2), lr=0.1, ratios={"depth": 4})
    mlp = [nn.Sequential(nn.Linear(4, n), nn.ReLU(), nn.Linear(n, 3)) for n in (32, 8)]
    assert len(apply(Rule.load("mup"), *mlp, lr=0.1)) == 4


def test_a_base_file_tells_if_it_was_written_with_inputs(tmp_path):
    path = tmp_path / "base.yaml"
    save_base(Mixer(8), path)
    with pytest.raises(ParamsearchError, match="logits, which this base file does not describe"):
        plugged(Rule.load("mup"), "plain", base=path)
    save_base(Mixer(8), path, inputs=SEQUENCES)
    assert plugged(Rule.load("mup"), "plain", base=path) == plugged(Rule.load("mup"), "plain")


def test_a_base_that_does_not_take_the_inputs():
    class Odd(Mixer):
        def forward(self, x: Tensor) -> Tensor:
            raise ValueError("too small")

    with pytest.raises(ParamsearchError, match="the base model fails on the given inputs: too sm"):
        plugged(Rule.load("mup"), "plain", base=Odd(8))
