"""Task ``teacher``: imitate a fixed random network that looks at a few directions only."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from paramsearch.tasks.losses import square_error
from paramsearch.tasks.streams import generator
from paramsearch.tasks.task import Batch, Task

BATCH = 64
EVALUATION = 512
INPUTS, DIRECTIONS, UNITS, OUTPUTS = 32, 4, 32, 8
GAIN = 1.25  # of a sine's variance, 41% is linear, 32% quadratic, 17% cubic


class Teacher(Task):
    """Regress on a two-layer sine network of a few hidden directions; an endless noiseless stream.

    The target is ``y = V sin(1.25 W U x + b)`` with x standard normal in 32 dimensions, U the
    projection onto 4 orthonormal directions, the 32 rows of W unit vectors, b uniform phases.
    The best linear model keeps more than half of the loss; for the rest, a model that does not
    learn features has to cover 32 dimensions where one that does needs 4.
    Targets are shifted and scaled to mean 0 and variance 1, so predicting 0 has an expected loss
    of 1. The teacher is the same for every seed.

    Attributes:
        name: ``"teacher"``.
        dims: 32 inputs, 8 outputs.
        loss_floor: 0, there is no noise.
    """

    name = "teacher"
    dims: Mapping[str, int] = {"inputs": INPUTS, "outputs": OUTPUTS}
    loss_floor = 0.0

    def __init__(
        self, device: str | torch.device = "cpu", seed: int = 0, *, batch: int = BATCH
    ) -> None:
        """Draw the teacher; the seed chooses the inputs of the batches."""
        draws = generator("teacher", "weights")
        directions = nn.init.orthogonal_(torch.empty(DIRECTIONS, INPUTS), generator=draws)
        units = functional.normalize(torch.randn(UNITS, DIRECTIONS, generator=draws))
        self._first = GAIN * units @ directions  # (UNITS, INPUTS)
        self._phase = 2 * math.pi * torch.rand(UNITS, generator=draws)
        self._second = torch.randn(OUTPUTS, UNITS, generator=draws)
        self._shift, self._scale = torch.zeros(OUTPUTS), torch.ones(OUTPUTS)
        # 2^16 examples: the mean square of the targets is 1 to within one percent.
        raw = self._answer(torch.randn(1 << 16, INPUTS, generator=draws))
        self._shift, self._scale = raw.mean(dim=0), raw.std(dim=0)
        self._seed, self._batch, self._device = seed, batch, device
        self._evaluation = self._draw(EVALUATION, generator("teacher", "evaluation"))

    def batch(self, step: int) -> Batch:
        """Give fresh examples, drawn for (seed, step): (batch, 32) and (batch, 8)."""
        return self._draw(self._batch, generator("teacher", self._seed, step))

    def evaluation(self) -> Batch:
        """Give 512 fixed examples: (512, 32) and (512, 8)."""
        return self._evaluation

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Give the mean square error; output and target (batch, 8)."""
        return square_error(output, target)

    def _draw(self, count: int, draws: torch.Generator) -> Batch:
        """Draw and answer on the CPU, so that every device sees the same numbers."""
        inputs = torch.randn(count, INPUTS, generator=draws)
        return inputs.to(self._device), self._answer(inputs).to(self._device)

    def _answer(self, inputs: Tensor) -> Tensor:
        """Targets (examples, OUTPUTS) of inputs (examples, INPUTS)."""
        hidden = torch.sin(inputs @ self._first.T + self._phase)
        return (hidden @ self._second.T - self._shift) / self._scale
