"""Decoder-only transformer: pre-norm blocks of causal attention and a feed-forward layer."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

import paramsearch


@dataclass
class Config:
    """What the task asks (``positions``: None to predict at the last alone), axes and options.

    There are ``heads`` heads of size ``width / heads_per_width``: a wider stream widens the heads,
    and more heads widen the attention alone. With ``head_dim``, attention is as wide but cut into
    heads of that size.
    """

    inputs: int  # context length
    outputs: int
    vocabulary: int
    width: int
    depth: int
    heads: int
    ffn: int  # hidden size of a feed-forward layer, in widths
    positions: int | None = None
    norm: str = "layer"
    mlp: str = "gelu"
    encoding: str = "learned"
    attention_scale: str = "mup"
    heads_per_width: int = 2
    head_dim: int | None = None
    kv_heads: int | None = None  # fewer key and value heads, each for several query heads
    qk_norm: bool = False
    bias: bool = False
    tied: bool = False

    def __post_init__(self):
        """Derive the size and number of heads, and check that everything divides."""
        if self.width % self.heads_per_width:
            raise ValueError(
                f"heads_per_width must divide width {self.width}; received {self.heads_per_width}"
            )
        size = self.width // self.heads_per_width
        inner, self.head_dim = self.heads * size, self.head_dim or size
        if inner % self.head_dim:
            raise ValueError(
                f"head_dim={self.head_dim} must divide the width of attention, {inner}"
            )
        self.heads = inner // self.head_dim
        self.kv_heads = self.kv_heads or self.heads
        if self.heads % self.kv_heads:
            raise ValueError(
                f"kv_heads={self.kv_heads} must divide the number of heads, {self.heads}"
            )
        if self.encoding == "rotary" and self.head_dim % 2:
            raise ValueError(f"rotary positions need heads of even size; received {self.head_dim}")

    def make_norm(self, width: int) -> nn.Module:
        """Make the norm."""
        rms = self.norm == "rms"
        return nn.RMSNorm(width, eps=1e-6) if rms else nn.LayerNorm(width, bias=self.bias)


class Attention(nn.Module):
    """Causal attention with many heads."""

    def __init__(self, c: Config):
        """Build the projections."""
        super().__init__()
        self.shape, self.copies = (-1, c.head_dim), c.heads // c.kv_heads
        self.scale = 4 / c.head_dim if c.attention_scale == "mup" else c.head_dim**-0.5
        inner, shared = c.heads * c.head_dim, c.kv_heads * c.head_dim
        self.query = nn.Linear(c.width, inner, bias=c.bias)
        self.key = nn.Linear(c.width, shared, bias=c.bias)
        self.value = nn.Linear(c.width, shared, bias=c.bias)
        self.out = nn.Linear(inner, c.width, bias=c.bias)
        self.query_norm = c.make_norm(c.head_dim) if c.qk_norm else nn.Identity()
        self.key_norm = c.make_norm(c.head_dim) if c.qk_norm else nn.Identity()

    def forward(self, x: Tensor, mask: Tensor, turns: Tensor | None) -> Tensor:
        """Map (batch, context, width) to the same; the mask is added to the scores."""
        q, k, v = (f(x).unflatten(-1, self.shape) for f in (self.query, self.key, self.value))
        q, k = self.query_norm(q), self.key_norm(k)  # (batch, context, heads, size)
        if turns is not None:
            q, k = rotate(q, turns), rotate(k, turns)
        if self.copies > 1:
            k, v = (t.repeat_interleave(self.copies, dim=-2) for t in (k, v))
        q, k, v = (t.transpose(-3, -2) for t in (q, k, v))
        weights = (q @ k.mT * self.scale + mask).softmax(dim=-1)  # (batch, heads, context, context)
        return self.out((weights @ v).transpose(-3, -2).flatten(-2))


class FeedForward(nn.Module):
    """``down(gelu(up(x)))``, or ``down(silu(gate(x)) * up(x))``."""

    def __init__(self, c: Config):
        """Build the layers."""
        super().__init__()
        hidden = c.ffn * c.width
        self.gate = nn.Linear(c.width, hidden, bias=c.bias) if c.mlp == "swiglu" else None
        self.up = nn.Linear(c.width, hidden, bias=c.bias)
        self.down = nn.Linear(hidden, c.width, bias=c.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, context, width) to the same."""
        if self.gate is None:
            return self.down(functional.gelu(self.up(x)))
        return self.down(functional.silu(self.gate(x)) * self.up(x))


