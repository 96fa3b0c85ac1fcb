"""Small models, each difficult to trace in one way, and the task that trains them."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from paramsearch.tasks.task import Batch, Task

TOKENS, POSITIONS, CLASSES = 11, 6, 5


class Words(Task):
    """Tokens (batch, positions) -> class."""

    name = "words"
    dims = {"inputs": POSITIONS, "outputs": CLASSES, "vocabulary": TOKENS}  # noqa: RUF012

    def batch(self, step: int) -> Batch:
        generator = torch.Generator().manual_seed(step)
        tokens = torch.randint(TOKENS, (8, POSITIONS), generator=generator)
        return tokens, tokens[:, 0] % CLASSES

    def evaluation(self) -> Batch:
        return self.batch(10**6)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(output, target)


class Numbers(Words):
    """Floats (batch, positions) -> class."""

    name = "numbers"
    dims = {"inputs": POSITIONS, "outputs": CLASSES}  # noqa: RUF012

    def batch(self, step: int) -> Batch:
        tokens, target = super().batch(step)
        return tokens / TOKENS, target


class TiedReadout(nn.Module):
    def __init__(self, inputs: int, outputs: int, vocabulary: int, width: int):
        super().__init__()
        self.readout = nn.Linear(width, vocabulary, bias=False)
        self.embed = nn.Embedding(vocabulary, width)
        self.mix = nn.Linear(width, width, bias=False)
        self.readout.weight = self.embed.weight
        self.outputs = outputs

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.mix(self.embed(x).mean(1)).relu())[:, : self.outputs]


class Conv1D(nn.Module):
    """Weight (in, out), as in GPT-2 of transformers."""

    def __init__(self, fan_in: int, fan_out: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(fan_in, fan_out) * 0.1)
        self.bias = nn.Parameter(torch.zeros(fan_out))

    def forward(self, x: Tensor) -> Tensor:
        flat = torch.addmm(self.bias, x.reshape(-1, x.size(-1)), self.weight)
        return flat.view(*x.shape[:-1], -1)


class InOut(nn.Module):
    def __init__(self, inputs: int, outputs: int, width: int):
        super().__init__()
        self.up, self.mid = Conv1D(inputs, width), Conv1D(width, 4 * width)
        self.down = Conv1D(4 * width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.mid(self.up(x).relu()).relu())


class ConvNet(nn.Module):
    def __init__(self, inputs: int, outputs: int, width: int):
        super().__init__()
        self.stem = nn.Conv1d(1, width, 3, padding=1)
        self.norm = nn.GroupNorm(2, width)
        self.depthwise = nn.Conv1d(width, width, 3, padding=1, groups=width, bias=False)
        self.up = nn.ConvTranspose1d(width, 2 * width, 2, bias=False)
        self.readout = nn.Linear(2 * width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.stem(x[:, None])).relu_()
        return self.readout(self.up(self.depthwise(x)).mean(-1))


class RMSNorm(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.gain


class Attention(nn.Module):
    """Fused qkv, then a fused gated MLP; handwritten norms; a learned scale of the branch."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = RMSNorm(width), RMSNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.gate_up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(2 * width, width, bias=False)
        self.scale = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        batch, time, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(batch, time, 3, self.heads, -1).unbind(2)
        scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / math.sqrt(width // self.heads)
        mixed = torch.einsum("bhqk,bkhd->bqhd", scores.softmax(-1), v)
        x = x + self.scale * self.out(mixed.reshape(batch, time, width))
        gate, up = self.gate_up(self.norm2(x)).chunk(2, -1)
        y = x.clone()
        y += self.down(F.silu(gate) * up)
        return y


class Transformer(nn.Module):
    def __init__(
        self, inputs: int, outputs: int, vocabulary: int, width: int, heads: int, depth: int
    ):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(torch.zeros(1, inputs, width))
        self.blocks = nn.Sequential(*(Attention(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.readout = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x) + self.position[:, : x.size(1)]
        return self.readout(self.norm(self.blocks(x))[:, -1])


class Recurrent(nn.Module):
    """A handwritten LSTM cell, called in a loop, above torch's own."""

    def __init__(self, inputs: int, outputs: int, vocabulary: int, width: int):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.wx, self.wh = nn.Linear(width, 4 * width), nn.Linear(width, 4 * width, bias=False)
        self.readout = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x, _ = self.lstm(self.embed(x))
        h = c = torch.zeros(x.size(0), x.size(2))
        for t in range(x.size(1)):
            i, f, g, o = (self.wx(x[:, t]) + self.wh(h)).chunk(4, -1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        return self.readout(h)


class Raw(nn.Module):
    """Raw parameters: 3-D einsum, per-head matrices, a flat vector as matrix, a dot product."""

    def __init__(self, inputs: int, outputs: int, width: int, heads: int):
        super().__init__()
        self.split = nn.Parameter(torch.randn(inputs, heads, width))  # sums over inputs
        self.each = nn.Parameter(torch.randn(heads, width, width))  # one matrix per head
        self.join = nn.Parameter(torch.randn(heads, width, outputs))  # sums over heads and width
        self.probe = nn.Parameter(torch.randn(width))
        self.shift = nn.Parameter(torch.zeros(outputs))
        self.forgotten = nn.Parameter(torch.zeros(width, width))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.einsum("bi,ihw->bhw", x, self.split.clone().float())
        h = torch.einsum("bhw,hwv->bhv", h, self.each).tanh()
        return torch.einsum("bhw,hwo->bo", h, self.join) + self.shift + (h @ self.probe).sum()


class Composed(nn.Module):
    """Weight norm, a low-rank product of parameters, a parameter seen through transposes."""

    def __init__(self, inputs: int, outputs: int, width: int):
        super().__init__()
        self.first = nn.utils.parametrizations.weight_norm(nn.Linear(inputs, width, bias=False))
        self.a = nn.Parameter(torch.randn(4, width))
        self.b = nn.Parameter(torch.randn(width, 4))
        self.turned = nn.Parameter(torch.randn(width, outputs))

    def forward(self, x: Tensor) -> Tensor:
        h = F.linear(self.first(x), self.b @ self.a)
        return F.linear(h.tanh(), self.turned.mT.contiguous().double().float())


class Modules(nn.Module):
    """Torch's own modules with ops of their own, checkpointing, vmap, writes into slices."""

    def __init__(self, inputs: int, outputs: int, vocabulary: int, width: int):
        super().__init__()
        self.embed, self.position = nn.Embedding(vocabulary, width), nn.Embedding(inputs, width)
        self.start = nn.Parameter(torch.zeros(1, 1, width))
        self.layer = nn.TransformerEncoderLayer(width, 2, 2 * width, batch_first=True)
        self.kept, self.shared = nn.Linear(width, width), nn.Linear(width, width)
        self.patch, self.norm = nn.Linear(width, width), nn.RMSNorm(width)
        self.gru = nn.GRU(width, width, batch_first=True)
        self.pair = nn.Bilinear(width, width, width)
        self.slope, self.readout = nn.PReLU(width), nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x) + self.position(torch.arange(x.size(1)))
        x = self.layer(torch.cat([self.start.expand(x.size(0), -1, -1), x], dim=1))
        x = checkpoint(lambda h: self.kept(h).tanh(), x, use_reentrant=True)
        x = self.shared(self.shared(x).relu())
        y = torch.zeros_like(x)
        y[:, :1], y[:, 1:] = self.patch(x[:, :1]), x[:, 1:]
        y = self.pair(torch.func.vmap(self.norm)(y), self.gru(y[:, :1])[0].expand_as(y))
        return self.readout(self.slope(y.transpose(1, 2)).mean(-1))
