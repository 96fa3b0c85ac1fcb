"""Residual graph network: every node adds up what it and its neighbours say.

Blocks are pre-activation, norm before ReLU before the sum (Li et al. 2020, arXiv:2006.07739).
"""

from torch import Tensor, nn

import paramsearch


class Block(nn.Module):
    """``h + S z + N A z`` with ``z = relu(norm(h))``; A takes the mean over the neighbours."""

    def __init__(self, width: int):
        """Build the branch."""
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.own = nn.Linear(width, width)
        self.neighbours = nn.Linear(width, width, bias=False)

    def forward(self, h: Tensor, mean: Tensor) -> Tensor:
        """Map nodes (batch, nodes, width) and A (batch, nodes, nodes) to nodes."""
        z = self.norm(h).relu()
        return h + (self.own(z) + self.neighbours(mean @ z))


class GNN(nn.Module):
    """Node features -> width; ``depth`` blocks; norm, mean over the nodes; -> outputs."""

    def __init__(self, inputs: int, outputs: int, width: int, depth: int, nodes: int):
        """Build the layers for graphs whose rows are a node's edges, then its features."""
        super().__init__()
        features, rest = divmod(inputs, nodes)
        features -= nodes
        if rest or features < 1:
            raise ValueError(
                f"inputs must be nodes * (nodes + features); received {inputs} for {nodes} nodes"
            )
        self.rows = nodes, nodes + features
        self.input = nn.Linear(features, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.readout = nn.Linear(width, outputs)
        nn.init.normal_(self.readout.weight, std=0.02)  # so that the first guess is near 0

    def forward(self, x: Tensor) -> Tensor:
        """Map flat graphs (batch, nodes * (nodes + features)) to (batch, outputs)."""
        nodes, row = self.rows
        edges, features = x.unflatten(-1, self.rows).split([nodes, row - nodes], dim=-1)
        mean = edges / edges.sum(dim=-1, keepdim=True).clamp(min=1)
        h = self.input(features)
        for block in self.blocks:
            h = block(h, mean)
        return self.readout(self.norm(h).mean(dim=-2))


arch = paramsearch.Arch(build=GNN, axes={"width": 32, "depth": 2}, task="graphs")
