"""The search: a climb from the solver's rule, proposals, polish, intervals and simple fractions.

Nothing here knows whether a result was trained now or read from the store, so a resumed run takes
exactly the steps of an uninterrupted one.
"""

import math
from collections.abc import Mapping, Sequence

from paramsearch.discovery.answers.answer import Answer, answer, answers
from paramsearch.discovery.answers.limit import has_limit
from paramsearch.discovery.answers.longer import START, Longer
from paramsearch.discovery.answers.outlast import FOUND, outlasting
from paramsearch.discovery.answers.sensitivity import sensitivities
from paramsearch.discovery.answers.valleys import Valleys
from paramsearch.discovery.budget import Purse
from paramsearch.discovery.encoding import Point
from paramsearch.discovery.evaluation import Evaluation
from paramsearch.discovery.explore import explore, proposer_for
from paramsearch.discovery.found import Found, Step
from paramsearch.discovery.ledger import Ledger
from paramsearch.discovery.measures import Measures
from paramsearch.discovery.patience import Patience
from paramsearch.discovery.polish import Measure, Polished, climb, confirmed, intervals, snap
from paramsearch.discovery.progress import Listener, Progress
from paramsearch.discovery.race import Race
from paramsearch.discovery.settings import SearchSettings
from paramsearch.discovery.staged import Staged
from paramsearch.rules.rule import Rule
from paramsearch.rules.space import Encoding
from paramsearch.score.objective import Objective
from paramsearch.score.stage import WHOLE

RESTARTS = 3
"""Times that a better point, met while bounding the optimum, is climbed from."""

FINALISTS = 4
"""Candidates of the search that are measured again on fresh seeds."""


