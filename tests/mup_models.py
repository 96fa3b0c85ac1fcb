"""The models on which we are compared with microsoft/mup, with either side's readout.

They follow mup's own examples (MLP, Transformer, ResNet), small. Both sides have the same
parameter names, so that initial values carry over.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Readout = Callable[..., nn.Module]  # of its sizes, or of the table it is tied to

INPUTS, CLASSES, TOKENS, LENGTH, HEADS = 6, 5, 11, 7, 2


class Mlp(nn.Module):
    def __init__(self, width: int, readout: Readout):
        super().__init__()
        self.first = nn.Linear(INPUTS, width)
        self.second = nn.Linear(width, 2 * width)
        self.third = nn.Linear(2 * width, width)
        self.readout = readout(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.first(x))
        return self.readout(F.relu(self.third(F.relu(self.second(x)))))


class Block(nn.Module):
    """Attention with logits q.k times a scale, then two layers; pre-LN."""

    def __init__(self, width: int, scale: float):
        super().__init__()
        self.scale = scale
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.k, self.v, self.o = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.before(x)
        q, k, v = (
            layer(inner).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for layer in (self.q, self.k, self.v)
        )
        future = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        logits = (q @ k.mT * self.scale).masked_fill(future, -math.inf)
        x = x + self.o((logits.softmax(-1) @ v).transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.between(x))))


class Transformer(nn.Module):
    """A small language model.

    ``logits`` multiplies the attention logits on top of 1 / sqrt(head dimension).
    """

    def __init__(self, width: int, readout: Readout, tied: bool = False, logits: float = 1.0):
        super().__init__()
        self.tokens, self.places = nn.Embedding(TOKENS, width), nn.Embedding(LENGTH, width)
        scale = logits * (width // HEADS) ** -0.5
        self.blocks = nn.ModuleList(Block(width, scale) for _ in range(2))
        self.last = nn.LayerNorm(width)
        self.readout = readout(self.tokens.weight) if tied else readout(width, TOKENS)

    def forward(self, x: Tensor) -> Tensor:
        x = self.tokens(x) + self.places.weight
        for block in self.blocks:
            x = block(x)
        return self.readout(self.last(x)).transpose(1, 2)


class Tied(nn.Linear):
    """A readout without bias that shares the table of an embedding."""

    def __init__(self, table: nn.Parameter):
        super().__init__(table.shape[1], table.shape[0], bias=False)
        self.weight = table


class Residual(nn.Module):
    def __init__(self, before: int, after: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(after), nn.BatchNorm2d(after)
        self.shortcut = nn.Sequential()
        if before != after:
            self.shortcut.append(nn.Conv2d(before, after, 1, stride, bias=False))
            self.shortcut.append(nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(inner + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self, width: int, readout: Readout):
        super().__init__()
        self.stem, self.bn = nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.blocks = nn.Sequential(Residual(width, width, 1), Residual(width, 2 * width, 2))
        self.readout = readout(2 * width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.blocks(F.relu(self.bn(self.stem(x)))).mean((2, 3)))
