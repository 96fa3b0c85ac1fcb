"""Residual multilayer perceptron: every block adds a branch of two layers to a stream."""

import torch
from torch import Tensor, nn

import paramsearch


class Block(nn.Module):
    """``x + branch(x)``: norm, linear, ReLU, linear."""

    def __init__(self, width: int):
        """Build the branch."""
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, width)
        self.down = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map the stream (batch, width) to the stream."""
        return x + self.down(self.up(self.norm(x)).relu())


class ResMLP(nn.Module):
    """Inputs -> width, ``depth`` residual blocks, norm, -> outputs."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        width: int,
        depth: int,
        vocabulary: int | None = None,
        channels: int = 1,  # of images, which stay flat here
    ):
        """Build the layers; ``vocabulary`` says that the inputs are tokens, not numbers."""
        super().__init__()
        if vocabulary is None:
            self.input = nn.Linear(inputs, width)
        else:
            self.input = nn.Embedding(inputs * vocabulary, width)
            self.register_buffer("offsets", vocabulary * torch.arange(inputs), persistent=False)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.readout = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs (batch, inputs) to logits (batch, outputs)."""
        if isinstance(self.input, nn.Embedding):
            x = self.input(x + self.offsets).sum(dim=-2)
        else:
            x = self.input(x)
        for block in self.blocks:
            x = block(x)
        return self.readout(self.norm(x))


arch = paramsearch.Arch(build=ResMLP, axes={"width": 32, "depth": 4}, task="digits")
