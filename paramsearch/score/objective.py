"""An objective: at which fidelity a rule is tried, and how its curves become one score."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from paramsearch.catalog import find
from paramsearch.rules.yaml_file import read_yaml, validate
from paramsearch.score.collapse import (
    lr_collapse,
    probe_slopes,
    sharpness_collapse,
    transferred_loss,
)
from paramsearch.score.fidelity import Fidelity, Strict
from paramsearch.score.measured import Measured

Array = NDArray[np.float64]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Weights(Strict):
    """How much each term counts in the score; what has weight 0 and its own probes is not measured.

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


class Objective(Strict):
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

    @model_validator(mode="after")
    def _comparable(self) -> "Objective":
        if self.fidelity.lr.mode == "track" and self.weights.lr_collapse > 0:
            raise ValueError(
                f"fidelity.lr.mode track leaves curves without common learning rates, so "
                f"weights.lr_collapse must be 0; received {self.weights.lr_collapse:g}"
            )
        return self

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
            Tracked curves have no ``lr_collapse``, and what was not measured has no term; all
            terms but ``lr_collapse`` are taken at the base's best learning rate, in either mode.
        """
        slopes = counted_slopes(probe_slopes(curves))
        terms = {"loss": transferred_loss(curves, references)}
        if self.fidelity.lr.mode == "dense":
            terms["lr_collapse"] = lr_collapse(curves)
        if len(curves[0].steps):
            terms["sharpness_collapse"] = sharpness_collapse(curves)
        if slopes:
            terms["probe_slopes"] = np.mean([np.abs(s) for s in slopes.values()], axis=0)
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
