"""Evaluate a generation stage by stage; what is known to be worse, or is not promising, stops.

At every stage of the objective a candidate's score is a lower bound of its whole one. With ``d``
the per-seed differences between that bound and the whole score of the best candidate so far, over
their n common seeds, a candidate stops when

    mean(d) > 2 max(std(d) / sqrt(n), spread),

where ``spread`` is the standard error of the best one's score: what it is known to lose is more
than chance explains, whatever the later stages would say. Of the others at most half go on from
each stage, those with the lowest scores, as in successive halving (Jamieson and Talwalkar 2016,
arXiv 1502.07943).

The sampler is told whole scores; of a candidate that stopped, its score at the stage plus what the
later stages added to the score of the best candidate.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from paramsearch.discovery.evaluation import Evaluation
from paramsearch.discovery.ledger import Ledger
from paramsearch.discovery.paired import SURE, gap
from paramsearch.discovery.partial import completed
from paramsearch.rules.rule import Rule
from paramsearch.score.stage import WHOLE, Stage

KEPT = 0.5
"""Largest share of a generation that goes on from each stage to the next."""


@dataclass(frozen=True, slots=True)
class Heat:
    """How far a candidate came.

    Attributes:
        trial: Number of its last evaluation in the store.
        evaluation: The last one.
        told: Score that the sampler is told.
    """

    trial: int
    evaluation: Evaluation
    told: float

    @property
    def whole(self) -> bool:
        """Whether everything was measured."""
        return self.evaluation.stage == WHOLE


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
        self._best_at: dict[str, Evaluation] = {}  # the same candidate at every stage

    def run(self, rules: Sequence[Rule], generation: int) -> list[Heat]:
        """Evaluate candidates as far as each comes.

        Args:
            rules: The candidates.
            generation: Its number.

        Returns:
            One per candidate, in order.
        """
        heats: dict[int, Heat] = {}
        alive, room = list(range(len(rules))), float(len(rules))
        for stage in self._stages:
            heats |= self._heats(rules, alive, generation, stage)
            if self._best is None:  # the first leader is the best of the first stage
                first = min(alive, key=lambda index: heats[index].evaluation.score)
                self._lead(rules[first], generation)
            assert self._best is not None
            best, room = self._best, room * KEPT
            able = [i for i in alive if not is_behind(heats[i].evaluation, best)]
            able.sort(key=lambda index: heats[index].evaluation.score)
            alive = sorted(able[: max(1, math.ceil(room))])
        whole = self._heats(rules, alive, generation, None)
        heats |= whole
        leader = min(alive, key=lambda index: heats[index].evaluation.score, default=None)
        if leader is not None:
            score = whole[leader].evaluation.score
            if self._best is None or score < self._best.score:
                self._lead(rules[leader], generation)
        return [self._told(heats[index]) for index in range(len(rules))]

    def _lead(self, rule: Rule, generation: int) -> None:
        """Let a candidate lead; what later stages add to its score is measured with it."""
        for stage in self._stages:
            found = self._heats([rule], [0], generation, stage)
            self._best_at[stage.name] = found[0].evaluation
        self._best = self._heats([rule], [0], generation, None)[0].evaluation

    def _told(self, heat: Heat) -> Heat:
        if heat.whole or self._best is None:
            return heat
        estimate = completed(heat.evaluation, self._best, self._best_at[heat.evaluation.stage])
        return replace(heat, told=estimate.score)

    def _heats(
        self, rules: Sequence[Rule], alive: Sequence[int], generation: int, stage: Stage | None
    ) -> dict[int, Heat]:
        if not alive:
            return {}
        seeds = self._seeds[: stage.seeds if stage else None]
        some = [rules[index] for index in alive]
        why = stage.name if stage else "search"
        found = self._ledger.measure(some, seeds, why, generation, stage)
        return {
            index: Heat(result.trial, result.evaluation, result.evaluation.score)
            for index, result in zip(alive, found, strict=True)
        }
