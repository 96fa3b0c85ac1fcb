"""Vision transformer: attention over patches of an image (Dosovitskiy et al. 2020).

The paper is arXiv:2010.11929.
"""

from math import isqrt, sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

import paramsearch


class Attention(nn.Module):
    """Softmax attention of every token to every token, in several heads."""

    def __init__(self, width: int, heads: int, head_size: int, scale: float):
        """Build the projections to and from ``heads * head_size``; scores are scaled."""
        super().__init__()
        self.heads, self.scale = heads, scale
        self.query = nn.Linear(width, heads * head_size)
        self.key = nn.Linear(width, heads * head_size)
        self.value = nn.Linear(width, heads * head_size)
        self.out = nn.Linear(heads * head_size, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (batch, tokens, width) to the same shape."""
        # (batch, heads, tokens, head_size)
        q, k, v = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(-3, -2)
            for layer in (self.query, self.key, self.value)
        )
        weights = (self.scale * q @ k.mT).softmax(dim=-1)
        return self.out((weights @ v).transpose(-3, -2).flatten(-2))


class Block(nn.Module):
    """Attention, then a perceptron of two layers; each is a pre-norm residual branch."""

    def __init__(self, width: int, attention: Attention):
        """Build both branches; the perceptron is four times as wide as the stream."""
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), attention
        self.norm2 = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map the stream (batch, tokens, width) to the stream."""
        x = x + self.attention(self.norm1(x))
        return x + self.down(functional.gelu(self.up(self.norm2(x))))


class ViT(nn.Module):
    """Patches -> width, plus positions; ``depth`` blocks; norm, one token or the mean; -> outputs.

    A head is ``width / heads_per_width`` wide: a wider stream widens the heads, and more heads
    widen the attention alone.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        width: int,
        depth: int,
        heads: int,
        channels: int = 1,
        patch: int = 2,
        pool: str = "class",
        attention_scale: str = "mup",
        heads_per_width: int = 2,
    ):
        """Build the layers.

        ``pool`` is "class", an extra token that is read out, or "mean". ``attention_scale`` is
        "mup", scores over the size of a head, or "standard", over its square root.
        """
        super().__init__()
        side = isqrt(inputs // channels)
        if channels * side**2 != inputs:
            raise ValueError(f"{inputs} inputs are no square image of {channels} channel(s)")
        if side % patch:
            raise ValueError(f"patch must divide the image's side {side}; received {patch}")
        if width % heads_per_width:
            received = f"received {heads_per_width}"
            raise ValueError(f"heads_per_width must divide width {width}; {received}")
        self.image, self.pool = (channels, side, side), pool
        self.patches = nn.Conv2d(channels, width, patch, stride=patch)
        tokens = (side // patch) ** 2 + (pool == "class")
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, width)) if pool == "class" else None
        self.positions = nn.Parameter(0.02 * torch.randn(1, tokens, width))
        size = width // heads_per_width
        scale = 4 / size if attention_scale == "mup" else 1 / sqrt(size)  # agree at size 16
        self.blocks = nn.ModuleList(
            Block(width, Attention(width, heads, size, scale)) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.readout = nn.Linear(width, outputs)
        nn.init.normal_(self.readout.weight, std=0.02)  # so that the first guess is even

    def forward(self, x: Tensor) -> Tensor:
        """Map flat images (batch, inputs) to logits (batch, outputs)."""
        h = self.patches(x.unflatten(-1, self.image)).flatten(-2).mT  # (batch, tokens, width)
        if self.token is not None:
            h = torch.cat([self.token.expand(len(h), -1, -1), h], dim=-2)
        h = h + self.positions
        for block in self.blocks:
            h = block(h)
        h = self.norm(h)
        return self.readout(h.mean(dim=-2) if self.pool == "mean" else h[:, 0])


arch = paramsearch.Arch(
    build=ViT,
    axes={"width": 32, "depth": 2, "heads": 2},
    task="digits",
    options={
        "patch": 2,
        "pool": ("class", "mean"),
        "attention_scale": ("mup", "standard"),
        "heads_per_width": 2,
    },
)
