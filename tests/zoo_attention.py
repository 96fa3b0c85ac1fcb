"""Models of patches written as their users write them: vision transformers and an MLP-Mixer."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from zoo import Case
from zoo_convolutional import images

SIDE, PATCH, HEADS = 16, 4, 2
PATCHES = (SIDE // PATCH) ** 2


class Mlp(nn.Sequential):
    def __init__(self, width: int, hidden: int):
        super().__init__(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))


class EncoderBlock(nn.Module):
    """The block of torchvision: torch's own attention."""

    def __init__(self, width: int):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attention = nn.MultiheadAttention(width, HEADS, dropout=0.1, batch_first=True)
        self.mlp = Mlp(width, 4 * width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.ln_1(x)
        x = x + self.self_attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class Block(nn.Module):
    """The block of timm: fused projections, norms of queries and keys, scaled branches."""

    def __init__(self, width: int):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.q_norm, self.k_norm = nn.RMSNorm(width // HEADS), nn.RMSNorm(width // HEADS)
        self.mlp = Mlp(width, 4 * width)
        self.ls1, self.ls2 = (nn.Parameter(torch.full((width,), 1e-5)) for _ in range(2))

    def attention(self, x: Tensor) -> Tensor:
        batch, patches, width = x.shape
        qkv = self.qkv(x).reshape(batch, patches, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        q, k, v = self.q_norm(qkv[0]), self.k_norm(qkv[1]), qkv[2]
        mixed = F.scaled_dot_product_attention(q, k, v)
        return self.proj(mixed.transpose(1, 2).reshape(batch, patches, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x)) * self.ls1
        return x + self.mlp(self.norm2(x)) * self.ls2


class ViT(nn.Module):
    """Dosovitskiy et al. 2020, arXiv 2010.11929."""

    def __init__(self, width: int, block: type[nn.Module], depth: int = 2):
        super().__init__()
        self.conv_proj = nn.Conv2d(3, width, PATCH, stride=PATCH)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embedding = nn.Parameter(torch.empty(1, 1 + PATCHES, width).normal_(std=0.02))
        self.layers = nn.Sequential(*(block(width) for _ in range(depth)))
        self.ln, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_proj(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(x.shape[0], -1, -1), x], dim=1)
        x = self.ln(self.layers(x + self.pos_embedding))
        return self.head(x[:, 0])


class MixerBlock(nn.Module):
    """The hidden size of the mixing over patches does not grow with the width."""

    def __init__(self, width: int):
        super().__init__()
        self.norm1, self.tokens = nn.LayerNorm(width), Mlp(PATCHES, 12)
        self.norm2, self.channels = nn.LayerNorm(width), Mlp(width, 4 * width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.norm2(x))


class Mixer(nn.Module):
    """Tolstikhin et al. 2021, arXiv 2105.01601."""

    def __init__(self, width: int):
        super().__init__()
        self.stem = nn.Conv2d(3, width, PATCH, stride=PATCH)
        self.blocks = nn.Sequential(*(MixerBlock(width) for _ in range(2)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.stem(x).flatten(2).transpose(1, 2))
        return self.head(self.norm(x).mean(1))


VIT = """
conv_proj.weight                        conv    input
conv_proj.bias                          conv    vector
class_token                             cat     vector
pos_embedding                           add     vector
layers.#.(ln_1|ln_2).(weight|bias)      norm    vector
layers.#.self_attention.in_proj_weight  linear  hidden
layers.#.self_attention.in_proj_bias    linear  vector
layers.#.self_attention.out_proj.weight linear  hidden
layers.#.self_attention.out_proj.bias   linear  vector
layers.#.mlp.(0|2).weight               linear  hidden
layers.#.mlp.(0|2).bias                 linear  vector
ln.(weight|bias)                        norm    vector
head.weight                             linear  output
head.bias                               linear  scalar
"""
VIT_OWN = """
conv_proj.weight                  conv    input
conv_proj.bias                    conv    vector
class_token                       cat     vector
pos_embedding                     add     vector
layers.#.norm#.(weight|bias)      norm    vector
layers.#.(qkv|proj).weight        linear  hidden
layers.#.(qkv|proj).bias          linear  vector
layers.#.(q_norm|k_norm).weight   norm    vector
layers.#.mlp.(0|2).weight         linear  hidden
layers.#.mlp.(0|2).bias           linear  vector
layers.#.ls#                      mul     vector
ln.(weight|bias)                  norm    vector
head.weight                       linear  output
head.bias                         linear  scalar
"""
MIXER = """
stem.weight                       conv    input
stem.bias                         conv    vector
blocks.#.norm#.(weight|bias)      norm    vector
blocks.#.tokens.(0|2).(weight|bias) linear scalar
blocks.#.channels.(0|2).weight    linear  hidden
blocks.#.channels.(0|2).bias      linear  vector
norm.(weight|bias)                norm    vector
head.weight                       linear  output
head.bias                         linear  scalar
"""


def patched() -> Tensor:
    return images(side=SIDE)


CASES = {
    "vit": Case(lambda width: ViT(width, EncoderBlock), patched, VIT),
    "vit-own-attention": Case(lambda width: ViT(width, Block), patched, VIT_OWN),
    "mixer": Case(Mixer, patched, MIXER),
}
