"""Mixture-of-experts transformer: each token is fed forward by the few experts that it is sent to.

Shazeer et al., 2017, arXiv 1701.06538; load balancing of Fedus et al., 2021, arXiv 2101.03961.
Every expert computes every token, and gates that are zero but for ``top_k`` experts mix the
results: plain dense products, right for models this small.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

import paramsearch


class Attention(nn.Module):
    """Causal attention with rotary positions."""

    def __init__(self, width: int, heads: int, context: int, scale: str):
        """Build the projections; scores go with 4 / size ("mup") or 1 / sqrt(size)."""
        super().__init__()
        size = width // heads
        self.shape, self.scale = (-1, size), 4 / size if scale == "mup" else size**-0.5
        self.query, self.key, self.value, self.out = (
            nn.Linear(width, width, bias=False) for _ in range(4)
        )
        future = torch.ones(context, context).triu(1).bool()
        self.register_buffer("future", future, persistent=False)
        angles = torch.arange(context)[:, None] * 1e4 ** (-torch.arange(0, size, 2) / size)
        self.register_buffer("cos", angles.cos(), persistent=False)  # (context, size / 2)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, context, width) to the same."""
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


class Experts(nn.Module):
    """A router and gated feed-forward experts, their matrices stacked: (experts, in, out)."""

    def __init__(self, width: int, hidden: int, experts: int, top_k: int):
        """Build the layers; matrices start as those of ``nn.Linear``."""
        super().__init__()
        self.experts, self.top_k = experts, top_k
        self.router = nn.Linear(width, experts, bias=False)
        self.gate, self.up, self.down = (
            nn.Parameter(torch.empty(experts, *shape).uniform_(-1, 1) * shape[0] ** -0.5)
            for shape in ((width, hidden), (width, hidden), (hidden, width))
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (batch, context, width) to the same, with the loss that balances the experts.

        It is E sum_e f_e P_e, f_e being how often expert e is chosen per token and P_e its mean
        probability; ``top_k`` if the experts share the load evenly.
        """
        tokens = x.flatten(0, -2)
        chances = self.router(tokens).softmax(dim=-1)  # (tokens, experts)
        best, chosen = chances.topk(self.top_k, dim=-1)
        best = best / best.sum(dim=-1, keepdim=True)
        gates = torch.zeros_like(chances).scatter(-1, chosen, best)
        balance = self.experts * ((gates > 0).to(x.dtype).mean(0) * chances.mean(0)).sum()
        copies = tokens.expand(self.experts, -1, -1)
        hidden = functional.silu(copies.bmm(self.gate)) * copies.bmm(self.up)
        mixed = (hidden.bmm(self.down) * gates.mT[:, :, None]).sum(dim=0)
        return mixed.view_as(x), balance


class Block(nn.Module):
    """``x + attention(norm(x))``, then ``x + experts(norm(x))``."""

    def __init__(self, attention: Attention, experts: Experts, width: int):
        """Take both branches."""
        super().__init__()
        self.attention_norm, self.attention = nn.RMSNorm(width, eps=1e-6), attention
        self.experts_norm, self.experts = nn.RMSNorm(width, eps=1e-6), experts

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map the stream (batch, context, width) to the stream, with the balancing loss."""
        x = x + self.attention(self.attention_norm(x))
        mixed, balance = self.experts(self.experts_norm(x))
        return x + mixed, balance


class MoEGPT(nn.Module):
    """Embedding, ``depth`` blocks, norm, readout.

    ``balance`` weighs the balancing loss, a mean over blocks; ``ffn`` is the hidden size of an
    expert in widths; without ``positions`` only the last position is predicted.
    """

    def __init__(
        self, inputs: int, outputs: int, vocabulary: int, width: int, depth: int, experts: int,
        positions: int | None = None, heads: int = 2, ffn: int = 2, top_k: int = 2,
        balance: float = 0.01, attention_scale: str = "mup",
    ):  # fmt: skip
        super().__init__()
        if width % (2 * heads):
            raise ValueError(f"heads={heads} must divide width={width} into heads of even size")
        if not 1 <= top_k <= experts:
            raise ValueError(f"top_k must be from 1 to experts, {experts}; received {top_k}")
        self.last_only, self.balance = positions is None, balance
        self.embed = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(
            Block(
                Attention(width, heads, inputs, attention_scale),
                Experts(width, ffn * width, experts, top_k),
                width,
            )
            for _ in range(depth)
        )
        self.norm = nn.RMSNorm(width, eps=1e-6)
        self.readout = nn.Linear(width, outputs, bias=False)
        nn.init.normal_(self.readout.weight, std=0.02)  # starts near log(outputs)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Map tokens (batch, context) to logits at every position, and the balancing loss."""
        x, balances = self.embed(tokens), []
        for block in self.blocks:
            x, balance = block(x)
            balances.append(balance)
        logits = self.readout(self.norm(x[:, -1] if self.last_only else x))
        return logits, self.balance * torch.stack(balances).mean()


arch = paramsearch.Arch(
    build=MoEGPT,
    axes={"width": 32, "depth": 2, "experts": 4},
    task="bytes",
    vocabulary=64,
    options={
        "heads": 2,
        "ffn": 2,
        "top_k": 2,
        "balance": 0.01,
        "attention_scale": ("mup", "standard"),
    },
)
