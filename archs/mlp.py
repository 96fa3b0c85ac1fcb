"""Multilayer perceptron with ReLU; token inputs enter as a sum of one embedding per position."""

import torch
from torch import Tensor, nn

import paramsearch


class MLP(nn.Module):
    """``depth`` weight matrices: inputs -> width -> ... -> width -> outputs."""

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
            # Token v at position p is row p * vocabulary + v: a linear layer on one-hot inputs.
            self.register_buffer("offsets", vocabulary * torch.arange(inputs), persistent=False)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(depth - 2))
        self.readout = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs (batch, inputs) to logits (batch, outputs)."""
        if isinstance(self.input, nn.Embedding):
            h = self.input(x + self.offsets).sum(dim=-2)
        else:
            h = self.input(x)
        for layer in self.hidden:
            h = layer(h.relu())
        return self.readout(h.relu())


arch = paramsearch.Arch(build=MLP, axes={"width": 32, "depth": 3}, task="digits")
