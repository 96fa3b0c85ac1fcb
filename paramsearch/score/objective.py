"""An objective: at which fidelity a rule is tried, and how its curves become one score."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import model_validator

from paramsearch.catalog import find
from paramsearch.probes.quantities import counted_slopes
from paramsearch.rules.yaml_file import read_yaml, validate
from paramsearch.score.collapse import (
    lr_collapse,
    probe_slopes,
    sharpness_collapse,
    transferred_loss,
)
from paramsearch.score.fidelity import Fidelity, Strict
from paramsearch.score.measured import Measured
from paramsearch.score.stage import ANSWERS, WHOLE, Stage
from paramsearch.score.weights import Weights as Weights


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
        stages: Cheap measurements, in order, before all of the fidelity is measured; a candidate
            that is known to be worse than the best one goes no further.
    """

    paramsearch: Literal[1]
    name: str
    description: str = ""
    fidelity: Fidelity
    weights: Weights = Weights()
    stages: tuple[Stage, ...] = ()

    @model_validator(mode="after")
    def _staged(self) -> "Objective":
        weights, fidelity = self.weights.model_dump(), self.fidelity
        for index, stage in enumerate(self.stages):
            where = f"stages.{index}"
            if weights["loss"] and "loss" not in stage.terms:
                raise ValueError(
                    f"{where}.terms: received {', '.join(stage.terms)}; allowed: with loss, the "
                    "one term that can be negative"
                )
            idle = [term for term in stage.terms if not weights[term]]
            if idle:
                raise ValueError(
                    f"{where}.terms: received {idle[0]}, whose weight is 0; allowed: "
                    f"{', '.join(term for term, weight in weights.items() if weight)}"
                )
            if stage.seeds and stage.seeds > fidelity.seeds:
                raise ValueError(
                    f"{where}.seeds: received {stage.seeds}; allowed: at most those of the "
                    f"fidelity, {fidelity.seeds}"
                )
            for ratio in stage.ratios or ():
                if ratio not in fidelity.ratios:
                    raise ValueError(
                        f"{where}.ratios: received {ratio}; allowed: those of the fidelity, "
                        f"{', '.join(map(str, fidelity.ratios))}"
                    )
        names = [stage.name for stage in self.stages]
        for name in names:
            if names.count(name) > 1 or name in (WHOLE, ANSWERS):
                raise ValueError(
                    f"stages: received the name '{name}'; allowed: names that differ from each "
                    f"other and from '{WHOLE}' and '{ANSWERS}', which every search has"
                )
        return self

    @model_validator(mode="after")
    def _comparable(self) -> "Objective":
        mode = self.fidelity.lr.mode
        if mode != "dense" and self.weights.lr_collapse > 0:
            raise ValueError(
                f"fidelity.lr.mode {mode} leaves curves without common learning rates, so "
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

    def at(self, stage: Stage | None) -> "Objective":
        """Give the objective that counts what a stage measures; itself for the whole."""
        if stage is None:
            return self
        return self.model_copy(update={"weights": self.weights.of(stage.terms)})

    def score(self, curves: Sequence[Measured], references: Sequence[float]) -> Score:
        """Score a rule.

        Args:
            curves: What was measured at every scale of the fidelity, base first.
            references: Best known loss at each of these scales.

        Returns:
            The score; each seed is scored by itself, so that its spread is that of the score.
            Tracked curves have no ``lr_collapse``, and what was not measured has no term; all
            terms but ``lr_collapse`` are taken at the base's best learning rate, in either mode.
            Where the curves are those of a stage, the total is a lower bound of the whole one.
        """
        slopes = counted_slopes(probe_slopes(curves))
        terms = {"loss": transferred_loss(curves, references)}
        if self.fidelity.lr.mode == "dense" and any(len(c.lrs) > 1 for c in curves[1:]):
            terms["lr_collapse"] = lr_collapse(curves)
        if all(len(c.steps) for c in curves):
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