class Block(nn.Module):
    """``x + attention(norm(x))``, then ``x + mlp(norm(x))``."""

    def __init__(self, c: Config):
        """Build both branches."""
        super().__init__()
        self.attention_norm, self.attention = c.make_norm(c.width), Attention(c)
        self.mlp_norm, self.mlp = c.make_norm(c.width), FeedForward(c)

    def forward(self, x: Tensor, mask: Tensor, turns: Tensor | None) -> Tensor:
        """Map the stream (batch, context, width) to the stream."""
        x = x + self.attention(self.attention_norm(x), mask, turns)
        return x + self.mlp(self.mlp_norm(x))


class GPT(nn.Module):
    """Token embedding, ``depth`` blocks, norm, readout."""

    def __init__(self, c: Config):
        """Build the layers."""
        super().__init__()
        self.last_only = c.positions is None
        self.embed = nn.Embedding(c.vocabulary, c.width)
        self.position = nn.Embedding(c.inputs, c.width) if c.encoding == "learned" else None
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.depth))
        self.norm = c.make_norm(c.width)
        self.readout = nn.Linear(c.width, c.outputs, bias=False)
        nn.init.normal_(self.readout.weight, std=0.02)  # as in GPT-2: starts near log(outputs)
        if c.tied:
            self.embed.weight = self.readout.weight
        past = torch.arange(c.inputs)[:, None] - torch.arange(c.inputs)  # query minus key
        mask = torch.zeros(1, c.inputs, c.inputs).masked_fill(past < 0, -torch.inf)
        if c.encoding == "alibi":
            mask = mask - past * alibi_slopes(c.heads)[:, None, None]
        turns = rotary_turns(c.inputs, c.head_dim) if c.encoding == "rotary" else None
        self.register_buffer("mask", mask, persistent=False)
        self.register_buffer("turns", turns, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (batch, context) to logits (batch, context, outputs), or (batch, outputs)."""
        x = self.embed(tokens)
        if self.position is not None:
            x = x + self.position(torch.arange(tokens.shape[-1], device=tokens.device))
        for block in self.blocks:
            x = block(x, self.mask, self.turns)
        return self.readout(self.norm(x[:, -1] if self.last_only else x))


def rotary_turns(context: int, size: int) -> Tensor:
    """Give cosine and sine of each position's turn of each pair, (2, context, 1, size / 2)."""
    speeds = 1 / 10_000.0 ** (torch.arange(0, size, 2) / size)
    angles = torch.arange(context)[:, None, None] * speeds
    return torch.stack([angles.cos(), angles.sin()])


def rotate(x: Tensor, turns: Tensor) -> Tensor:
    """Turn the pairs (i, i + size / 2) of a query or key (batch, context, heads, size)."""
    a, b = x.chunk(2, dim=-1)
    cos, sin = turns
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


def alibi_slopes(heads: int) -> Tensor:
    """Give the slope of each head's penalty on distance, 2^(-8 h / heads) for h = 1, 2, ..."""
    return 2.0 ** (-8 * torch.arange(1, heads + 1) / heads)


def build(**settings: object) -> GPT:
    """Build the model; the arguments are those of ``Config``."""
    return GPT(Config(**settings))


arch = paramsearch.Arch(
    build=build,
    axes={"width": 32, "depth": 2, "heads": 2, "ffn": 4},
    task="bytes",
    options={
        "norm": ("layer", "rms"),
        "mlp": ("gelu", "swiglu"),
        "encoding": ("learned", "rotary", "alibi", "none"),  # of positions
        "attention_scale": ("mup", "standard"),  # 4 / d or 1 / sqrt(d), which agree at d = 16
        "heads_per_width": 2,
        "head_dim": None,
        "kv_heads": None,
        "qk_norm": False,
        "bias": False,
        "tied": False,
    },
    presets={
        "llama": {"norm": "rms", "mlp": "swiglu", "encoding": "rotary"},
        # Barkeshli, Alfarano & Gromov, 2026, arXiv 2601.10684: two layers on random walks.
        "walks": {"depth": 2, "task": "random_walk:er,context=50"},
    },
)
