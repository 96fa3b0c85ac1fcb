"""How many times the core runs at each step of training: mean, draw, and truncated gradient.

McLeish et al., 2025, arXiv 2511.07384; the draw is that of Geiping et al., 2025, arXiv 2502.05171.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, log, sqrt
from typing import Any

import torch
from torch import nn

from paramsearch.errors import ParamsearchError, unknown_name
from paramsearch.tasks.streams import generator

SHAPES: dict[str, Callable[[float], float]] = {
    "linear": lambda u: u,
    "1-sqrt": lambda u: 1 - sqrt(1 - u),
}
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Curriculum:
    """The mean number of loops over training, ``mean(t) = ceil(most * phi(t / steps))``.

    It stays at ``most`` from step ``steps`` on, and is never below 1.

    | shape    | phi(u)          |
    | -------- | --------------- |
    | linear   | u               |
    | 1-sqrt   | 1 - sqrt(1 - u) |

    Attributes:
        most: The mean number of loops in the end.
        steps: How many steps it takes to get there; 0 for a constant.
        shape: ``"linear"`` or ``"1-sqrt"``, which starts slower and so costs less.
        spread: Of the logarithm of the draws' mean.
        window: Gradients flow through this many last loops at most.

    Example:
        >>> [Curriculum(8, 100).mean(step) for step in (0, 25, 50, 75, 100)]
        [1, 2, 4, 6, 8]
        >>> [Curriculum(8, 100, "1-sqrt").mean(step) for step in (0, 25, 50, 75, 100)]
        [1, 2, 3, 4, 8]
    """

    most: int
    steps: int
    shape: str = "linear"
    spread: float = 0.5
    window: int = 8

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.shape not in SHAPES:
            raise unknown_name("shape of curriculum", self.shape, SHAPES)
        for name, least in (("most", 1), ("steps", 0), ("spread", 0), ("window", 1)):
            if getattr(self, name) < least:
                raise ParamsearchError(
                    f"curriculum: {name}: received {getattr(self, name)}; allowed: at least {least}"
                )

    def mean(self, step: int) -> int:
        """Give the mean number of loops at a step."""
        share = 1.0 if step >= self.steps else step / self.steps
        return max(1, ceil(self.most * SHAPES[self.shape](share) - _ROUNDING))

    def draw(self, step: int, seed: int = 0) -> int:
        """Draw the number of loops of a step, the same on every machine and after a resume.

        tau ~ LogNormal(ln(mean) - spread^2 / 2, spread), loops ~ 1 + Poisson(tau). As tau has the
        mean of the curriculum, the draws have that mean plus 1.

        Args:
            step: Of training.
            seed: Of the run.

        Returns:
            The number of loops, at least 1.
        """
        random = generator("loops", seed, step)
        centre = log(self.mean(step)) - self.spread**2 / 2
        tau = (centre + self.spread * torch.randn(1, generator=random, dtype=torch.float64)).exp()
        return 1 + int(torch.poisson(tau, generator=random))

    def backprop(self, loops: int) -> int:
        """Give through how many last loops gradients flow, ``min(window, loops)``.

        Example:
            >>> Curriculum(32, 100).backprop(20), Curriculum(32, 100).backprop(3)
            (8, 3)
        """
        return min(self.window, loops)

    def prepare(self, model: nn.Module, step: int, seed: int = 0) -> None:
        """Set the loops and the truncated gradient of a ``looped_gpt`` for a step of training."""
        looped: Any = model
        looped.loops = self.draw(step, seed)
        looped.backprop = self.backprop(looped.loops)
