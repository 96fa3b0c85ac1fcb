"""Initial laws and unit draws."""

import math

import pytest
import torch
from torch import nn

from paramsearch.errors import ParamsearchError
from paramsearch.rules.draws import InitLaw, base_init, draw, law_for
from paramsearch.tracing.tensor import TensorInfo


class Net(nn.Module):
    def __init__(self, width: int = 64):
        super().__init__()
        self.layer = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.zero = nn.Parameter(torch.zeros(3, 3))
        self.shifted = nn.Parameter(3 + torch.randn(400))


def builds(count: int = 4) -> list[Net]:
    torch.manual_seed(0)
    return [Net() for _ in range(count)]


# Tensor, its mean and standard deviation as torch initializes it.
LAWS = {
    "layer.weight": (0.0, 1 / math.sqrt(3 * 64)),
    "layer.bias": (0.0, 1 / math.sqrt(3 * 64)),
    "norm.weight": (1.0, 0.0),
    "norm.bias": (0.0, 0.0),
    "zero": (0.0, 0.0),
    "shifted": (0.0, math.sqrt(3**2 + 1)),
}


@pytest.mark.parametrize("name", LAWS)
def test_base_init(name):
    mean, std = LAWS[name]
    law = base_init(builds())[name]
    assert law.mean == mean and law.std == pytest.approx(std, rel=0.1)


def test_a_law_pools_all_builds():
    models = builds(3)
    pooled = torch.stack([model.layer.weight.detach() for model in models]).double()
    assert base_init(models)["layer.weight"].std == pytest.approx(
        pooled.square().mean().sqrt().item()
    )


def test_a_constant_that_differs_between_builds_is_random():
    models = [nn.Linear(1, 1, bias=False) for _ in range(2)]
    assert base_init(models)["weight"].std > 0
    assert base_init(models[:1])["weight"].std == 0


def test_builds_must_agree():
    with pytest.raises(ParamsearchError, match="base builds differ in their parameters"):
        base_init([nn.Linear(2, 2), nn.Linear(2, 3)])
    with pytest.raises(ParamsearchError, match="received none; allowed: at least one"):
        base_init([])


def test_value_of_a_law():
    unit = torch.tensor([1.0, -2.0], dtype=torch.float64)
    assert InitLaw(0.0, 3.0).value(0.5, unit).tolist() == [1.5, -3.0]
    assert InitLaw(1.0, 0.0).value(0.5, unit).tolist() == [0.5, 0.5]
    assert InitLaw(1.0, 0.0).value(0.5, unit).dtype == torch.float64


def info(name: str, group: str) -> TensorInfo:
    return TensorInfo(name, (4, 4), "linear", "hidden", 4, 4, {}, False, group)


BASE = [info("blocks.0.a", "hidden"), info("blocks.0.b", "hidden"), info("head", "output")]
BASE_LAWS = {tensor.name: InitLaw(0.0, float(i + 1)) for i, tensor in enumerate(BASE)}

# Tensor and group, and the tensor of the base whose law it takes.
COUNTERPARTS = {
    "blocks.0.b": ("hidden", "blocks.0.b"),
    "blocks.7.b": ("hidden", "blocks.0.b"),
    "extra.c": ("hidden", "blocks.0.a"),
    "tail.9": ("output", "head"),
}


@pytest.mark.parametrize("name", COUNTERPARTS)
def test_law_for(name):
    group, expected = COUNTERPARTS[name]
    assert law_for(info(name, group), BASE_LAWS, BASE) == BASE_LAWS[expected]


def test_no_counterpart_is_an_error():
    with pytest.raises(ParamsearchError, match=r"'new' \(group input\) has no counterpart"):
        law_for(info("new", "input"), BASE_LAWS, BASE)


def test_draw_is_a_stream_in_the_order_of_the_shapes():
    shapes = {"a": (3, 2), "b": (5,), "c": ()}
    drawn = draw(shapes, torch.Generator().manual_seed(7))
    generator = torch.Generator().manual_seed(7)
    for name, shape in shapes.items():
        assert torch.equal(drawn[name], torch.randn(shape, generator=generator))


def test_draw_has_unit_variance_and_leaves_the_global_generator():
    state = torch.get_rng_state()
    drawn = draw({"w": (300, 300)}, torch.Generator().manual_seed(0))["w"]
    assert drawn.dtype == torch.float32 and abs(drawn.std() - 1) < 0.02
    assert torch.equal(torch.get_rng_state(), state)
