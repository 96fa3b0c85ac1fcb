"""Linear network of two layers, between neural tangent and maximal-update scaling."""

from torch import Tensor, nn

import paramsearch


class UV(nn.Module):
    """``f = n^(-(1-p)/2) V U x`` with entries of U and V drawn from N(0, sigma^2 / n^p).

    Here n is the width. ``p = 0`` is the neural tangent parameterization and ``p = 1``, a plain
    product of two matrices, the maximal-update one. Trained on one example with one output, the
    error and the trace of the Hessian follow a closed recursion (Kalra and Barkeshli 2023,
    arXiv:2311.02076).
    """

    def __init__(self, inputs: int, outputs: int, width: int, p: float = 1.0, sigma: float = 0.5):
        """Draw U and V; the smaller ``sigma``, the closer to zero the network starts."""
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p must lie between 0 and 1; received {p}")
        self.u = nn.Linear(inputs, width, bias=False)
        self.v = nn.Linear(width, outputs, bias=False)
        for layer in (self.u, self.v):
            nn.init.normal_(layer.weight, std=sigma * width ** (-p / 2))
        self.factor = width ** (-(1 - p) / 2)

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs (batch, inputs) to (batch, outputs)."""
        return self.factor * self.v(self.u(x))


arch = paramsearch.Arch(
    build=UV, axes={"width": 64}, task="teacher", options={"p": 1.0, "sigma": 0.5}
)
