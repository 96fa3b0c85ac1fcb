"""Evaluate rules: train their populations at every scale of the objective, and score the curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paramsearch.discovery.answers.longer import train_longer
from paramsearch.discovery.answers.valleys import train_valleys
from paramsearch.discovery.at_scale import AtScale
from paramsearch.discovery.base_curve import BASE_SEEDS, base_curve
from paramsearch.discovery.curves import train_members, workload_at
from paramsearch.discovery.evaluation import BaseCurve, Evaluation
from paramsearch.discovery.points import Points
from paramsearch.discovery.probed import Work, kind_of
from paramsearch.discovery.progress import Watch
from paramsearch.discovery.recorded import recorded
from paramsearch.discovery.setting import Setting
from paramsearch.discovery.solver.base_rate import STEPS, BaseRate
from paramsearch.discovery.solver.solve import solve_axis
from paramsearch.discovery.solver.table import solution_json
from paramsearch.errors import ParamsearchError
from paramsearch.rules.encoding import Encoding
from paramsearch.rules.neutral import neutral
from paramsearch.rules.rule import Rule
from paramsearch.score.curve import Optimum, optimum
from paramsearch.score.measured import Measured
from paramsearch.score.stage import WHOLE, Stage
from paramsearch.train.outcome import Outcome
from paramsearch.train.population import Member
from paramsearch.train.probe import Probe

Array = NDArray[np.float64]


class Evaluator:
    """Evaluates rules in a setting; the base scale is trained once for all of them.

    Results depend on the rules, seeds and setting alone, up to the last bits of matrix products,
    which may depend on how many members train side by side.

    Args:
        setting: Model, task, axis, optimizer, objective, device and seed.
        watch: Told about progress.
        start: The rule from which a search begins. What it reaches at each scale, with its learning
            rate tuned there, is the best loss known before the search, to which losses are
            compared; without it, that is the best loss at the base. The reference stays fixed, so
            that all scores can be compared; a better one would shift them all alike.
        work: Member-steps to be expected, by which the engine decides whether to compile; by
            default it looks at one population at a time.

    Attributes:
        member_steps: Member-steps made so far.
    """

    def __init__(
        self,
        setting: Setting,
        watch: Watch = Watch(),  # noqa: B008 - frozen
        start: Rule | None = None,
        work: Work | None = None,
    ) -> None:
        self.setting = setting
        self.member_steps = 0
        self._start = start
        self._watch = watch
        self._work = work
        self._base: BaseCurve | None = None
        self._references: list[float] | None = None
        self._measured_base: dict[tuple[int, ...], Measured] = {}
        # At ratio 1 every rule is the same model, so one that says nothing stands for all.
        self._neutral = neutral(setting.optimizer, [setting.axis])

    def base(self) -> BaseCurve:
        """Find the base model's best learning rate on the wide grid; trained once.

        Returns:
            The curve and its optimum.

        Raises:
            ParamsearchError: Every learning rate diverged, or the best lies at the grid's end.
        """
        if self._base is None:
            self._base = base_curve(
                self.setting, lambda members: self._train(1, [self._neutral], members)
            )
        return self._base

    def evaluate(
        self,
        rules: Sequence[Rule],
        seeds: Sequence[int],
        stage: Stage | None = None,
        known: Sequence[Sequence[Evaluation]] = (),
    ) -> list[Evaluation]:
        """Train and score rules, all as one population per scale.

        Args:
            rules: The rules.
            seeds: Seeds of the initial parameters, the same for every rule.
            stage: Which part of the objective is measured; all of it by default.
            known: Evaluations of each rule at other stages with the same seeds, which are not
                trained again; none by default.

        Returns:
            One evaluation per rule.

        Raises:
            ParamsearchError: A rule does not match a tensor, or the base model does not train.
        """
        objective = self.setting.objective.at(stage)
        base = self._at_base(tuple(seeds))
        before = [[recorded(evaluation) for evaluation in earlier] for earlier in known]
        by_ratio: list[list[Measured]] = []
        guesses = [self.base().center] * len(rules)
        for place, ratio in enumerate(objective.fidelity.ratios[1:], start=1):
            curves = [[each[place] for each in earlier] for earlier in before]
            by_ratio.append(self._at(ratio).measure(rules, seeds, guesses, stage, curves))
            optima = [optimum(measured.lrs.tolist(), measured.losses) for measured in by_ratio[-1]]
            guesses = [o.lr if o else guess for o, guess in zip(optima, guesses, strict=True)]
        evaluations: list[Evaluation] = []
        for index in range(len(rules)):
            curves = [base, *(measured[index] for measured in by_ratio)]
            score = objective.score(curves, self.references())
            plain = [measured.to_json() for measured in curves]
            evaluations.append(
                Evaluation(
                    score=score.total,
                    spread=score.spread,
                    per_seed=score.per_seed,
                    terms=score.terms,
                    curves=plain,
                    slopes=score.slopes,
                    stage=stage.name if stage else WHOLE,
                )
            )
        return evaluations

    def solve(self, encoding: Encoding, seeds: Sequence[int]) -> dict[str, Any]:
        """Find the exponents at which the slopes of the update probes vanish.

        Args:
            encoding: The free exponents.
            seeds: Seeds of the initial parameters.

        Returns:
            How they were solved, as ``solve --json`` tells it, with ``values`` and ``measured``.
        """
        fidelity = self.setting.objective.fidelity
        base = BaseRate.near(self.base().optimum, min(STEPS, fidelity.steps))
        watch = Watch(self._count, self._watch.note)
        found = solve_axis(self.setting, encoding, base, fidelity.ratios, seeds, watch)
        values = {"values": list(found.values), "measured": list(found.bend.values)}
        return {**solution_json(found), **values}

    def valleys(self, rules: Mapping[str, Rule], seeds: Sequence[int]) -> dict[str, Any]:
        """Measure learning-rate curves of rules at the largest scale, and of the base.

        Args:
            rules: Name -> rule.
            seeds: Seeds of the initial parameters.

        Returns:
            What ``Valleys`` holds as JSON.
        """
        watch = Watch(self._count, self._watch.note)
        return train_valleys(self.setting, rules, self.base().optimum, seeds, watch).to_json()

    def longer(self, rules: Mapping[str, Rule], seeds: Sequence[int]) -> dict[str, Any] | None:
        """Train rules longer at the largest scale of the objective.

        Args:
            rules: Name -> rule, one named ``limit`` or ``start``.
            seeds: Seeds of the initial parameters.

        Returns:
            What ``Longer`` holds as JSON; None where the base model then has no best learning rate.
        """
        watch = Watch(self._count, self._watch.note)
        try:
            return train_longer(self.setting, rules, seeds, watch).to_json()
        except ParamsearchError as error:
            self._watch.note(f"rules are not trained longer: {error}")
            return None

    def references(self) -> list[float]:
        """Give the loss to compare with at each scale of the objective; trained once.

        Returns:
            The start rule's best loss over learning rates, or the base's where it is missing or
            all diverged.
        """
        if self._references is None:
            base, ratios = self.base(), self.setting.objective.fidelity.ratios
            self._references = [base.best_loss]
            guess = base.center
            for ratio in ratios[1:]:
                best = self._tuned(self._start, ratio, guess)
                self._references.append(best.loss if best else base.best_loss)
                guess = best.lr if best else guess
        return self._references

    def _tuned(self, rule: Rule | None, ratio: int, guess: float) -> Optimum | None:
        """Optimum of a rule at one scale within the window of learning rates, None if none."""
        if rule is None:
            return None
        scale, points = self._at(ratio), Points()
        scale.fill(points, [rule], range(BASE_SEEDS), [guess])
        lrs, known = scale.lrs, sorted(points)
        return optimum([lrs[k] for _, k in known], np.stack([points[point][0] for point in known]))

    def _at_base(self, seeds: tuple[int, ...]) -> Measured:
        """Measure the base once for all rules and stages."""
        if seeds not in self._measured_base:
            guess = [self.base().center]
            (found,) = self._at(1).measure([self._neutral], seeds, guess, None)
            self._measured_base[seeds] = found
        return self._measured_base[seeds]

    def _at(self, ratio: int) -> AtScale:
        return AtScale(self.setting, ratio, self.base().center, self._train)

    def _train(
        self,
        ratio: int,
        rules: Sequence[Rule],
        members: Sequence[Member],
        probes: Sequence[Probe] = (),
    ) -> Outcome:
        watch = Watch(self._count, self._watch.note)
        place = workload_at(self.setting, self.setting.base_scale * ratio)
        work = (self._work or {}).get((ratio, kind_of(probes)))
        return train_members(self.setting, place, rules, members, watch, probes, work)

    def _count(self, steps: int) -> None:
        self.member_steps += steps
        self._watch.steps(steps)
