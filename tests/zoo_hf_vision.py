"""Image models of transformers from random configurations, and what their tensors are."""

from collections.abc import Callable
from typing import Any

import pytest
from torch import Tensor, nn
from zoo import Case
from zoo_convolutional import images

transformers: Any = pytest.importorskip("transformers")


def made(kind: str, **fields: Any) -> nn.Module:
    config = getattr(transformers, f"{kind}Config")(num_labels=10, **fields)
    return getattr(transformers, f"{kind}ForImageClassification")(config)


def patches(kind: str, **fields: Any) -> Callable[[int], nn.Module]:
    sizes = {"image_size": 16, "patch_size": 4, "num_hidden_layers": 2, "num_attention_heads": 2}
    return lambda width: made(
        kind, hidden_size=width, intermediate_size=4 * width, **sizes | fields
    )


def stages(kind: str, **fields: Any) -> Callable[[int], nn.Module]:
    return lambda width: made(
        kind, embedding_size=width, hidden_sizes=[width, 2 * width], depths=[2, 2], **fields
    )


def convnext(width: int) -> nn.Module:
    return made("ConvNext", hidden_sizes=[width, 2 * width], depths=[2, 2], num_stages=2)


def swin(width: int, heads: int = 2) -> nn.Module:
    sizes = {"image_size": 16, "patch_size": 2, "depths": [2, 2], "window_size": 4}
    return made("Swin", embed_dim=width, num_heads=[heads, 2 * heads], **sizes)


def mobilenet(width: int) -> nn.Module:
    """The last convolution widens with the others only if its output is not fine-grained."""
    fields = {"min_depth": 1, "depth_divisible_by": 1, "finegrained_output": False}
    return made("MobileNetV2", image_size=32, depth_multiplier=width / 64, **fields)


def pictures() -> dict[str, Tensor]:
    return {"pixel_values": images()}


def patched() -> dict[str, Tensor]:
    return {"pixel_values": images(side=16)}


