"""Plain torch models that nobody wrote for us: what every tensor is, in three ways."""

import pytest
from zoo import check, described, reached, traced
from zoo_attention import CASES as ATTENTION
from zoo_convolutional import CASES as CONVOLUTIONAL

CASES = CONVOLUTIONAL | ATTENTION


@pytest.mark.parametrize("name", CASES)
def test_beside_a_smaller_build_every_tensor_is_what_the_table_says(name):
    check(CASES[name].table, described(CASES[name]))


@pytest.mark.parametrize("name", CASES)
def test_as_an_architecture_every_tensor_is_what_the_table_says(name):
    check(CASES[name].table, traced(CASES[name]))


@pytest.mark.parametrize("name", CASES)
def test_autograd_reaches_the_tensors_that_were_seen_at_work(name):
    assert reached(CASES[name]) == {t.name for t in described(CASES[name]) if t.op != "unused"}


@pytest.mark.parametrize(
    ("name", "tensor", "fans"),
    [
        ("resnet-basic", "conv1.weight", (3 * 7 * 7, 16)),
        ("resnet-bottleneck", "layer1.0.conv3.weight", (16, 64)),
        ("convnext", "stage1.0.dwconv.weight", (7 * 7, 16)),
        ("unet", "up2.weight", (64 * 2 * 2, 32)),
        ("vit", "layers.0.self_attention.in_proj_weight", (16, 48)),
        ("mixer", "blocks.0.channels.2.weight", (64, 16)),
    ],
)
def test_fans(name, tensor, fans):
    found = next(t for t in described(CASES[name]) if t.name == tensor)
    assert (found.fan_in, found.fan_out) == fans


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("resnet-basic", "layer1.1.conv2.weight", "conv1.weight"),
        ("convnext", "stage1.0.layer_scale", "down.1.weight"),
        ("vit-own-attention", "layers.1.qkv.weight", "pos_embedding"),
        ("mixer", "blocks.0.tokens.0.weight", "stem.weight"),
    ],
)
def test_what_sits_in_a_residual_branch(name, inside, outside):
    residual = {t.name: t.residual for t in described(CASES[name])}
    assert residual[inside] and not residual[outside]
