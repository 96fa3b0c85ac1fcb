"""Eleven families of timm: what every tensor is, in four ways."""

from dataclasses import replace

import pytest
from zoo import check, described, reached, traced
from zoo_timm import FAMILIES

from paramsearch.tracing.trace import trace

CASES = {name: family.case for name, family in FAMILIES.items()}
NAMED = [name for name, family in FAMILIES.items() if family.name]


@pytest.mark.parametrize("name", CASES)
def test_beside_a_smaller_build_every_tensor_is_what_the_table_says(name):
    check(CASES[name].table, described(CASES[name]))


@pytest.mark.parametrize("name", CASES)
def test_as_an_architecture_every_tensor_is_what_the_table_says(name):
    check(CASES[name].table, traced(CASES[name]))


@pytest.mark.parametrize("name", NAMED)
def test_by_its_name_every_tensor_is_what_the_table_says(name):
    tensors = trace(f"timm:{FAMILIES[name].name}").tensors
    check(
        CASES[name].table,
        tuple(replace(t, name=t.name.removeprefix("model.")) for t in tensors),
    )


@pytest.mark.parametrize("name", CASES)
def test_autograd_reaches_the_tensors_that_were_seen_at_work(name):
    assert reached(CASES[name]) == {t.name for t in described(CASES[name]) if t.op != "unused"}


@pytest.mark.parametrize(
    ("name", "tensor", "fans"),
    [
        ("resnet", "layer2.0.conv3.weight", (32, 128)),
        ("convnext", "stages.0.blocks.0.conv_dw.weight", (7 * 7, 16)),
        ("vit", "blocks.0.attn.qkv.weight", (16, 48)),
        ("mixer", "blocks.0.mlp_tokens.fc1.weight", (16, 8)),
        ("regnet", "s1.b1.conv2.conv.weight", (8 * 3 * 3, 32)),
        ("densenet", "features.denseblock1.denselayer2.conv1.weight", (48, 64)),
    ],
)
def test_fans(name, tensor, fans):
    found = next(t for t in described(CASES[name]) if t.name == tensor)
    assert (found.fan_in, found.fan_out) == fans


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("resnet", "layer1.1.conv2.weight", "conv1.0.weight"),
        ("convnext", "stages.0.blocks.0.gamma", "stages.1.downsample.1.weight"),
        ("beit", "blocks.1.attn.qkv.weight", "patch_embed.proj.weight"),
        ("swin", "layers.0.blocks.1.mlp.fc1.weight", "layers.1.downsample.reduction.weight"),
        ("efficientnet", "blocks.1.1.conv_dw.weight", "conv_head.weight"),
    ],
)
def test_what_sits_in_a_residual_branch(name, inside, outside):
    residual = {t.name: t.residual for t in described(CASES[name])}
    assert residual[inside] and not residual[outside]
