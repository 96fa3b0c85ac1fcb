"""Evaluate a generation stage by stage; a candidate that is known to be worse stops early.

At every stage of the objective a candidate's score is a lower bound of its whole one. With ``d``
the per-seed differences between that bound and the whole score of the best candidate so far, over
their n common seeds, a candidate stops when

    mean(d) > 2 max(std(d) / sqrt(n), spread),

where ``spread`` is the standard error of the best one's score: what it is known to lose is more
than chance explains, whatever the later stages would say. Its bound is the score that the sampler
is told, which is above that of the best, as its score is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from paramsearch.discovery.evaluation import Evaluation
from paramsearch.discovery.ledger import Ledger
from paramsearch.discovery.paired import SURE, gap
from paramsearch.rules.rule import Rule
from paramsearch.score.objective import WHOLE
from paramsearch.score.stage import Stage


@dataclass(frozen=True, slots=True)
class Heat:
    """How far a candidate came.

    Attributes:
        trial: Number of its last evaluation in the store.
        evaluation: The last one.
        stage: Name of the stage it belongs to, ``whole`` for a candidate that came through.
    """

    trial: int
    evaluation: Evaluation
    stage: str

    @property
    def whole(self) -> bool:
        """Whether everything was measured."""
        return self.stage == WHOLE


def is_behind(bound: Evaluation, best: Evaluation) -> bool:
    """Say whether a candidate is worse than the best, by what is known of it.

    Args:
        bound: Its evaluation at a stage, on the first seeds of the best one's.
        best: The whole evaluation of the best candidate.

    Example:
        >>> best = Evaluation(0.1, 0.01, (0.09, 0.11), {}, [])
        >>> is_behind(Evaluation(0.5, 0.0, (0.5, 0.5), {}, []), best)
        True
        >>> is_behind(Evaluation(0.11, 0.0, (0.1, 0.12), {}, []), best)
        False
    """
    lost = gap(bound.per_seed, best.per_seed[: len(bound.per_seed)])
    return lost.mean > SURE * max(lost.error, best.spread)


class Race:
    """Evaluates generations, and remembers the best candidate.

    Args:
        ledger: Evaluates candidates.
        stages: Cheap stages of the objective, in order.
        seeds: Of a whole evaluation.
    """

    def __init__(self, ledger: Ledger, stages: Sequence[Stage], seeds: Sequence[int]) -> None:
        self._ledger = ledger
        self._stages = stages
        self._seeds = seeds
        self._best: Evaluation | None = None

    def run(self, rules: Sequence[Rule], generation: int) -> list[Heat]:
        """Evaluate candidates as far as each comes.

        Args:
            rules: The candidates.
            generation: Its number.

        Returns:
            One per candidate, in order.
        """
        heats: dict[int, Heat] = {}
        alive = list(range(len(rules)))
        for stage in self._stages:
            heats |= self._heats(rules, alive, generation, stage)
            best = self._best
            if best is None:  # the first leader is the best of the first stage
                first = min(alive, key=lambda index: heats[index].evaluation.score)
                best = self._heats(rules, [first], generation, None)[first].evaluation
                self._best = best
            alive = [i for i in alive if not is_behind(heats[i].evaluation, best)]
        heats |= self._heats(rules, alive, generation, None)
        whole = [heats[i].evaluation for i in alive]
        known = whole if self._best is None else [self._best, *whole]
        self._best = min(known, key=lambda evaluation: evaluation.score)
        return [heats[index] for index in range(len(rules))]

    def _heats(
        self, rules: Sequence[Rule], alive: Sequence[int], generation: int, stage: Stage | None
    ) -> dict[int, Heat]:
        if not alive:
            return {}
        seeds = self._seeds[: stage.seeds if stage else None]
        some = [rules[index] for index in alive]
        why = stage.name if stage else "search"
        found = self._ledger.measure(some, seeds, why, generation, stage)
        name = stage.name if stage else WHOLE
        return {
            index: Heat(result.trial, result.evaluation, name)
            for index, result in zip(alive, found, strict=True)
        }
