"""Residual networks and vision transformers against those of timm, with copied weights."""

import importlib
import warnings
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from paramsearch.tracing.arch import load_arch
from paramsearch.tracing.run import seeded

IMAGES = {"inputs": 3 * 64, "outputs": 10, "channels": 3}
WIDTH, DEPTH = 64, 2  # timm rounds the width of a bottleneck to a multiple of 8
VIT = {
    "patches": "patch_embed.proj", "positions": "pos_embed", "token": "cls_token",
    "attention.out": "attn.proj", "up": "mlp.fc1", "down": "mlp.fc2", "readout": "head",
}  # fmt: skip


@pytest.fixture
def timm() -> Any:
    """The parts of timm; not everywhere can it and torchvision, which it needs, be imported."""
    modules = {"layers": "timm.layers", "resnet": "timm.models.resnetv2", "models": "timm.models"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = {name: importlib.import_module(module) for name, module in modules.items()}
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"timm cannot be imported: {error}")
    return SimpleNamespace(**found)


def ours(name: str, **settings: object) -> nn.Module:
    """Build in float64 with noise on every parameter, so that none of them hides."""
    with seeded():
        model = load_arch(name, {"width": WIDTH, "depth": DEPTH, **settings}).model(IMAGES).double()
        for parameter in model.parameters():
            parameter.data += 0.3 * torch.randn_like(parameter)
    return model.requires_grad_(False)


def images() -> Tensor:
    return torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)).double()


def assert_same(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("bottleneck", "kind"), [(False, "PreActBasic"), (True, "PreActBottleneck")]
)
def test_resnet_has_the_blocks_and_the_last_norm_of_timm(timm, bottleneck, kind):
    model, norm = (
        ours("resnet", bottleneck=bottleneck),
        partial(timm.layers.GroupNormAct, num_groups=4),
    )
    make = partial(
        getattr(timm.resnet, kind), norm_layer=norm, conv_layer=timm.layers.create_conv2d
    )
    blocks, last = nn.Sequential(*(make(WIDTH) for _ in range(DEPTH))), norm(WIDTH)
    blocks.double().load_state_dict(model.blocks.state_dict())
    last.double().load_state_dict(model.norm.state_dict())
    expected = model.readout(last(blocks(model.input(images()))).mean(dim=(-2, -1)))
    assert_same(model(images().flatten(1)), expected)


def timms(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the weights of ours; query, key and value become one."""
    result: dict[str, Tensor] = {}
    for name, value in weights.items():
        if "attention.query" in name:
            parts = [weights[name.replace("query", part)] for part in ("query", "key", "value")]
            name, value = name.replace("attention.query", "attn.qkv"), torch.cat(parts)
        for old, new in VIT.items():
            name = name.replace(old, new)
        result[name] = value
    return {name: value for name, value in result.items() if "attention" not in name}


@pytest.mark.parametrize(("pool", "theirs"), [("class", "token"), ("mean", "avg")])
def test_vit_is_that_of_timm(timm, pool, theirs):
    model = ours("vit", pool=pool, attention_scale="standard")
    other = timm.models.VisionTransformer(
        img_size=8, patch_size=2, num_classes=10, embed_dim=WIDTH, depth=DEPTH, num_heads=2,
        norm_layer=nn.LayerNorm, global_pool=theirs, class_token=pool == "class", fc_norm=False,
    )  # fmt: skip
    other.double().eval().load_state_dict(timms(model.state_dict()))
    assert_same(model(images().flatten(1)), other(images()))