VIT = """
vit.embeddings.cls_token                            cat     vector
vit.embeddings.position_embeddings                  add     vector
vit.embeddings.patch_embeddings.projection.weight   conv    input
vit.embeddings.patch_embeddings.projection.bias     conv    vector
vit.layers.#.attention.(q|k|v|o)_proj.weight        linear  hidden
vit.layers.#.attention.(q|k|v|o)_proj.bias          linear  vector
vit.layers.#.layernorm_(before|after).(weight|bias) norm    vector
vit.layers.#.mlp.(fc1|fc2).weight                   linear  hidden
vit.layers.#.mlp.(fc1|fc2).bias                     linear  vector
vit.layernorm.(weight|bias)                         norm    vector
classifier.weight                                   linear  output
classifier.bias                                     linear  scalar
"""
BEIT = """
beit.embeddings.cls_token                            cat     vector
beit.embeddings.position_embeddings                  add     vector
beit.embeddings.patch_embeddings.projection.weight   conv    input
beit.embeddings.patch_embeddings.projection.bias     conv    vector
beit.layers.#.lambda_#                               mul     vector
beit.layers.#.attention.(q|k|v|o)_proj.weight        linear  hidden
beit.layers.#.attention.(q|v|o)_proj.bias            linear  vector
beit.layers.#.layernorm_(before|after).(weight|bias) norm    vector
beit.layers.#.mlp.(fc1|fc2).weight                   linear  hidden
beit.layers.#.mlp.(fc1|fc2).bias                     linear  vector
beit.layers.#.relative_position_bias.relative_position_bias_table add scalar
beit.pooler.layernorm.(weight|bias)                  norm    vector
classifier.weight                                    linear  output
classifier.bias                                      linear  scalar
"""
RESNET = """
resnet.embedder.embedder.convolution.weight                  conv    input
resnet.embedder.embedder.normalization.(weight|bias)         norm    vector
resnet.encoder.*.layer.#.convolution.weight                  conv    hidden
resnet.encoder.*.layer.#.normalization.(weight|bias)         norm    vector
resnet.encoder.*.shortcut.convolution.weight                 conv    hidden
resnet.encoder.*.shortcut.normalization.(weight|bias)        norm    vector
classifier.1.weight                                          linear  output
classifier.1.bias                                            linear  scalar
"""
CONVNEXT = """
convnext.embeddings.patch_embeddings.weight                  conv    input
convnext.embeddings.patch_embeddings.bias                    conv    vector
convnext.embeddings.layernorm.(weight|bias)                  norm    vector
convnext.encoder.stages.#.layers.#.layer_scale_parameter     mul     vector
convnext.encoder.stages.#.layers.#.dwconv.weight             conv    input
convnext.encoder.stages.#.layers.#.dwconv.bias               conv    vector
convnext.encoder.stages.#.layers.#.layernorm.(weight|bias)   norm    vector
convnext.encoder.stages.#.layers.#.pwconv#.weight            linear  hidden
convnext.encoder.stages.#.layers.#.pwconv#.bias              linear  vector
convnext.encoder.stages.#.downsampling_layer.0.(weight|bias) norm    vector
convnext.encoder.stages.#.downsampling_layer.1.weight        conv    hidden
convnext.encoder.stages.#.downsampling_layer.1.bias          conv    vector
convnext.layernorm.(weight|bias)                             norm    vector
classifier.weight                                            linear  output
classifier.bias                                              linear  scalar
"""
REGNET = """
regnet.embedder.embedder.convolution.weight              conv    input
regnet.embedder.embedder.normalization.(weight|bias)     norm    vector
regnet.encoder.*.shortcut.convolution.weight             conv    hidden
regnet.encoder.*.shortcut.normalization.(weight|bias)    norm    vector
regnet.encoder.*.layer.0.convolution.weight              conv    hidden
regnet.encoder.*.layer.1.convolution.weight              conv    GROUPED
regnet.encoder.*.layer.3.convolution.weight              conv    hidden
regnet.encoder.*.layer.#.normalization.(weight|bias)     norm    vector
regnet.encoder.*.layer.2.attention.(0|2).weight          conv    hidden
regnet.encoder.*.layer.2.attention.(0|2).bias            conv    vector
classifier.1.weight                                      linear  output
classifier.1.bias                                        linear  scalar
"""
SWIN = """
swin.embeddings.patch_embeddings.projection.weight           conv    input
swin.embeddings.patch_embeddings.projection.bias             conv    vector
swin.embeddings.norm.(weight|bias)                           norm    vector
swin.encoder.*.attention.(q|k|v|o)_proj.weight               linear  hidden
swin.encoder.*.attention.(q|k|v|o)_proj.bias                 linear  vector
swin.encoder.*.attention.relative_position_bias.relative_position_bias_table add TABLE
swin.encoder.*.layernorm_(before|after).(weight|bias)        norm    vector
swin.encoder.*.mlp.(fc1|fc2).weight                          linear  hidden
swin.encoder.*.mlp.(fc1|fc2).bias                            linear  vector
swin.encoder.layers.#.downsample.reduction.weight            linear  hidden
swin.encoder.layers.#.downsample.norm.(weight|bias)          norm    vector
swin.layernorm.(weight|bias)                                 norm    vector
classifier.weight                                            linear  output
classifier.bias                                              linear  scalar
"""
MOBILENET = """
mobilenet_v2.conv_stem.first_conv.convolution.weight                 conv    input
mobilenet_v2.conv_stem.conv_3x3.convolution.weight                   conv    input
mobilenet_v2.conv_stem.reduce_1x1.convolution.weight                 conv    hidden
mobilenet_v2.layer.#.(expand|reduce)_1x1.convolution.weight          conv    hidden
mobilenet_v2.layer.#.conv_3x3.convolution.weight                     conv    input
mobilenet_v2.conv_1x1.convolution.weight                             conv    hidden
mobilenet_v2.*normalization.(weight|bias)                            norm    vector
classifier.weight                                                    linear  output
classifier.bias                                                      linear  scalar
"""

CASES = {
    "vit": Case(patches("ViT"), patched, VIT),
    "beit": Case(
        patches("Beit", use_relative_position_bias=True, use_absolute_position_embeddings=True),
        patched,
        BEIT,
    ),
    "resnet": Case(stages("ResNet"), pictures, RESNET, width=16),
    "convnext": Case(convnext, pictures, CONVNEXT),
    "regnet": Case(
        stages("RegNet", groups_width=4), pictures, REGNET.replace("GROUPED", "input"), width=16
    ),
    "regnet-wider-convolution-groups": Case(
        lambda width: stages("RegNet", groups_width=width // 2)(width),
        pictures,
        REGNET.replace("GROUPED", "hidden"),
        width=16,
    ),
    "swin": Case(swin, patched, SWIN.replace("TABLE", "scalar")),
    "swin-more-heads": Case(
        lambda width: swin(width, heads=width // 4), patched, SWIN.replace("TABLE", "vector")
    ),
    "mobilenet": Case(mobilenet, pictures, MOBILENET, width=16),
}
