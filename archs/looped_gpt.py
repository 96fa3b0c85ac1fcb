"""Depth-recurrent transformer: a core of blocks with shared weights, applied many times.

Geiping et al., 2025, arXiv 2502.05171. A prelude turns tokens into e. The core repeats
``s <- core(A [s; e])``, from s = 0, with a linear adapter A that puts e in every time. A coda reads
the last state out. Depth costs no parameters: axis ``loops`` changes no shape.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

import paramsearch


@dataclass
class Config:
    """What the task asks (``positions``: None to predict at the last alone), axes and options.

    ``sampled``: in training, give each sequence its own number of loops, 1 to ``2 * loops - 1``,
    uniform and a function of its tokens: the same at every scale, for every member and after a
    resume. In evaluation there are ``loops``. The options of blocks are those of `gpt`.
    """

    inputs: int  # context length
    outputs: int
    vocabulary: int
    width: int
    depth: int  # number of blocks in the core
    loops: int  # how many times the core is applied
    positions: int | None = None
    heads: int = 2  # each width / heads wide
    prelude: int = 1  # number of blocks before the core
    coda: int = 1  # number of blocks after it
    sampled: bool = False
    backprop: int | None = None  # gradients flow through this many last loops; None for all
    norm: str = "rms"
    mlp: str = "swiglu"
    encoding: str = "rotary"
    attention_scale: str = "mup"
    kv_heads: int | None = None
    ffn: float = 4.0  # hidden size of a feed-forward layer, in widths
    eps: float = 1e-6
    theta: float = 1e4  # the slowest turn of rotary positions takes about 2 pi theta of them

    def __post_init__(self):
        """Derive the sizes of heads, and check that everything divides."""
        self.kv_heads = self.kv_heads or self.heads
        if self.loops < 1:
            raise ValueError(f"loops must be at least 1; received {self.loops}")
        if self.width % (2 * self.heads):
            raise ValueError(
                f"heads={self.heads} must divide width={self.width} into heads of even size"
            )
        if self.heads % self.kv_heads:
            raise ValueError(
                f"kv_heads={self.kv_heads} must divide the number of heads, {self.heads}"
            )
        self.size = self.width // self.heads

    def make_norm(self) -> nn.Module:
        """Make the norm."""
        if self.norm == "rms":
            return nn.RMSNorm(self.width, eps=self.eps)
        return nn.LayerNorm(self.width, eps=self.eps, bias=False)


class Block(nn.Module):
    """Pre-norm block: causal attention, then a feed-forward layer."""

    def __init__(self, c: Config):
        """Build both branches."""
        super().__init__()
        self.shape, self.copies = (-1, c.size), c.heads // c.kv_heads
        self.scale = 4 / c.size if c.attention_scale == "mup" else c.size**-0.5
        hidden, shared = round(c.ffn * c.width), c.kv_heads * c.size
        self.attention_norm = c.make_norm()
        self.query, self.key, self.value, self.out = (
            nn.Linear(c.width, size, bias=False) for size in (c.width, shared, shared, c.width)
        )
        self.mlp_norm = c.make_norm()
        self.gate = nn.Linear(c.width, hidden, bias=False) if c.mlp == "swiglu" else None
        self.up = nn.Linear(c.width, hidden, bias=False)
        self.down = nn.Linear(hidden, c.width, bias=False)
        future = torch.ones(c.inputs, c.inputs).triu(1).bool()
        self.register_buffer("future", future, persistent=False)
        speeds = 1 / c.theta ** (torch.arange(0, c.size, 2) / c.size)
        angles = torch.arange(c.inputs)[:, None] * speeds  # (context, size / 2)
        turns = torch.stack([angles.cos(), angles.sin()]) if c.encoding == "rotary" else None
        self.register_buffer("turns", turns, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map the stream (batch, context, width) to the stream."""
        x = x + self.attention(self.attention_norm(x))
        h = self.mlp_norm(x)
        if self.gate is None:
            return x + self.down(functional.gelu(self.up(h)))
        return x + self.down(functional.silu(self.gate(h)) * self.up(h))

    def attention(self, x: Tensor) -> Tensor:
        """Mix positions, each with those before it."""
        q, k, v = (  # (batch, heads, context, size)
            layer(x).unflatten(-1, self.shape).transpose(-3, -2)
            for layer in (self.query, self.key, self.value)
        )
        if self.turns is not None:
            q, k = self.rotate(q), self.rotate(k)
        if self.copies > 1:
            k, v = (t.repeat_interleave(self.copies, dim=-3) for t in (k, v))
        weights = (q @ k.mT * self.scale).masked_fill(self.future, -torch.inf).softmax(dim=-1)
        return self.out((weights @ v).transpose(-3, -2).flatten(-2))

    def rotate(self, x: Tensor) -> Tensor:
        """Turn each pair of dimensions by an angle that grows with the position."""
        a, b = x.chunk(2, dim=-1)
        cos, sin = self.turns
        return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


