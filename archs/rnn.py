"""Gated recurrent network (Cho et al., 2014, arXiv 1406.1078), written out cell by cell."""

import torch
from torch import Tensor, nn

import paramsearch


class GRU(nn.Module):
    """A layer of gated recurrent units, as ``torch.nn.GRU``.

    With gates r and z, each a sigmoid of a linear function of input and state,

        n_t = tanh(W x_t + r_t (U h_(t-1))),   h_t = (1 - z_t) n_t + z_t h_(t-1).
    """

    def __init__(self, width: int):
        """Build the maps of input and state to both gates and the candidate n."""
        super().__init__()
        self.input = nn.Linear(width, 3 * width)
        self.state = nn.Linear(width, 3 * width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, context, width) to all states, (batch, context, width)."""
        h = torch.zeros_like(x[:, 0])
        states = []
        for x_t in x.unbind(dim=1):
            h = self.cell(x_t, h)
            states.append(h)
        return torch.stack(states, dim=1)

    def cell(self, x: Tensor, h: Tensor) -> Tensor:
        """Give the next state from an input and a state, all (batch, width)."""
        r_in, z_in, n_in = self.input(x).chunk(3, dim=-1)
        r_state, z_state, n_state = self.state(h).chunk(3, dim=-1)
        r, z = (r_in + r_state).sigmoid(), (z_in + z_state).sigmoid()
        n = (n_in + r * n_state).tanh()
        return (1 - z) * n + z * h


class RNN(nn.Module):
    """Token embedding, ``depth`` recurrent layers, readout."""

    def __init__(
        self, inputs: int, outputs: int, vocabulary: int, width: int, depth: int,
        positions: int | None = None,
    ):  # fmt: skip
        """Build the layers; without ``positions`` only the last position is predicted."""
        super().__init__()
        self.last_only = positions is None
        self.embed = nn.Embedding(vocabulary, width)
        self.layers = nn.Sequential(*(GRU(width) for _ in range(depth)))
        self.readout = nn.Linear(width, outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (batch, context) to logits (batch, context, outputs), or (batch, outputs)."""
        h = self.layers(self.embed(tokens))
        return self.readout(h[:, -1] if self.last_only else h)


arch = paramsearch.Arch(build=RNN, axes={"width": 32, "depth": 1}, task="bytes", vocabulary=64)
