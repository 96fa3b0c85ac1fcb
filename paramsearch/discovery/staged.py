"""Measure points of the polish stage by stage, beside a rival; what cannot match it stops early.

With ``d`` the differences, seed by seed, between the scores of a point and of its rival at a stage,
a point stops when

    mean(d) > 2 max(std(d) / sqrt(n), spread),

where ``spread`` is the standard error of the rival's whole score: what it loses by then is more
than chance explains, and the later stages, which look at the same loss from other sides, would have
to favour it by as much. It also stops when its score at the stage, a lower bound, exceeds the whole
score of the rival by more than 2 spread. Of 77 points around the best of a convnet 34 to 52 stopped
so, and of 28 of an mlp up to 7, none of which was better than the best or tied; of 16 of a residual
mlp 6 to 10, one of which was tied.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from paramsearch.discovery.encoding import Point
from paramsearch.discovery.evaluation import Evaluation
from paramsearch.discovery.ledger import Ledger
from paramsearch.discovery.paired import SURE, gap
from paramsearch.rules.rule import Rule
from paramsearch.score.stage import WHOLE, Stage


def is_hopeless(part: Evaluation, rival: Evaluation, rival_part: Evaluation) -> bool:
    """Say whether the score of a point at a stage leaves no hope that it is as good as a rival.

    Args:
        part: Of the point, at a stage.
        rival: The whole evaluation of the rival.
        rival_part: The rival at the same stage.

    Example:
        >>> best = Evaluation(0.4, 0.01, (0.39, 0.41), {}, [])
        >>> at_stage = Evaluation(0.1, 0.01, (0.09, 0.11), {}, [])
        >>> parts = [Evaluation(x, 0.0, (x, x), {}, []) for x in (0.11, 0.2)]
        >>> [is_hopeless(part, best, at_stage) for part in parts]
        [False, True]
    """
    lost, bound = gap(part.per_seed, rival_part.per_seed), gap(part.per_seed, rival.per_seed)
    allowed = SURE * rival.spread
    return lost.mean > max(SURE * lost.error, allowed) or bound.mean > allowed


def completed(part: Evaluation, rival: Evaluation, rival_part: Evaluation) -> Evaluation:
    """Estimate the whole score of what stopped: later stages add what they add for the rival.

    Args:
        part: Of the point, at a stage, which stays that of the result.
        rival: The whole evaluation of the rival.
        rival_part: The rival at the same stage.
    """
    triples = zip(part.per_seed, rival.per_seed, rival_part.per_seed, strict=True)
    per_seed = tuple(own + whole - known for own, whole, known in triples)
    return replace(part, score=part.score + rival.score - rival_part.score, per_seed=per_seed)


class Staged:
    """Evaluates points on common seeds, and remembers them.

    Args:
        ledger: Evaluates candidates.
        stages: Cheap stages of the objective, in order.
        seeds: Of every evaluation.
        rule: Gives the rule at a point.
        listen: Told about the evaluations of every stage; of those that are whole, the scores.

    Attributes:
        met: Points that were measured; those that stopped, as far as they came.
    """

    def __init__(
        self,
        ledger: Ledger,
        stages: Sequence[Stage],
        seeds: Sequence[int],
        rule: Callable[[Point], Rule],
        listen: Callable[[str, Sequence[Evaluation]], None],
    ) -> None:
        self.met: dict[Point, Evaluation] = {}
        self._ledger = ledger
        self._stages = stages
        self._seeds = seeds
        self._rule = rule
        self._listen = listen

    def __call__(
        self, points: Sequence[Point], stage: str, number: int, rival: Point | None = None
    ) -> list[Evaluation]:
        """Measure points; beside a rival, those that are hopeless stop, and are completed."""
        found = {p: self.met[p] for p in points if p in self.met and self.met[p].stage == WHOLE}
        left = [point for point in dict.fromkeys(points) if point not in found]
        if rival is not None and left:
            (best,) = self._at([rival], stage, number, None)
            for part in self._stages:
                (there,) = self._at([rival], stage, number, part)
                results = dict(zip(left, self._at(left, stage, number, part), strict=True))
                self._listen(stage, ())
                hopeless = [p for p in left if is_hopeless(results[p], best, there)]
                self.met |= results
                found |= {p: completed(results[p], best, there) for p in hopeless}
                left = [point for point in left if point not in found]
        whole = dict(zip(left, self._at(left, stage, number, None), strict=True))
        self._listen(stage, list(whole.values()))
        self.met |= whole
        found |= whole
        return [found[point] for point in points]

    def _at(
        self, points: Sequence[Point], stage: str, number: int, part: Stage | None
    ) -> list[Evaluation]:
        if not points:
            return []
        rules = [self._rule(point) for point in points]
        results = self._ledger.measure(rules, self._seeds, stage, number, part)
        return [result.evaluation for result in results]
