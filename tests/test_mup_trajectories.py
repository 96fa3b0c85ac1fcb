"""Published muP, plugged in by us, trains exactly as microsoft/mup's own package.

Theirs: readout of the package, ``set_base_shapes``, ``MuSGD``, ``MuAdam`` or ``MuAdamW``. Ours: a
plain model, ``apply`` and the optimizer of torch. Both start at the same function: their initial
values carry over in the gauge of the rule, ``w_ours = w_theirs * multiplier_theirs /
multiplier_ours``. Their readout has the multiplier 1 / ratio; their attention logits have, in the
model's code, 1 / sqrt(ratio) on top of 1 / sqrt(head dimension), which we count to the queries.

Where conventions differ:

- Attention logits go with 1 / head dimension: part of the model's code with mup, of the rule with
  us. Our model is written with 1 / sqrt(head dimension), as models are.
- A tied readout. mup's ``MuSharedReadout`` multiplies its input by 1 / ratio and leaves the
  embedding alone; with us the rule says so of the site, and the gain and bias of the norm before
  it take the factor. mup rescales tied weights at the start like readouts; trajectories start from
  those values.
- eps. mup scales it nowhere, also not in its gauge, in which the readout's gradient is smaller by
  the ratio. With 1e-20 it plays no part; a test states exponents that follow mup exactly.
- Weight decay. mup keeps ``lr * weight_decay`` in every group: ``decay="independent"``.
"""

from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from mup_models import CLASSES, INPUTS, LENGTH, TOKENS, Mlp, ResNet, Tied, Transformer
from torch import Tensor, nn

from paramsearch.rules.multiplied import multipliers_of
from paramsearch.rules.plug import apply
from paramsearch.rules.rule import Rule

mup = pytest.importorskip("mup")

STEPS = 50
TINY = 1e-20
BASE = {"mlp": 8, "transformer": 8, "tied": 8, "resnet": 3}
RATIOS = (1, 4, 16)
LANGUAGE = ("transformer", "tied")
BUILD = {
    "mlp": Mlp,
    "transformer": Transformer,
    "tied": partial(Transformer, tied=True),
    "resnet": ResNet,
}


def theirs(name: str, ratio: int) -> nn.Module:
    """A model as the users of mup build it, with its base shapes set."""

    def build(width: int) -> nn.Module:
        extra = {"logits": (BASE[name] / width) ** 0.5} if name in LANGUAGE else {}
        torch.manual_seed(0)
        shared = partial(mup.MuSharedReadout, bias=False)
        return BUILD[name](width, shared if name == "tied" else mup.MuReadout, **extra).double()

    base = BASE[name]
    return mup.set_base_shapes(build(base * ratio), build(base), delta=build(2 * base))


def ours(name: str, ratio: int) -> nn.Module:
    """The same model in plain torch."""
    return BUILD[name](BASE[name] * ratio, Tied if name == "tied" else nn.Linear).double()


def batch(name: str, step: int) -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(step)
    if name in LANGUAGE:
        tokens = torch.randint(TOKENS, (4, LENGTH + 1), generator=draws)
        tokens[:, 1::2] = (tokens[:, :-1:2] * 3 + 1) % TOKENS  # something to learn
        return tokens[:, :-1], tokens[:, 1:]
    shape = (16, INPUTS) if name == "mlp" else (8, 3, 4, 4)
    x = torch.randn(shape, generator=draws, dtype=torch.float64)
    return x, x.flatten(1)[:, :CLASSES].argmax(1)


def losses(name: str, model: nn.Module, optimizer: torch.optim.Optimizer) -> Tensor:
    found: list[float] = []
    for step in range(STEPS):
        x, y = batch(name, step)
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return torch.tensor(found, dtype=torch.float64)


def carry_over(source: nn.Module, target: nn.Module, ratio: int) -> None:
    """Give our model the function that theirs starts at."""
    carried, values = multipliers_of(target), dict(source.named_parameters())
    scaled = ("last.weight", "last.bias") if "readout.weight" not in values else ("readout.weight",)
    with torch.no_grad():
        for name, parameter in target.named_parameters():
            in_code = 1 / ratio if name in scaled else 1.0
            in_code = ratio**-0.5 if name.endswith(".q.weight") else in_code
            parameter.copy_(values[name] * in_code / carried.get(name, 1.0))


