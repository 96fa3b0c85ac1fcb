"""What evaluating a rule gives, and the base curve on which all evaluations stand."""

from dataclasses import asdict, dataclass, field
from typing import Any

from paramsearch.score.stage import WHOLE


@dataclass(frozen=True)
class BaseCurve:
    """The loss-versus-learning-rate curve of the base model, which all rules share.

    Attributes:
        scale: Size of the base along the axis.
        lrs: Learning rates of the wide grid.
        losses: Final losses per learning rate and seed, inf where diverged.
        optimum: Best learning rate, from a local quadratic.
        center: The learning rate of the grid nearest to it, at which losses are transferred.
        best_loss: Loss at the optimum.
        failed: Runs that failed, of a user's program.
        failure: What the first of them did, in words; "" where none failed.
    """

    scale: int
    lrs: list[float]
    losses: list[list[float]]
    optimum: float
    center: float
    best_loss: float
    failed: int = 0
    failure: str = ""


@dataclass(frozen=True)
class Evaluation:
    """Score of one rule, and the curves behind it.

    Attributes:
        score: Lower is better; finite.
        spread: Standard error over seeds.
        per_seed: Score of each seed.
        terms: Unweighted terms of the objective.
        curves: What was measured at each scale, base first, as plain data.
        slopes: "<probe>/<group>" -> slope against the log ratio, those that should be zero.
        stage: Which part of the objective was measured; of the whole score, that of a part is a
            lower bound.
    """

    score: float
    spread: float
    per_seed: tuple[float, ...]
    terms: dict[str, float]
    curves: list[dict[str, Any]]
    slopes: dict[str, float] = field(default_factory=dict[str, float])
    stage: str = WHOLE

    def to_json(self) -> dict[str, Any]:
        """Give plain data."""
        return asdict(self) | {"per_seed": list(self.per_seed)}

    @staticmethod
    def from_json(data: dict[str, Any]) -> "Evaluation":
        """Read what ``to_json`` gave."""
        return Evaluation(
            score=data["score"],
            spread=data["spread"],
            per_seed=tuple(data["per_seed"]),
            terms=data["terms"],
            curves=data["curves"],
            slopes=data["slopes"],
            stage=data["stage"],
        )