class LoopedGPT(nn.Module):
    """Embedding, prelude, ``loops`` times the core, coda, norm, readout.

    ``loops`` and ``backprop`` may be set between steps, as a curriculum does.
    """

    def __init__(self, c: Config):
        """Build the layers."""
        super().__init__()
        self.last_only, self.loops = c.positions is None, c.loops
        self.sampled, self.backprop = c.sampled, c.backprop
        self.embed = nn.Embedding(c.vocabulary, c.width)
        self.position = nn.Embedding(c.inputs, c.width) if c.encoding == "learned" else None
        self.prelude, self.core, self.coda = (
            nn.Sequential(*(Block(c) for _ in range(count)))
            for count in (c.prelude, c.depth, c.coda)
        )
        self.adapter = nn.Linear(2 * c.width, c.width, bias=False)
        self.norm = c.make_norm()
        self.readout = nn.Linear(c.width, c.outputs, bias=False)
        nn.init.normal_(self.readout.weight, std=0.02)  # starts near log(outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (batch, context) to logits (batch, context, outputs), or (batch, outputs)."""
        x = self.embed(tokens)
        if self.position is not None:
            x = x + self.position(torch.arange(tokens.shape[-1], device=tokens.device))
        e = self.prelude(x)
        s = torch.zeros_like(e)
        sampled = self.sampled and self.training
        most = 2 * self.loops - 1 if sampled else self.loops
        own = draw(tokens, most) if sampled else most
        for left in range(most, 0, -1):
            if left == self.backprop:
                s = s.detach()
            looped = self.core(self.adapter(torch.cat([s, e], dim=-1)))
            # A sequence that loops less starts later, so that all end together.
            s = torch.where(own >= left, looped, s) if sampled else looped
        s = self.coda(s)
        return self.readout(self.norm(s[:, -1] if self.last_only else s))


def draw(tokens: Tensor, most: int) -> Tensor:
    """Draw a whole number in 1..most for each sequence by hashing its tokens, (batch, 1, 1)."""
    factors = torch.arange(1, tokens.shape[-1] + 1, device=tokens.device) * 7919
    mixed = ((tokens + 1) * factors).sum(dim=-1) * 40503 % 65537  # multiplicative hash
    return (1 + mixed * most // 65537)[:, None, None]


def build(**settings: object) -> LoopedGPT:
    """Build the model; the arguments are those of ``Config``."""
    return LoopedGPT(Config(**settings))


arch = paramsearch.Arch(
    build=build,
    axes={"width": 32, "depth": 1, "loops": 4},
    task="bytes",
    options={
        "heads": 2,
        "prelude": 1,
        "coda": 1,
        "sampled": False,
        "backprop": None,
        "norm": ("rms", "layer"),
        "mlp": ("swiglu", "gelu"),
        "encoding": ("rotary", "learned"),
        "attention_scale": ("mup", "standard"),
        "kv_heads": None,
        "ffn": 4.0,
        "eps": 1e-6,
        "theta": 1e4,
    },
)
