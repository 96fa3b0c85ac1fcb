"""The search: generations of candidates, then polish, intervals and simple fractions.

Nothing here knows whether a result was trained now or read from the store, so a resumed run takes
exactly the steps of an uninterrupted one.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paramsearch.discovery.encoding import Point
from paramsearch.discovery.evaluation import Evaluation
from paramsearch.discovery.ledger import Ledger
from paramsearch.discovery.polish import Polished, climb, intervals, snap
from paramsearch.discovery.progress import Listener, Progress
from paramsearch.discovery.proposer import Proposer, Sampling
from paramsearch.discovery.settings import SearchSettings
from paramsearch.rules.rule import Rule
from paramsearch.rules.space import Encoding

_STALE = 5  # generations without a new candidate after which the sampler has converged

RESTARTS = 3
"""Times that a better point, met while bounding the optimum, is climbed from."""

FINALISTS = 4
"""Candidates of the search that are measured again on fresh seeds."""


@dataclass(frozen=True, slots=True)
class Step:
    """One candidate of the search, in the order of evaluation.

    Attributes:
        trial: Number in the store.
        generation: Generation that proposed it.
        point: Grid indices.
        evaluation: On the seeds of the search.
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
    """

    rule: Rule
    best: Polished
    start: Evaluation
    baselines: dict[str, Evaluation]
    steps: tuple[Step, ...]


def proposer_for(
    settings: SearchSettings, encoding: Encoding, center: Point | None = None
) -> Proposer:
    """Make the proposer of a search.

    Args:
        settings: What was asked.
        encoding: The free exponents.
        center: Where its distribution is centred; by default at the start.

    Raises:
        ParamsearchError: Nothing is free, or the sampler cannot be used.
    """
    counts = [len(variable.values) for variable in encoding.variables]
    sizes = (settings.generation, settings.budget)
    sampling = Sampling(settings.sampler, settings.seed, *sizes)
    return Proposer(counts, center or tuple(encoding.start_indices), sampling)


class Driver:
    """One search; ``run`` does it all."""

    def __init__(
        self,
        settings: SearchSettings,
        encoding: Encoding,
        ledger: Ledger,
        published: Mapping[str, Rule],
        listen: Listener,
    ):
        """Bring the parts together.

        Args:
            settings: What was asked.
            encoding: The free exponents.
            ledger: Evaluates candidates.
            published: Baselines that fit axis and optimizer; empty for a blind search.
            listen: Told about progress.
        """
        self._settings = settings
        self._encoding = encoding
        self._ledger = ledger
        self._published = published
        self._listen = listen
        self._best = math.inf
        self._counts = tuple(len(variable.values) for variable in encoding.variables)

    def run(self) -> Found:
        """Search, polish, bound and snap.

        Returns:
            The rule found with its evidence.
        """
        self._ledger.base()
        steps = self.explore()
        counts, start = self._counts, tuple(self._encoding.start_indices)
        finalists = [step.point for step in sorted(steps, key=lambda step: step.robust)]
        starts = list(dict.fromkeys([*finalists[:FINALISTS], start]))
        self._best = math.inf  # scores on the fresh seeds are not comparable with the earlier ones
        point, _ = climb(self._measure, counts, starts, self._settings.polish_rounds)
        box = intervals(self._measure, counts, point)
        for _ in range(RESTARTS):
            if box.better is None:
                break
            point, _ = climb(self._measure, counts, [box.better], self._settings.polish_rounds)
            box = intervals(self._measure, counts, point)
        snapped, evaluation = snap(self._measure, point, self._fractions(point))
        best = Polished(
            snapped,
            evaluation,
            low=tuple(map(min, box.low, snapped)),
            high=tuple(map(max, box.high, snapped)),
        )
        first = self._measure([start], "polish", 0)[0]
        return Found(self.rule(snapped), best, first, self._baselines(), tuple(steps))

    def explore(self) -> list[Step]:
        """Ask, train and tell generations until the budget of distinct candidates is spent.

        Returns:
            The distinct candidates, in order; the first is where the solver arrived, or else
            the start.
        """
        settings = self._settings
        solved = self._solved() if settings.solve else []
        proposer = proposer_for(settings, self._encoding, solved[0] if solved else None)
        on_grid = (self._encoding.indices(rule) for rule in self._published.values())
        published = [tuple(point) for point in on_grid if point is not None]
        start = tuple(self._encoding.start_indices)
        proposer.enqueue(list(dict.fromkeys([start, *solved, *published])))
        steps: list[Step] = []
        seen: set[Point] = set()
        generation = stale = 0
        while len(steps) < settings.budget and stale < _STALE:
            points = proposer.ask(min(settings.generation, settings.budget - len(steps)))
            rules = [self.rule(point) for point in points]
            seeds = settings.search_seeds()
            results = self._ledger.measure(rules, seeds, "search", generation)
            proposer.tell([result.evaluation.score for result in results])
            first = {p: r for p, r in zip(points, results, strict=True) if p not in seen}
            new = [Step(r.trial, generation, p, r.evaluation) for p, r in first.items()]
            steps += new
            seen |= set(first)
            generation, stale = generation + 1, 0 if new else stale + 1
            self._tell("search", len(steps), settings.budget, [s.evaluation for s in new])
        return steps

    def _solved(self) -> list[Point]:
        """Give the grid points nearest to the simple rule and to what the solver measured."""
        self._listen(Progress("solve", 0, None, None))
        found = self._ledger.solution(self._encoding, self._settings.solve_seeds())
        variables = self._encoding.variables
        rows: list[list[float]] = [found["values"], found["measured"]]
        return [tuple(v.nearest(x) for v, x in zip(variables, row, strict=True)) for row in rows]

    @property
    def _name(self) -> str:
        words = (self._settings.arch.rsplit("/")[-1].removesuffix(".py"), self._settings.axis)
        return "-".join((*words, self._settings.optimizer))

    def rule(self, point: Point) -> Rule:
        """Give the rule at a grid point, named after what was asked."""
        return self._encoding.rule(point, self._name)

    def _measure(self, points: Sequence[Point], stage: str, number: int) -> list[Evaluation]:
        rules = [self.rule(point) for point in points]
        seeds = self._settings.final_seeds()
        results = self._ledger.measure(rules, seeds, stage, number)
        evaluations = [result.evaluation for result in results]
        self._tell(stage, self._ledger.trials, None, evaluations)
        return evaluations

    def _baselines(self) -> dict[str, Evaluation]:
        """Evaluate the published rules as they are, on the seeds of the polish."""
        fits: dict[str, Rule] = {}
        for name, rule in self._published.items():
            point = self._encoding.indices(rule)
            fits[name] = rule if point is None else self.rule(tuple(point))
        if not fits:
            return {}
        seeds = self._settings.final_seeds()
        results = self._ledger.measure(list(fits.values()), seeds, "baseline", 0)
        return {name: r.evaluation for name, r in zip(fits, results, strict=True)}

    def _fractions(self, point: Point) -> list[list[int]]:
        """Give for each exponent the indices of the multiples of 1/2 nearest to its value."""
        fractions: list[list[int]] = []
        for index, variable in zip(point, self._encoding.variables, strict=True):
            values = variable.values
            near = [k for k, value in enumerate(values) if abs(value - values[index]) < 0.5 - 1e-9]
            fractions.append([k for k in near if abs(2 * values[k] - round(2 * values[k])) < 1e-9])
        return fractions

    def _tell(
        self, stage: str, done: int, total: int | None, evaluations: Sequence[Evaluation]
    ) -> None:
        self._best = min([self._best, *(evaluation.score for evaluation in evaluations)])
        self._listen(Progress(stage, done, total, self._best))
