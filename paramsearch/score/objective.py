"""An objective: at which fidelity a rule is tried, and how its curves become one score."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from paramsearch.catalog import find
from paramsearch.rules.yaml_file import read_yaml, validate
from paramsearch.score.collapse import (
    lr_collapse,
    probe_slopes,
    sharpness_collapse,
    transferred_loss,
)
from paramsearch.score.measured import Measured

Array = NDArray[np.float64]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]

MOST_RATES = 1000
"""Learning rates that a grid may have; more is a slip of the pen."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LrGrid(_Strict):
    """Learning rates: a grid at the base scale, and a window around its optimum elsewhere.

    Attributes:
        low: Lowest learning rate tried at the base scale.
        high: Highest.
        step: Distance of neighbours, in octaves.
        window: How far the grid at other scales reaches on either side of the base optimum, in
            octaves.
    """

    low: Positive
    high: Positive
    step: Positive = 0.5
    window: Positive = 2.0

    @model_validator(mode="after")
    def _ordered(self) -> "LrGrid":
        counts = {"base grid": self._count(), "window": 2 * int(self.window / self.step) + 1}
        if self._count() < 3:
            raise ValueError(
                f"the learning-rate grid needs at least 3 values; low {self.low}, high {self.high} "
                f"and step {self.step} octaves give {self._count()}"
            )
        for name, count in counts.items():
            if count > MOST_RATES:
                raise ValueError(
                    f"step {self.step} octaves gives the {name} {count} learning rates; "
                    f"at most {MOST_RATES} are allowed"
                )
        return self

    def _count(self) -> int:
        octaves = float(np.log2(self.high) - np.log2(self.low))
        return max(0, int(np.floor(octaves / self.step + 1e-9)) + 1)

    def values(self) -> list[float]:
        """List the learning rates of the base scale, lowest first."""
        return [self.low * 2.0 ** (self.step * k) for k in range(self._count())]

    def around(self, lr: float) -> list[float]:
        """List the learning rates within the window around one of them."""
        reach = max(1, int(self.window / self.step + 1e-9))
        return [lr * 2.0 ** (self.step * k) for k in range(-reach, reach + 1)]


class Fidelity(_Strict):
    """What is trained to score a rule.

    Attributes:
        ratios: Scales relative to the base, which comes first as 1.
        steps: Updates per run.
        seeds: Initial parameters per rule.
        lr: The learning-rate grids.
        sharpness: How often critical sharpness is measured, evenly over the run.
    """

    ratios: tuple[Annotated[int, Field(ge=1)], ...]
    steps: Annotated[int, Field(ge=2)]
    seeds: Annotated[int, Field(ge=1)]
    lr: LrGrid
    sharpness: Annotated[int, Field(ge=1)] = 12

    @model_validator(mode="after")
    def _growing(self) -> "Fidelity":
        growing = all(a < b for a, b in zip(self.ratios, self.ratios[1:], strict=False))
        if self.ratios[:1] != (1,) or len(self.ratios) < 2 or not growing:
            raise ValueError(f"ratios must start at 1 and grow; received {list(self.ratios)}")
        return self

    def sharpness_steps(self) -> list[int]:
        """List the steps at which critical sharpness is measured."""
        middles = (np.arange(self.sharpness) + 0.5) / self.sharpness
        return sorted({int(middle * self.steps) for middle in middles})


class Weights(_Strict):
    """How much each term counts in the score.

    Attributes:
        loss: Log loss at the transferred learning rate over the best known, mean over scales.
        lr_collapse: Distance of the learning-rate curves, in log loss.
        sharpness_collapse: Distance of the sharpness curves, in octaves.
        probe_slopes: Mean absolute slope of the update probes.
    """

    loss: Weight = 1.0
    lr_collapse: Weight = 1.0
    sharpness_collapse: Weight = 0.25
    probe_slopes: Weight = 1.0

    @model_validator(mode="after")
    def _counts_something(self) -> "Weights":
        if not any(self.model_dump().values()):
            raise ValueError("received no weight above 0; allowed: at least one above 0")
        return self


@dataclass(frozen=True, slots=True)
class Score:
    """How good a rule is; lower is better.

    Attributes:
        total: Weighted sum of the terms, finite.
        spread: Standard error of the total over seeds; 0 for one seed.
        per_seed: The total of each seed.
        terms: Unweighted terms by name, averaged over seeds.
        slopes: "<probe>/<group>" -> the slopes that count, averaged over seeds; all are zero
            under a good parameterization.
    """

    total: float
    spread: float
    per_seed: tuple[float, ...]
    terms: dict[str, float]
    slopes: dict[str, float]


class Objective(_Strict):
    """An objective file: fidelity and weights.

    Attributes:
        paramsearch: Version of the file format.
        name: Name of the objective.
        description: What it is for.
        fidelity: What is trained to score a rule.
        weights: How the terms are added up.
    """

    paramsearch: Literal[1]
    name: str
    description: str = ""
    fidelity: Fidelity
    weights: Weights = Weights()

    @staticmethod
    def load(name: str) -> "Objective":
        """Load an objective by shipped name or by path.

        Args:
            name: For instance ``"transfer"`` or ``"my/objective.yaml"``.

        Returns:
            The objective.

        Raises:
            ParamsearchError: No such objective, or its file is malformed.

        Example:
            >>> Objective.load("transfer").fidelity.ratios[0]
            1
        """
        path = find("objective", name)
        return validate(Objective, path, read_yaml(path))

    def score(self, curves: Sequence[Measured], references: Sequence[float]) -> Score:
        """Score a rule.

        Args:
            curves: What was measured at every scale of the fidelity, base first.
            references: Best known loss at each of these scales.

        Returns:
            The score; each seed is scored by itself, so that its spread is that of the score.
        """
        slopes = counted_slopes(probe_slopes(curves))
        terms = {
            "loss": transferred_loss(curves, references),
            "lr_collapse": lr_collapse(curves),
            "sharpness_collapse": sharpness_collapse(curves),
            "probe_slopes": np.mean([np.abs(slope) for slope in slopes.values()], axis=0),
        }
        weights = self.weights.model_dump()
        per_seed = np.sum([weights[name] * values for name, values in terms.items()], axis=0)
        count = len(per_seed)
        return Score(
            total=float(per_seed.mean()),
            spread=float(per_seed.std(ddof=1) / count**0.5) if count > 1 else 0.0,
            per_seed=tuple(float(value) for value in per_seed),
            terms={name: float(values.mean()) for name, values in terms.items()},
            slopes={name: float(slope.mean()) for name, slope in slopes.items()},
        )


def counted_slopes(slopes: dict[str, Array]) -> dict[str, Array]:
    """Select the slopes that a good parameterization makes zero.

    The readout's output at initialization may shrink with scale, as it does under muP, but not
    grow. Biases and gains share the output of their layer's weight, which is counted there.
    Tensors that do not grow are not the rule's to scale.

    Args:
        slopes: "<probe>/<group>" -> slopes of any shape.

    Returns:
        Those that count, the readout's signal cut off at zero from below.
    """
    counted: dict[str, Array] = {}
    for name, slope in slopes.items():
        probe, group = name.split("/")
        role = group.split(".")[0]
        if probe == "signal" and role == "output":
            counted[name] = np.maximum(slope, 0.0)
        elif role in ("input", "hidden", "output") or (probe, role) == ("update_share", "vector"):
            counted[name] = slope
    return counted
