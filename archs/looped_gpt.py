"""Depth-recurrent transformer: a core of blocks with shared weights, applied many times.

A prelude turns tokens into e, a core repeats ``s <- core(A [s; e])`` from s = 0, with a linear
adapter A, a coda reads s out (Geiping et al., 2025, arXiv 2502.05171). ``loops`` changes no shape.
"""

from types import SimpleNamespace as Config

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, silu

import paramsearch


def make_norm(c: Config, width: int) -> nn.Module:
    """Make the norm that the options ask for."""
    return nn.RMSNorm(width, c.eps) if c.norm == "rms" else nn.LayerNorm(width, c.eps, bias=c.bias)


class Block(nn.Module):
    """Pre-norm block: causal attention, then a feed-forward layer."""

    def __init__(self, c: Config):
        super().__init__()
        if c.width % (2 * c.heads):
            raise ValueError(f"heads={c.heads} must divide width={c.width} into heads of even size")
        size, kv_heads = c.width // c.heads, c.kv_heads or c.heads
        if c.heads % kv_heads:
            raise ValueError(f"kv_heads={kv_heads} must divide the number of heads, {c.heads}")
        self.shape, self.copies = (-1, size), c.heads // kv_heads
        self.scale = 4 / size if c.attention_scale == "mup" else size**-0.5
        hidden, shared = round(c.ffn * c.width), kv_heads * size
        self.attention_norm = make_norm(c, c.width)
        self.query = nn.Linear(c.width, c.width, bias=c.bias)
        self.key, self.value = (nn.Linear(c.width, shared, bias=c.bias) for _ in range(2))
        self.out = nn.Linear(c.width, c.width, bias=c.bias)
        self.query_norm = make_norm(c, size) if c.qk_norm else nn.Identity()
        self.key_norm = make_norm(c, size) if c.qk_norm else nn.Identity()
        self.mlp_norm = make_norm(c, c.width)
        self.gate = nn.Linear(c.width, hidden, bias=c.bias) if c.mlp == "swiglu" else None
        self.up = nn.Linear(c.width, hidden, bias=c.bias)
        self.down = nn.Linear(hidden, c.width, bias=c.bias)
        speeds = 1 / c.theta ** (torch.arange(0, size, 2) / size)
        angles = torch.arange(c.context)[:, None] * speeds  # (context, size / 2)
        turns = torch.stack([angles.cos(), angles.sin()]) if c.encoding == "rotary" else None
        future = torch.ones(c.context, c.context).triu(1).bool()
        self.register_buffer("future", future, persistent=False)
        self.register_buffer("turns", turns, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map the stream (batch, context, width) to the stream."""
        x = x + self.attention(self.attention_norm(x))
        h = self.mlp_norm(x)
        hidden = gelu(self.up(h)) if self.gate is None else silu(self.gate(h)) * self.up(h)
        return x + self.down(hidden)

    def attention(self, x: Tensor) -> Tensor:
        """Mix positions, each with those before it."""
        layers = self.query, self.key, self.value  # each gives (batch, heads, context, size)
        q, k, v = (f(x).unflatten(-1, self.shape).transpose(-3, -2) for f in layers)
        q, k = self.rotate(self.query_norm(q)), self.rotate(self.key_norm(k))
        if self.copies > 1:
            k, v = (t.repeat_interleave(self.copies, dim=-3) for t in (k, v))
        weights = (q @ k.mT * self.scale).masked_fill(self.future, -torch.inf).softmax(dim=-1)
        return self.out((weights @ v).transpose(-3, -2).flatten(-2))

    def rotate(self, x: Tensor) -> Tensor:
        """Turn each pair of dimensions by an angle that grows with the position, if asked for."""
        if self.turns is None:
            return x
        (a, b), (cos, sin) = x.chunk(2, dim=-1), self.turns
        return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


class LoopedGPT(nn.Module):
    """Embedding, prelude, ``loops`` times the core, coda, norm, readout.

    ``sampled``: in training, a sequence has its own number of loops, 1 to ``2 * loops - 1``, drawn
    from its tokens: the same at every scale, for every member and after a resume. ``loops`` and
    ``backprop`` may be set between steps. ``settings``: what `arch` lists.
    """

    def __init__(
        self, inputs: int, outputs: int, vocabulary: int, positions: int | None = None, **settings
    ):
        super().__init__()
        c = Config(context=inputs, **settings)
        if c.loops < 1:
            raise ValueError(f"loops must be at least 1; received {c.loops}")
        self.last_only = positions is None  # else every position predicts
        self.loops, self.sampled, self.backprop = c.loops, c.sampled, c.backprop
        self.embed = nn.Embedding(vocabulary, c.width)
        self.position = nn.Embedding(inputs, c.width) if c.encoding == "learned" else None
        parts = (nn.Sequential(*(Block(c) for _ in range(n))) for n in (c.prelude, c.depth, c.coda))
        self.prelude, self.core, self.coda = parts
        self.adapter = nn.Linear(2 * c.width, c.width, bias=False)
        self.norm = make_norm(c, c.width)
        self.readout = nn.Linear(c.width, outputs, bias=False)
        nn.init.normal_(self.readout.weight, std=0.02)  # starts near log(outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (batch, context) to logits (batch, context, outputs), or (batch, outputs)."""
        x = self.embed(tokens)
        if self.position is not None:
            x = x + self.position(torch.arange(tokens.shape[-1], device=tokens.device))
        s, e = torch.zeros_like(x), self.prelude(x)
        most = 2 * self.loops - 1 if (sampled := self.sampled and self.training) else self.loops
        own = draw(tokens, most) if sampled else most
        for left in range(most, 0, -1):
            if left == self.backprop:
                s = s.detach()
            looped = self.core(self.adapter(torch.cat([s, e], dim=-1)))
            # A sequence that loops less starts later, so that all end together.
            s = torch.where(own >= left, looped, s) if sampled else looped
        x = self.coda(s)
        return self.readout(self.norm(x[:, -1] if self.last_only else x))


def draw(tokens: Tensor, most: int) -> Tensor:
    """Draw a whole number in 1..most for each sequence by hashing its tokens, (batch, 1, 1)."""
    factors = torch.arange(1, tokens.shape[-1] + 1, device=tokens.device) * 7919
    mixed = ((tokens + 1) * factors).sum(dim=-1) * 40503 % 65537  # multiplicative hash
    return (1 + mixed * most // 65537)[:, None, None]


arch = paramsearch.Arch(
    build=LoopedGPT,
    axes={"width": 32, "depth": 1, "loops": 4},
    task="bytes",
    vocabulary=64,
    options={
        "heads": 2,  # each width / heads wide
        "prelude": 1,  # blocks before the core
        "coda": 1,  # and after it
        "sampled": False,
        "backprop": None,  # gradients flow through this many last loops; None for all
        "norm": ("rms", "layer"),
        "mlp": ("swiglu", "gelu"),
        "encoding": ("rotary", "learned"),
        "attention_scale": ("mup", "standard"),
        "kv_heads": None,
        "qk_norm": False,
        "bias": False,
        "ffn": 4.0,  # hidden size of a feed-forward layer, in widths
        "eps": 1e-6,  # of norms
        "theta": 1e4,  # the slowest turn of rotary positions takes about 2 pi theta of them
    },
)
