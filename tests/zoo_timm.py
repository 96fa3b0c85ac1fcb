"""Eleven families of timm from random weights, and what their tensors are."""

import importlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn
from zoo import Case
from zoo_convolutional import images

MODULES = {
    "models": "timm.models",
    "builder": "timm.models._efficientnet_builder",
    "nfnet": "timm.models.nfnet",
    "regnet": "timm.models.regnet",
}


def imported() -> SimpleNamespace:
    """The parts of timm; not everywhere can it and torchvision, which it needs, be imported."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = {name: importlib.import_module(module) for name, module in MODULES.items()}
    except (ImportError, RuntimeError, AttributeError) as error:
        pytest.skip(f"timm cannot be imported: {error}", allow_module_level=True)
    return SimpleNamespace(**found)


timm: Any = imported()


@dataclass(frozen=True)
class Family:
    """A family of timm.

    Attributes:
        case: A small build of it.
        name: What follows ``timm:`` where the adapter has a width for it.
    """

    case: Case
    name: str | None = None


def patches(kind: str, **fields: Any) -> Callable[[int], nn.Module]:
    sizes = {"img_size": 16, "patch_size": 4, "depth": 2, "num_heads": 2, "num_classes": 10}
    return lambda width: getattr(timm.models, kind)(embed_dim=width, **sizes | fields)


def staged(width: int) -> tuple[int, ...]:
    return tuple(times * width for times in (1, 2, 4, 8))


def resnet(width: int) -> nn.Module:
    """The usual stem has 64 channels at every width; a deep one has twice its own width."""
    sizes = {"layers": (2, 1, 1, 1), "channels": staged(width), "stem_width": width // 2}
    return timm.models.resnet26d(**sizes, num_classes=10)


def convnext(width: int) -> nn.Module:
    return timm.models.ConvNeXt(depths=(2, 1, 1, 1), dims=staged(width), num_classes=10)


def swin(width: int, heads: int = 2) -> nn.Module:
    return timm.models.SwinTransformer(
        img_size=16, patch_size=2, window_size=4, depths=(2, 2), embed_dim=width,
        num_heads=(heads, 2 * heads), num_classes=10,
    )  # fmt: skip


def mixer(width: int) -> nn.Module:
    return timm.models.MlpMixer(
        img_size=16, patch_size=4, num_blocks=2, embed_dim=width, num_classes=10
    )


def regnet(width: int) -> nn.Module:
    """A grouped convolution has eight channels a group at every width."""
    sizes = {"depth": 6, "w0": width, "wa": width, "wm": 2.0, "group_size": 8, "stem_width": width}
    config = timm.regnet.RegNetCfg(**sizes, se_ratio=0.25)
    return timm.models.RegNet(config, num_classes=10)


def nfnet(width: int) -> nn.Module:
    """Its convolutions standardize their weight, with a gain for every channel."""
    config = timm.nfnet.NfCfg((2, 1, 1, 1), staged(4 * width), stem_type="3x3", stem_chs=width)
    return timm.models.NormFreeNet(config, num_classes=10)


def decoded(kind: str, stages: list[list[str]]) -> Callable[[int], nn.Module]:
    """A network whose stages stand in strings of timm's own notation, for a width of 16."""

    def build(width: int) -> nn.Module:
        channels = partial(timm.builder.round_channels, multiplier=width / 16)
        return getattr(timm.models, kind)(
            timm.builder.decode_arch_def(stages), stem_size=16, num_features=4 * width,
            round_chs_fn=channels, num_classes=10,
        )  # fmt: skip

    return build


def densenet(width: int) -> nn.Module:
    return timm.models.DenseNet(growth_rate=width, block_config=(2, 2), num_classes=10)