class Driver:
    """One search; ``run`` does it all."""

    def __init__(
        self,
        settings: SearchSettings,
        encoding: Encoding,
        ledger: Ledger,
        published: Mapping[str, Rule],
        listen: Listener,
        purse: Purse | None = None,
        suggested: Sequence[Point] = (),
        objective: Objective | None = None,
    ):
        """Bring the parts together.

        Args:
            settings: What was asked.
            encoding: The free exponents.
            ledger: Evaluates candidates.
            published: Baselines that fit axis and optimizer; empty for a blind search.
            listen: Told about progress.
            purse: Says how long the sampler goes on; by default by the budget of the settings.
            suggested: Grid points that the user wants to be tried first.
            objective: Gives the cheap stages, and says whether rules are compared by loss and
                limit behaviour in the end; by default neither.
        """
        self._purse = purse or Purse(settings.allowance, settings.together)
        self._suggested = suggested
        stages = objective.stages if objective else ()
        self._race = Race(ledger, stages, settings.search_seeds())
        self._measure = Staged(ledger, stages, settings.final_seeds(), self.rule, self._heard)
        self._answers = objective is not None and answers(objective)
        self._outlasting = objective is not None and outlasting(settings, objective)
        self._weight = objective.weights.probe_slopes if objective else 0.0
        self._settings = settings
        self._encoding = encoding
        self._ledger = ledger
        self._measures = Measures(ledger, settings, self.rule, self._measured)
        self._published = published
        self._listen = listen
        self._best = math.inf
        self._simple: Point | None = None  # the solver's rule, if its simple exponents are as good
        self._counts = tuple(len(variable.values) for variable in encoding.variables)

    def run(self) -> Found:
        """Search, polish, bound and snap.

        Returns:
            The rule found with its evidence.
        """
        point, steps = self.optimum()
        counts, start = self._counts, tuple(self._encoding.start_indices)
        box = intervals(self._measure, counts, point)
        for _ in range(RESTARTS):
            if box.better is None or (again := self._climbed([box.better], point)) == point:
                break
            point = again
            box = intervals(self._measure, counts, point)
        snapped, evaluation = snap(self._measure, point, self._fractions(point))
        low, high = tuple(map(min, box.low, snapped)), tuple(map(max, box.high, snapped))
        best = Polished(snapped, evaluation, low, high)
        first, baselines = self._measure([start], "polish", 0)[0], self._baselines()
        answer, longer = self._answer(snapped, start, steps) if self._answers else (None, None)
        measure: Measure = self._measure
        if answer and answer.point != snapped:
            measure = self._measures.by_loss
            around = intervals(measure, counts, answer.point)
            (evaluation,) = self._measure([answer.point], "polish", 0)
            best = Polished(answer.point, evaluation, around.low, around.high)
        costs = sensitivities(measure, self._encoding.variables, best.point)
        rule = self.rule(best.point)
        lost = "score" if measure is self._measure else "loss"
        if self._outlasting and best.point != start:
            longer = self._longer({FOUND: rule, START: self.rule(start)})
        met, tried = tuple(self._measure.met.values()), tuple(steps)
        return Found(rule, best, first, baselines, tried, met, tuple(costs), answer, longer, lost)

    @property
    def incumbent(self) -> Point | None:
        """The best point that the polish has measured so far, on the seeds of the climb."""
        met = self._measure.met
        whole = [point for point, evaluation in met.items() if evaluation.stage == WHOLE]
        return min(whole, key=lambda point: met[point].score, default=None)

    def optimum(self) -> tuple[Point, list[Step]]:
        """Solve, climb, ask the sampler what it has to offer beside, and climb from that.

        The sampler begins where the first climb ended, without the solver at the start.

        Returns:
            The end of the last climb, or the solver's simple rule where that is as good, and the
            candidates that the sampler tried.
        """
        self._ledger.base()
        reached = [self._climbed(self._solved())] if self._settings.solve else []
        climbed, self._best = self._best, math.inf  # scores on other seeds are not comparable
        steps = self.explore(*reached)
        self._best = climbed
        whole = [step for step in steps if step.evaluation.stage == WHOLE]
        finalists = [step.point for step in sorted(whole, key=lambda step: step.robust)]
        start = tuple(self._encoding.start_indices)
        return self._climbed([*reached, *finalists[:FINALISTS], start]), steps

    def _climbed(self, starts: Sequence[Point], before: Point | None = None) -> Point:
        """Climb, and go back where the end is only as good: to the solver's simple rule.

        Without the solver, that is to where the climb began, or to what was the best before it.
        """
        rounds = self._settings.polish_rounds
        distinct = list(dict.fromkeys(starts))
        begun, point = climb(self._measure, self._counts, distinct, rounds, self._weight)
        back = self._simple if self._settings.solve else before or begun
        if back is None:
            return point
        return confirmed(self._measure, self._measures.confirming, point, back)

    def _answer(
        self, best: Point, start: Point, steps: Sequence[Step]
    ) -> tuple[Answer, Longer | None]:
        """Look for lower losses, and choose between them and the best score."""
        by_loss = sorted(steps, key=lambda step: step.evaluation.terms["loss"])
        on_grid = {n: self._encoding.indices(rule) for n, rule in self._published.items()}
        names = {tuple(point): name for name, point in on_grid.items() if point is not None}

        def curves(rules: Mapping[str, Rule]) -> Valleys:
            self._listen(Progress("farther", 0, None, None))
            found = self._ledger.valleys(rules, self._settings.farther_seeds())
            return Valleys.from_json(found)

        return answer(
            {point: each for point, each in self._measure.met.items() if has_limit(each)},
            best,
            start,
            self._simple,
            [step.point for step in by_loss[:FINALISTS]],
            self._measures.losses,
            self._counts,
            self.rule,
            {start: "start", **names},
            curves,
            self._longer,
            self._settings.prefer,
            self._settings.target_ratio,
        )

    def _longer(self, rules: Mapping[str, Rule]) -> Longer | None:
        """Train rules longer, on fresh seeds."""
        self._listen(Progress("longer", 0, None, None))
        found = self._ledger.longer(rules, self._settings.longer_seeds())
        return Longer.from_json(found) if found else None

    def explore(self, center: Point | None = None) -> list[Step]:
        """Ask the sampler until the budget is spent, or patience ends.

        Args:
            center: Where it begins, if not at the start.

        Returns:
            The distinct candidates, in order; the first is where the sampler began.
        """
        on_grid = (self._encoding.indices(rule) for rule in self._published.values())
        published = [tuple(point) for point in on_grid if point is not None]
        start = tuple(self._encoding.start_indices)
        return explore(
            proposer_for(self._settings, self._encoding, center),
            self._race,
            self._purse,
            Patience(self._settings.patient),
            list(dict.fromkeys([center or start, start, *self._suggested, *published])),
            self.rule,
            lambda done, whole: self._tell("search", done, self._purse.total, whole),
        )

    def _solved(self) -> list[Point]:
        """Give the grid points nearest to the simple rule and to what the solver measured."""
        self._listen(Progress("solve", 0, None, None))
        found = self._ledger.solution(self._encoding, self._settings.solve_seeds())
        variables = self._encoding.variables
        rows: list[list[float]] = [found["values"], found["measured"]]
        points = [tuple(v.nearest(x) for v, x in zip(variables, r, strict=True)) for r in rows]
        self._simple = points[0] if found["confirmed"] else None
        return points

    @property
    def _name(self) -> str:
        words = (self._settings.arch.rsplit("/")[-1].removesuffix(".py"), self._settings.axis)
        return "-".join((*words, self._settings.optimizer))

    def rule(self, point: Point) -> Rule:
        """Give the rule at a grid point, named after what was asked."""
        return self._encoding.rule(point, self._name)

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

    def _measured(self, stage: str) -> None:
        self._tell(stage, self._ledger.trials, None, ())

    def _heard(self, stage: str, whole: Sequence[Evaluation]) -> None:
        self._tell(stage, self._ledger.trials, None, whole)

    def _tell(
        self, stage: str, done: int, total: int | None, evaluations: Sequence[Evaluation]
    ) -> None:
        self._best = min([self._best, *(evaluation.score for evaluation in evaluations)])
        best = self._best if math.isfinite(self._best) else None
        self._listen(Progress(stage, done, total, best))
