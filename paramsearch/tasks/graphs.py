"""Task ``graphs``: imitate a fixed random message-passing network on fresh random graphs."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from paramsearch.tasks.losses import square_error
from paramsearch.tasks.streams import generator
from paramsearch.tasks.task import Batch, Task

BATCH = 64
EVALUATION = 512
NODES, FEATURES, UNITS, OUTPUTS = 12, 4, 16, 4
EDGES = 0.25  # probability of an edge: 2.75 neighbours on average
GAIN = 1.5  # a linear model of the mean features keeps 63% of the loss


class Graphs(Task):
    """Regress on a message-passing network of two rounds; an endless noiseless stream of graphs.

    A graph has 12 nodes with 4 standard normal features each; every pair is joined by an edge with
    probability 1/4 (Erdos-Renyi). With ``A`` the mean over a node's neighbours (0 without any),
    the target is the mean over the nodes of ``V sin(W [h, A h])``, where
    ``h = sin(1.5 U [x, A x] + b)``; U and W have unit rows, b uniform phases.
    Targets are shifted and scaled to mean 0 and variance 1, so predicting 0 has an expected loss
    of 1. The network is the same for every seed.

    An example is a flat matrix: row v holds the edges of node v (0 or 1), then its features.

    Attributes:
        name: ``"graphs"``.
        dims: 12 * (12 + 4) inputs, 4 outputs, 12 nodes.
        loss_floor: 0, there is no noise.

    Example:
        >>> inputs, target = Graphs().batch(0)
        >>> tuple(inputs.shape), tuple(target.shape)
        ((64, 192), (64, 4))
    """

    name = "graphs"
    dims: Mapping[str, int] = {
        "inputs": NODES * (NODES + FEATURES),
        "outputs": OUTPUTS,
        "nodes": NODES,
    }
    loss_floor = 0.0

    def __init__(
        self, device: str | torch.device = "cpu", seed: int = 0, *, batch: int = BATCH
    ) -> None:
        """Draw the network; the seed chooses the graphs of the batches."""
        draws = generator("graphs", "weights")
        self._first = functional.normalize(torch.randn(UNITS, 2 * FEATURES, generator=draws))
        self._phase = 2 * math.pi * torch.rand(UNITS, generator=draws)
        self._second = functional.normalize(torch.randn(UNITS, 2 * UNITS, generator=draws))
        self._third = torch.randn(OUTPUTS, UNITS, generator=draws)
        self._shift, self._scale = torch.zeros(OUTPUTS), torch.ones(OUTPUTS)
        raw = self.answer(*_draw_graphs(1 << 14, draws))
        self._shift, self._scale = raw.mean(dim=0), raw.std(dim=0)
        self._seed, self._batch, self._device = seed, batch, device
        self._evaluation = self._draw(EVALUATION, generator("graphs", "evaluation"))

    def batch(self, step: int) -> Batch:
        """Give fresh graphs, drawn for (seed, step): (batch, 192) and (batch, 4)."""
        return self._draw(self._batch, generator("graphs", self._seed, step))

    def evaluation(self) -> Batch:
        """Give 512 fixed graphs: (512, 192) and (512, 4)."""
        return self._evaluation

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Give the mean square error; output and target (batch, 4)."""
        return square_error(output, target)

    def _draw(self, count: int, draws: torch.Generator) -> Batch:
        """Draw and answer on the CPU, so that every device sees the same numbers."""
        edges, features = _draw_graphs(count, draws)
        inputs = torch.cat([edges, features], dim=-1).flatten(-2)
        return inputs.to(self._device), self.answer(edges, features).to(self._device)

    def answer(self, edges: Tensor, features: Tensor) -> Tensor:
        """Give the targets of graphs.

        Args:
            edges: 0 or 1, symmetric, (graphs, 12, 12).
            features: Of every node, (graphs, 12, 4).

        Returns:
            One row per graph, (graphs, 4).
        """
        mean = edges / edges.sum(dim=-1, keepdim=True).clamp(min=1)
        h = torch.cat([features, mean @ features], dim=-1)
        h = torch.sin(GAIN * h @ self._first.T + self._phase)
        h = torch.sin(torch.cat([h, mean @ h], dim=-1) @ self._second.T)
        return ((h @ self._third.T).mean(dim=-2) - self._shift) / self._scale


def _draw_graphs(count: int, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    """Edges (count, NODES, NODES), symmetric, and features (count, NODES, FEATURES)."""
    above = (torch.rand(count, NODES, NODES, generator=draws) < EDGES).float().triu(diagonal=1)
    return above + above.mT, torch.randn(count, NODES, FEATURES, generator=draws)
