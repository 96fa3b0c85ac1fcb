"""What a search found, and every candidate that it tried."""

import statistics
from dataclasses import dataclass
from typing import Literal

from paramsearch.discovery.answers.answer import Answer
from paramsearch.discovery.answers.longer import Longer
from paramsearch.discovery.answers.sensitivity import Sensitivity
from paramsearch.discovery.encoding import Point
from paramsearch.discovery.evaluation import Evaluation
from paramsearch.discovery.polish import Polished
from paramsearch.rules.rule import Rule


@dataclass(frozen=True, slots=True)
class Step:
    """One candidate of the search, in the order of evaluation.

    Attributes:
        trial: Number in the store.
        generation: Generation that proposed it.
        point: Grid indices.
        evaluation: On the seeds of the search, at the last stage to which it came.
    """

    trial: int
    generation: int
    point: Point
    evaluation: Evaluation

    @property
    def robust(self) -> float:
        """Median of the scores over seeds."""
        return statistics.median(self.evaluation.per_seed)


@dataclass(frozen=True, slots=True)
class Found:
    """What the search found.

    Attributes:
        rule: The rule, snapped where free.
        best: Its grid indices, evaluation, and what is tied with it.
        start: The rule from which the search began, on the same seeds.
        baselines: Published rules on the same seeds; empty in a blind search.
        steps: Every candidate of the search.
        polished: What was measured afterwards on fresh seeds, in order, each as far as it came.
        sensitivity: What being off by a quarter costs, the most costly exponent first; by the
            transferred loss where the rule was chosen for it, else by the score.
        answer: What the rule was chosen from; None where the objective lacks loss or probes.
        longer: What longer runs said of the rules that the answer was chosen from, or of the rule
            and the start; None where none were made.
        lost: What the sensitivity is in: the ``score``, or the log ``loss``.
    """

    rule: Rule
    best: Polished
    start: Evaluation
    baselines: dict[str, Evaluation]
    steps: tuple[Step, ...]
    polished: tuple[Evaluation, ...] = ()
    sensitivity: tuple[Sensitivity, ...] = ()
    answer: Answer | None = None
    longer: Longer | None = None
    lost: Literal["score", "loss"] = "score"
