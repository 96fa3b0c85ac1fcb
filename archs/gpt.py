"""Decoder-only transformer: pre-norm blocks of causal attention and a feed-forward layer."""

from types import SimpleNamespace as Config

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, silu

import paramsearch


def make_norm(c: Config, width: int) -> nn.Module:
    """Make the norm that the options ask for."""
    return nn.RMSNorm(width, eps=1e-6) if c.norm == "rms" else nn.LayerNorm(width, bias=c.bias)


class Attention(nn.Module):
    """Causal attention with ``heads`` heads of size ``width / heads_per_width``.

    A wider stream widens the heads, and more heads widen the attention alone.
    """

    def __init__(self, c: Config):
        super().__init__()
        if c.width % (parts := c.heads_per_width):
            raise ValueError(f"heads_per_width must divide width {c.width}; received {parts}")
        inner, size = c.width // parts * c.heads, c.head_dim or c.width // parts
        if inner % size:
            raise ValueError(f"head_dim={size} must divide the width of attention, {inner}")
        heads, kv_heads = inner // size, c.kv_heads or inner // size
        if heads % kv_heads:
            raise ValueError(f"kv_heads={kv_heads} must divide the number of heads, {heads}")
        rotary, alibi = c.encoding == "rotary", c.encoding == "alibi"
        if rotary and size % 2:
            raise ValueError(f"rotary positions need heads of even size; received {size}")
        self.shape, self.copies = (-1, size), heads // kv_heads
        self.scale = 4 / size if c.attention_scale == "mup" else size**-0.5
        self.query = nn.Linear(c.width, inner, bias=c.bias)
        self.key = nn.Linear(c.width, kv_heads * size, bias=c.bias)
        self.value = nn.Linear(c.width, kv_heads * size, bias=c.bias)
        self.out = nn.Linear(inner, c.width, bias=c.bias)
        self.query_norm = make_norm(c, size) if c.qk_norm else nn.Identity()
        self.key_norm = make_norm(c, size) if c.qk_norm else nn.Identity()
        ahead = torch.arange(c.context) - torch.arange(c.context)[:, None]  # key minus query
        slopes = 2.0 ** (-8 * torch.arange(1, heads + 1) / heads) if alibi else torch.zeros(1)
        mask = (slopes[:, None, None] * ahead).masked_fill(ahead > 0, -torch.inf)
        speeds = 1 / 10_000.0 ** (torch.arange(0, size, 2) / size)
        angles = torch.arange(c.context)[:, None, None] * speeds  # (context, 1, size / 2)
        turns = torch.stack([angles.cos(), angles.sin()]) if rotary else None
        self.register_buffer("mask", mask, persistent=False)
        self.register_buffer("turns", turns, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, context, width) to the same."""
        q, k, v = (f(x).unflatten(-1, self.shape) for f in (self.query, self.key, self.value))
        q, k = self.query_norm(q), self.key_norm(k)  # (batch, context, heads, size)
        if self.turns is not None:
            q, k = self.rotate(q), self.rotate(k)
        if self.copies > 1:
            k, v = (t.repeat_interleave(self.copies, dim=-2) for t in (k, v))
        q, k, v = (t.transpose(-3, -2) for t in (q, k, v))
        weights = (q @ k.mT * self.scale + self.mask).softmax(dim=-1)
        return self.out((weights @ v).transpose(-3, -2).flatten(-2))

    def rotate(self, x: Tensor) -> Tensor:
        """Turn the pairs (i, i + size / 2) of queries or keys by angles that grow with position."""
        (a, b), (cos, sin) = x.chunk(2, dim=-1), self.turns
        return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


class FeedForward(nn.Module):
    """``down(gelu(up(x)))``, or ``down(silu(gate(x)) * up(x))``."""

    def __init__(self, c: Config):
        super().__init__()
        hidden = c.ffn * c.width
        self.gate = nn.Linear(c.width, hidden, bias=c.bias) if c.mlp == "swiglu" else None
        self.up = nn.Linear(c.width, hidden, bias=c.bias)
        self.down = nn.Linear(hidden, c.width, bias=c.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, context, width) to the same."""
        hidden = gelu(self.up(x)) if self.gate is None else silu(self.gate(x)) * self.up(x)
        return self.down(hidden)


class Block(nn.Module):
    """``x + attention(norm(x))``, then ``x + mlp(norm(x))``."""

    def __init__(self, c: Config):
        super().__init__()
        self.attention_norm, self.attention = make_norm(c, c.width), Attention(c)
        self.mlp_norm, self.mlp = make_norm(c, c.width), FeedForward(c)

    def forward(self, x: Tensor) -> Tensor:
        """Map the stream (batch, context, width) to the stream."""
        x = x + self.attention(self.attention_norm(x))
        return x + self.mlp(self.mlp_norm(x))


class GPT(nn.Module):
    """Token embedding, ``depth`` blocks, norm, readout; ``settings`` are what `arch` lists."""

    def __init__(
        self, inputs: int, outputs: int, vocabulary: int, positions: int | None = None, **settings
    ):
        super().__init__()
        c = Config(context=inputs, **settings)
        self.last_only = positions is None  # else every position predicts
        self.embed = nn.Embedding(vocabulary, c.width)
        self.position = nn.Embedding(inputs, c.width) if c.encoding == "learned" else None
        self.blocks = nn.Sequential(*(Block(c) for _ in range(c.depth)))
        self.norm = make_norm(c, c.width)
        self.readout = nn.Linear(c.width, outputs, bias=False)
        nn.init.normal_(self.readout.weight, std=0.02)  # as in GPT-2: starts near log(outputs)
        if c.tied:
            self.embed.weight = self.readout.weight

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (batch, context) to logits (batch, context, outputs), or (batch, outputs)."""
        x = self.embed(tokens)
        if self.position is not None:
            x = x + self.position(torch.arange(tokens.shape[-1], device=tokens.device))
        x = self.blocks(x)
        return self.readout(self.norm(x[:, -1] if self.last_only else x))


arch = paramsearch.Arch(
    build=GPT,
    axes={"width": 32, "depth": 2, "heads": 2, "ffn": 4},  # ffn: of hidden layers, in widths
    task="bytes",
    vocabulary=64,  # base of that axis; the task's own where it is not scaled
    options={
        "norm": ("layer", "rms"),
        "mlp": ("gelu", "swiglu"),
        "encoding": ("learned", "rotary", "alibi", "none"),  # of positions
        "attention_scale": ("mup", "standard"),  # 4 / d or 1 / sqrt(d), which agree at d = 16
        "heads_per_width": 2,  # a wider stream widens the heads
        "head_dim": None,  # cut attention, as wide as before, into heads of this size
        "kv_heads": None,  # fewer key and value heads, each for several query heads
        "qk_norm": False,
        "bias": False,
        "tied": False,
    },
    presets={
        "llama": {"norm": "rms", "mlp": "swiglu", "encoding": "rotary"},
        "walks": {"depth": 2, "task": "random_walk:er,context=50"},  # Barkeshli 2026, 2601.10684
    },
)
