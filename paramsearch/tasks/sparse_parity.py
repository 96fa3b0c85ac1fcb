"""Task ``sparse_parity``: the product of three out of 64 signs, which frozen features cannot find.

Barak et al. 2022 (arXiv 2207.08799); the gap to kernels is that of Abbe et al. 2022 (2202.08658).
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from paramsearch.errors import ParamsearchError
from paramsearch.tasks.losses import square_error
from paramsearch.tasks.streams import generator
from paramsearch.tasks.task import Batch, Task

BATCH = 64
EVALUATION = 512


class SparseParity(Task):
    r"""Regress on the product of a few signs among many: it takes feature learning to see it.

    The target is ``y = x_1 ... x_k`` with x uniform in {-1, 1}^n, an endless noiseless stream.
    It is uncorrelated with every function of fewer than all k signs, so with frozen features (a
    kernel, a lazy rule) about n^k / k! examples are needed: 41664 by default, more than 600
    batches. Predicting 0 has a loss of 1.

    Attributes:
        name: ``"sparse_parity"``.
        dims: n inputs, 1 output.
        loss_floor: 0, there is no noise.
    """

    name = "sparse_parity"
    loss_floor = 0.0

    def __init__(
        self,
        device: str | torch.device = "cpu",
        seed: int = 0,
        *,
        inputs: int = 64,
        degree: int = 3,
        batch: int = BATCH,
    ) -> None:
        """Take the parity of the first ``degree`` inputs; the seed chooses the batches."""
        if degree > inputs:
            raise ParamsearchError(
                f"task 'sparse_parity': received degree={degree}; allowed: 1 to inputs={inputs}"
            )
        self.dims: Mapping[str, int] = {"inputs": inputs, "outputs": 1}
        self._seed, self._device, self._degree, self._batch = seed, device, degree, batch
        self._evaluation = self._draw(EVALUATION, generator("sparse_parity", "evaluation"))

    def batch(self, step: int) -> Batch:
        """Give fresh examples, drawn for (seed, step): (batch, n) and (batch, 1)."""
        return self._draw(self._batch, generator("sparse_parity", self._seed, step))

    def evaluation(self) -> Batch:
        """Give 512 fixed examples: (512, n) and (512, 1)."""
        return self._evaluation

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Give the mean square error; output and target (batch, 1)."""
        return square_error(output, target)

    def _draw(self, count: int, draws: torch.Generator) -> Batch:
        """Draw on the CPU, so that every device sees the same numbers."""
        shape = count, self.dims["inputs"]
        inputs = (2 * torch.randint(2, shape, generator=draws) - 1).float().to(self._device)
        return inputs, inputs[:, : self._degree].prod(dim=1, keepdim=True)
