"""Small residual and attention models, each with one thing that decides what folds where."""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

SIZE = 8


class Attention(nn.Module):
    """Attention with two heads, as its options say."""

    def __init__(self, way: str = "plain", width: int = SIZE):
        super().__init__()
        self.way, self.size = way, width // 2
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))
        self.qkv = nn.Linear(width, 3 * width)
        gain = way == "norm"
        self.q_norm = nn.LayerNorm(self.size, elementwise_affine=gain, bias=gain)

    def heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (2, self.size)).transpose(-3, -2)

    def forward(self, x: Tensor) -> Tensor:
        parts = (self.q(x), self.k(x), self.v(x))
        if self.way == "fused":
            parts = self.qkv(x).chunk(3, dim=-1)
        q, k, v = map(self.heads, parts)
        if self.way in ("norm", "bare norm"):
            q = self.q_norm(q)
        if self.way in ("sdpa", "fused sdpa"):
            mixed = scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            scale = 1 / self.size if self.way == "one over d" else self.size**-0.5
            mixed = (q @ k.mT * scale).softmax(dim=-1) @ v
        if self.way == "q again":
            mixed = mixed + q
        return self.out(mixed.transpose(-3, -2).flatten(-2))


class Block(nn.Module):
    """``x + branch(x)``, with the branch that ``way`` names."""

    def __init__(self, way: str = "plain", width: int = SIZE, depth: int = 2):
        super().__init__()
        self.way, self.depth = way, depth
        self.up, self.gate, self.down, self.down2 = (nn.Linear(width, width) for _ in range(4))
        self.norm = nn.LayerNorm(width)
        self.gain = nn.Parameter(torch.full((width,), 1e-4))

    def branch(self, x: Tensor) -> Tensor:
        h = self.up(x).tanh()
        match self.way:
            case "tanh":
                return self.down(h).tanh()
            case "relu":
                return self.down(h).relu()
            case "norm":
                return self.norm(self.down(h))
            case "layer scale":
                return self.down(h) * self.gain
            case "gated":
                return self.gate(x).sigmoid() * self.down(h)
            case "sum":
                return self.down(h) + self.down2(x.relu())
            case "shared":
                return self.down(self.down(h).tanh())
            case "plus one":
                return self.down(h) + 1
            case "over root depth":
                return self.down(h) / self.depth**0.5
            case _:
                return self.down(h)

    def forward(self, x: Tensor) -> Tensor:
        if self.way == "in place":
            x = x * 1.0
            x += self.branch(x)
            return x
        if self.way == "subtracted":
            return x - self.branch(x)
        return x + self.branch(x)


class Stack(nn.Module):
    """A residual network of any width and depth; its branches may be scaled in the code."""

    def __init__(self, width: int, depth: int, factor: float = 1.0, way: str = "plain"):
        super().__init__()
        self.factor = factor
        self.enter, self.leave = nn.Linear(4, width), nn.Linear(width, 3)
        self.blocks = nn.ModuleList(Block(way, width, depth) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        for block in self.blocks:
            x = x + self.factor * block.branch(x)
        return self.leave(x)


class Mixer(nn.Module):
    """One layer of attention between two maps."""

    def __init__(self, width: int, way: str = "plain"):
        super().__init__()
        self.enter, self.attention, self.leave = (
            nn.Linear(4, width), Attention(way, width), nn.Linear(width, 3)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        return self.leave(x + self.attention(x))