# Optimizer -> theirs, ours, and settings of both.
SGD = dict(lr=0.05, momentum=0.9, weight_decay=0.01)
ADAM = dict(lr=0.01, eps=TINY)
OPTIMIZERS: dict[str, tuple[str, type[torch.optim.Optimizer], dict[str, Any]]] = {
    "sgd": ("MuSGD", torch.optim.SGD, SGD),
    "adam": ("MuAdam", torch.optim.Adam, ADAM),
    "adamw": ("MuAdamW", torch.optim.AdamW, {**ADAM, "weight_decay": 0.1}),
}
APPLIED = ("lr", "weight_decay", "eps")


def trajectories(
    name: str, ratio: int, optimizer: str, rule: Rule, decay: Any = "independent", **changes: Any
) -> tuple[Tensor, Tensor]:
    """Losses of mup's package and ours; ``changes`` are settings of both."""
    their_optimizer, torch_optimizer, settings = OPTIMIZERS[optimizer]
    settings = {**settings, **changes}
    reference, model = theirs(name, ratio), ours(name, ratio)
    applied = {key: value for key, value in settings.items() if key in APPLIED}
    inputs, ratios = batch(name, 0)[0], {"width": ratio}
    base = partial(ours, name, 1)
    groups = apply(rule, model, base, ratios=ratios, inputs=inputs, decay=decay, **applied)
    carry_over(reference, model, ratio)
    stepper = getattr(mup, their_optimizer)(reference.parameters(), **settings)
    rest = {key: value for key, value in settings.items() if key not in APPLIED}
    return losses(name, reference, stepper), losses(name, model, torch_optimizer(groups, **rest))


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", BUILD)
def test_published_mup_trains_as_mup(name, optimizer, ratio):
    expected, found = trajectories(name, ratio, optimizer, Rule.load("mup", optimizer))
    assert expected[-10:].mean() < expected[:3].mean()
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=0)


# Optimizer -> weight decay of every role that makes mup's own, in the gauge of the published rule.
DECAYS = {
    "sgd": {"input": -1, "hidden": 0, "output": 1, "vector": -1, "scalar": 0},
    "adam": {"input": 0, "hidden": 1, "output": 2, "vector": 0, "scalar": 0},
    "adamw": {"input": 0, "hidden": 1, "output": 1, "vector": 0, "scalar": 0},
}


def stated(optimizer: str) -> Rule:
    """The published rule, with decay and eps stated as mup has them."""
    data = Rule.load("mup", optimizer).model_dump(exclude_defaults=True)
    for group in data["groups"]:
        role = group["match"]["role"]
        group["weight_decay"] = {"width": DECAYS[optimizer][role]}
        if optimizer != "sgd":
            group["eps"] = {"width": int(role == "output")}
    return Rule.model_validate(data)


@pytest.mark.parametrize("gauge", ["no-multipliers", "unit-init"])
@pytest.mark.parametrize("ratio", [3, 4])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_stated_decay_and_eps_in_every_gauge(optimizer, ratio, gauge):
    eps = {} if optimizer == "sgd" else {"eps": 1e-3}
    rule = stated(optimizer).regauge(gauge)
    expected, found = trajectories("mlp", ratio, optimizer, rule, "rule", weight_decay=0.05, **eps)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=0)


def test_a_tied_readout_that_is_not_scaled_trains_otherwise():
    rule = Rule.load("mup")
    silent = rule.model_copy(update={"sites": rule.sites[:1]})
    expected, found = trajectories("tied", 4, "adam", silent)
    assert ((found - expected).abs() / expected).max() > 1e-4


# What differs from mup, so that these comparisons could have failed: rule, decay, eps.
CONTROLS = {
    "another rule": ("sp", "independent", TINY),
    "decay that shrinks with the learning rate": ("mup", "rule", TINY),
    "eps that does not follow the gauge": ("mup", "independent", 1e-3),
}


@pytest.mark.parametrize("name, decay, eps", CONTROLS.values(), ids=CONTROLS)
def test_what_is_not_mup_trains_otherwise(name, decay, eps):
    expected, found = trajectories("mlp", 4, "adamw", Rule.load(name, "adamw"), decay, eps=eps)
    assert ((found - expected).abs() / expected).max() > 1e-4