VIT = """
cls_token                                           cat     vector
pos_embed                                           add     vector
patch_embed.proj.weight                             conv    input
patch_embed.proj.bias                               conv    vector
blocks.#.(norm1|norm2).(weight|bias)                norm    vector
blocks.#.attn.(qkv|proj).weight                     linear  hidden
blocks.#.attn.(qkv|proj).bias                       linear  vector
blocks.#.mlp.(fc1|fc2).weight                       linear  hidden
blocks.#.mlp.(fc1|fc2).bias                         linear  vector
norm.(weight|bias)                                  norm    vector
head.weight                                         linear  output
head.bias                                           linear  scalar
"""
BEIT = """
cls_token                                           cat     vector
patch_embed.proj.weight                             conv    input
patch_embed.proj.bias                               conv    vector
blocks.#.gamma_#                                    mul     vector
blocks.#.(norm1|norm2).(weight|bias)                norm    vector
blocks.#.attn.(qkv|proj).weight                     linear  hidden
blocks.#.attn.(q_bias|v_bias|proj.bias)             linear  vector
blocks.#.attn.relative_position_bias_table          add     scalar
blocks.#.mlp.(fc1|fc2).weight                       linear  hidden
blocks.#.mlp.(fc1|fc2).bias                         linear  vector
fc_norm.(weight|bias)                               norm    vector
head.weight                                         linear  output
head.bias                                           linear  scalar
"""
RESNET = """
conv1.0.weight                                      conv    input
conv1.(3|6).weight                                  conv    hidden
conv1.(1|4).(weight|bias)                           norm    vector
bn1.(weight|bias)                                   norm    vector
layer#.#.conv#.weight                               conv    hidden
layer#.#.bn#.(weight|bias)                          norm    vector
layer#.#.downsample.1.weight                        conv    hidden
layer#.#.downsample.2.(weight|bias)                 norm    vector
fc.weight                                           linear  output
fc.bias                                             linear  scalar
"""
CONVNEXT = """
stem.0.weight                                       conv    input
stem.0.bias                                         conv    vector
stem.1.(weight|bias)                                norm    vector
stages.#.downsample.0.(weight|bias)                 norm    vector
stages.#.downsample.1.weight                        conv    hidden
stages.#.downsample.1.bias                          conv    vector
stages.#.blocks.#.gamma                             mul     vector
stages.#.blocks.#.conv_dw.weight                    conv    input
stages.#.blocks.#.conv_dw.bias                      conv    vector
stages.#.blocks.#.norm.(weight|bias)                norm    vector
stages.#.blocks.#.mlp.(fc1|fc2).weight              linear  hidden
stages.#.blocks.#.mlp.(fc1|fc2).bias                linear  vector
head.norm.(weight|bias)                             norm    vector
head.fc.weight                                      linear  output
head.fc.bias                                        linear  scalar
"""
SWIN = """
patch_embed.proj.weight                             conv    input
patch_embed.proj.bias                               conv    vector
patch_embed.norm.(weight|bias)                      norm    vector
layers.#.downsample.reduction.weight                linear  hidden
layers.#.downsample.norm.(weight|bias)              norm    vector
layers.#.blocks.#.(norm1|norm2).(weight|bias)       norm    vector
layers.#.blocks.#.attn.relative_position_bias_table add     TABLE
layers.#.blocks.#.attn.(qkv|proj).weight            linear  hidden
layers.#.blocks.#.attn.(qkv|proj).bias              linear  vector
layers.#.blocks.#.mlp.(fc1|fc2).weight              linear  hidden
layers.#.blocks.#.mlp.(fc1|fc2).bias                linear  vector
norm.(weight|bias)                                  norm    vector
head.fc.weight                                      linear  output
head.fc.bias                                        linear  scalar
"""
MIXER = """
stem.proj.weight                                    conv    input
stem.proj.bias                                      conv    vector
blocks.#.(norm1|norm2).(weight|bias)                norm    vector
blocks.#.mlp_tokens.fc1.weight                      linear  input
blocks.#.mlp_tokens.fc1.bias                        linear  vector
blocks.#.mlp_tokens.fc2.weight                      linear  output
blocks.#.mlp_tokens.fc2.bias                        linear  scalar
blocks.#.mlp_channels.(fc1|fc2).weight              linear  hidden
blocks.#.mlp_channels.(fc1|fc2).bias                linear  vector
norm.(weight|bias)                                  norm    vector
head.weight                                         linear  output
head.bias                                           linear  scalar
"""
REGNET = """
stem.conv.weight                                    conv    input
stem.bn.(weight|bias)                               norm    vector
s#.b#.downsample.conv.weight                        conv    hidden
s#.b#.downsample.bn.(weight|bias)                   norm    vector
s#.b#.(conv1|conv3).conv.weight                     conv    hidden
s#.b#.conv2.conv.weight                             conv    input
s#.b#.conv#.bn.(weight|bias)                        norm    vector
s#.b#.se.(fc1|fc2).weight                           conv    hidden
s#.b#.se.(fc1|fc2).bias                             conv    vector
head.fc.weight                                      linear  output
head.fc.bias                                        linear  scalar
"""
NFNET = """
stem.conv.weight                                    conv    input
stages.#.#.(conv1|conv2|conv3|downsample.conv).weight conv  hidden
*conv.bias                                          conv    vector
*conv#.bias                                         conv    vector
*gain                                               mul     vector
head.fc.weight                                      linear  output
head.fc.bias                                        linear  scalar
"""
INVERTED = """
conv_stem.weight                                    conv    input
bn1.(weight|bias)                                   norm    vector
blocks.#.#.conv_dw.weight                           conv    input
blocks.#.#.(conv_pw|conv_pwl).weight                conv    hidden
blocks.#.#.bn#.(weight|bias)                        norm    vector
blocks.#.#.se.(conv_reduce|conv_expand).weight      conv    hidden
blocks.#.#.se.(conv_reduce|conv_expand).bias        conv    vector
conv_head.weight                                    conv    hidden
classifier.weight                                   linear  output
classifier.bias                                     linear  scalar
"""
MOBILENET = """
conv_head.bias                                      conv    vector
blocks.#.#.conv.weight                              conv    hidden
"""
EFFICIENTNET = """
bn2.(weight|bias)                                   norm    vector
"""
DENSENET = """
features.conv0.weight                               conv    input
features.norm0.(weight|bias)                        norm    vector
features.denseblock#.denselayer#.conv#.weight       conv    hidden
features.denseblock#.denselayer#.norm#.(weight|bias) norm   vector
features.transition#.conv.weight                    conv    hidden
features.transition#.norm.(weight|bias)             norm    vector
features.norm5.(weight|bias)                        norm    vector
classifier.weight                                   linear  output
classifier.bias                                     linear  scalar
"""

