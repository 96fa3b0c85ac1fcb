"""Depth-recurrent transformer: a core of blocks with shared weights, applied many times.

Geiping et al., 2025, arXiv 2502.05171. A prelude turns tokens into e. The core repeats
``s <- core(A [s; e])``, from s = 0, with a linear adapter A that puts e in every time. A coda reads
the last state out. Depth costs no parameters: axis ``loops`` changes no shape.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

import paramsearch


class Block(nn.Module):
    """Pre-norm block: causal attention with rotary positions, then a gated feed-forward layer."""

    def __init__(self, width: int, heads: int, context: int):
        """Build both branches."""
        super().__init__()
        size = width // heads
        self.shape, self.scale = (-1, size), 4 / size  # as muP; 1 / sqrt(size) at size 16
        self.attention_norm = nn.RMSNorm(width, eps=1e-6)
        self.query, self.key, self.value, self.out = (
            nn.Linear(width, width, bias=False) for _ in range(4)
        )
        self.mlp_norm = nn.RMSNorm(width, eps=1e-6)
        self.gate, self.up = (nn.Linear(width, 4 * width, bias=False) for _ in range(2))
        self.down = nn.Linear(4 * width, width, bias=False)
        future = torch.ones(context, context).triu(1).bool()
        self.register_buffer("future", future, persistent=False)
        angles = torch.arange(context)[:, None] * 1e4 ** (-torch.arange(0, size, 2) / size)
        self.register_buffer("cos", angles.cos(), persistent=False)  # (context, size / 2)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map the stream (batch, context, width) to the stream."""
        x = x + self.attention(self.attention_norm(x))
        h = self.mlp_norm(x)
        return x + self.down(functional.silu(self.gate(h)) * self.up(h))

    def attention(self, x: Tensor) -> Tensor:
        """Mix positions, each with those before it."""
        q, k, v = (  # (batch, heads, context, size)
            layer(x).unflatten(-1, self.shape).transpose(-3, -2)
            for layer in (self.query, self.key, self.value)
        )
        scores = self.rotate(q) @ self.rotate(k).mT * self.scale
        weights = scores.masked_fill(self.future, -torch.inf).softmax(dim=-1)
        return self.out((weights @ v).transpose(-3, -2).flatten(-2))

    def rotate(self, x: Tensor) -> Tensor:
        """Turn each pair of dimensions by an angle that grows with the position."""
        a, b = x.chunk(2, dim=-1)
        return torch.cat([a * self.cos - b * self.sin, b * self.cos + a * self.sin], dim=-1)


class LoopedGPT(nn.Module):
    """Embedding, prelude, ``loops`` times the core, coda, norm, readout.

    Args:
        inputs: Context length.
        outputs: Number of logits at a position.
        vocabulary: Number of tokens.
        width: Of the stream.
        depth: Number of blocks in the core.
        loops: How many times the core is applied.
        positions: None to predict at the last position alone.
        heads: Number of heads, each ``width / heads`` wide.
        prelude: Number of blocks before the core.
        coda: Number of blocks after it.
        sampled: In training, give each sequence its own number of loops, 1 to ``2 * loops - 1``,
            uniform and a function of its tokens: the same at every scale, for every member and
            after a resume. In evaluation there are ``loops``.
        backprop: Gradients flow through this many last loops; None for all.
    """

    def __init__(
        self, inputs: int, outputs: int, vocabulary: int, width: int, depth: int, loops: int,
        positions: int | None = None, heads: int = 2, prelude: int = 1, coda: int = 1,
        sampled: bool = False, backprop: int | None = None,
    ):  # fmt: skip
        """Build the layers."""
        super().__init__()
        if loops < 1:
            raise ValueError(f"loops must be at least 1; received {loops}")
        if width % (2 * heads):
            raise ValueError(f"heads={heads} must divide width={width} into heads of even size")
        self.last_only, self.loops = positions is None, loops
        self.sampled, self.backprop = sampled, backprop

        def blocks(count: int) -> nn.Sequential:
            return nn.Sequential(*(Block(width, heads, inputs) for _ in range(count)))

        self.embed = nn.Embedding(vocabulary, width)
        self.prelude, self.core, self.coda = blocks(prelude), blocks(depth), blocks(coda)
        self.adapter = nn.Linear(2 * width, width, bias=False)
        self.norm = nn.RMSNorm(width, eps=1e-6)
        self.readout = nn.Linear(width, outputs, bias=False)
        nn.init.normal_(self.readout.weight, std=0.02)  # starts near log(outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (batch, context) to logits (batch, context, outputs), or (batch, outputs)."""
        e = self.prelude(self.embed(tokens))
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


arch = paramsearch.Arch(
    build=LoopedGPT,
    axes={"width": 32, "depth": 1, "loops": 4},
    task="bytes",
    options={"heads": 2, "prelude": 1, "coda": 1, "sampled": False, "backprop": None},
)