SQUEEZED = [["ds_r1_k3_s1_e1_c16_se0.25"], ["ir_r2_k3_s2_e2_c32_se0.25"]]
FAMILIES = {
    "resnet": Family(Case(resnet, images, RESNET), "resnet26d"),
    "convnext": Family(Case(convnext, images, CONVNEXT), "convnext_tiny"),
    "vit": Family(
        Case(patches("VisionTransformer"), partial(images, side=16), VIT), "vit_tiny_patch16_224"
    ),
    "beit": Family(
        Case(
            patches("Beit", use_abs_pos_emb=False, use_rel_pos_bias=True, init_values=0.1),
            partial(images, side=16),
            BEIT,
        ),
        "beit_base_patch16_224",
    ),
    "swin": Family(
        Case(swin, partial(images, side=16), SWIN.replace("TABLE", "scalar")),
        "swin_tiny_patch4_window7_224",
    ),
    "swin-more-heads": Family(
        Case(
            lambda width: swin(width, heads=width // 4),
            partial(images, side=16),
            SWIN.replace("TABLE", "vector"),
        )
    ),
    "mixer": Family(Case(mixer, partial(images, side=16), MIXER)),
    "regnet": Family(Case(regnet, images, REGNET, width=16)),
    "nfnet": Family(Case(nfnet, images, NFNET)),
    "mobilenetv3": Family(
        Case(
            decoded("MobileNetV3", [*SQUEEZED, ["cn_r1_k1_s1_c64"]]),
            images,
            INVERTED + MOBILENET,
            width=16,
        )
    ),
    "efficientnet": Family(
        Case(decoded("EfficientNet", SQUEEZED), images, INVERTED + EFFICIENTNET, width=16)
    ),
    "densenet": Family(Case(densenet, images, DENSENET)),
}
