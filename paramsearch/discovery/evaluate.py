"""Evaluate rules: train their populations at every scale of the objective, and score the curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from paramsearch.discovery.answers.longer import train_longer
from paramsearch.discovery.base_curve import BASE_SEEDS, base_curve
from paramsearch.discovery.curves import shaped, train_members, workload_at
from paramsearch.discovery.evaluation import BaseCurve, Evaluation
from paramsearch.discovery.points import Points, rows
from paramsearch.discovery.probed import probes_for
from paramsearch.discovery.progress import Watch
from paramsearch.discovery.setting import Setting
from paramsearch.discovery.solver.base_rate import STEPS, BaseRate
from paramsearch.discovery.solver.solve import solve_axis
from paramsearch.discovery.solver.table import solution_json
from paramsearch.discovery.tracking import around, track
from paramsearch.errors import ParamsearchError
from paramsearch.rules.encoding import Encoding
from paramsearch.rules.neutral import neutral
from paramsearch.rules.rule import Rule
from paramsearch.score.curve import Optimum, optimum
from paramsearch.score.measured import Measured
from paramsearch.score.stage import Stage
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
        work: Member-steps to be expected at each scale, by which the engine decides whether to
            compile; by default it looks at one population at a time.

    Attributes:
        member_steps: Member-steps made so far.
    """

    def __init__(
        self,
        setting: Setting,
        watch: Watch = Watch(),  # noqa: B008 - frozen
        start: Rule | None = None,
        work: int | None = None,
    ) -> None:
        self.setting = setting
        self.member_steps = 0
        self._start = start
        self._watch = watch
        self._work = work
        self._base: BaseCurve | None = None
        self._references: list[float] | None = None
        self._measured_base: dict[tuple[tuple[int, ...], str | None], Measured] = {}
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
        self, rules: Sequence[Rule], seeds: Sequence[int], stage: Stage | None = None
    ) -> list[Evaluation]:
        """Train and score rules, all as one population per scale.

        Args:
            rules: The rules.
            seeds: Seeds of the initial parameters, the same for every rule.
            stage: Which part of the objective is measured; all of it by default.

        Returns:
            One evaluation per rule.

        Raises:
            ParamsearchError: A rule does not match a tensor, or the base model does not train.
        """
        objective = self.setting.objective.at(stage)
        ratios = objective.fidelity.ratios
        base = self._at_base(tuple(seeds), stage)
        by_ratio: list[list[Measured]] = []
        guesses = [self.base().center] * len(rules)
        for ratio in ratios[1:]:
            by_ratio.append(self._measure(ratio, rules, seeds, guesses, stage))
            optima = [optimum(measured.lrs.tolist(), measured.losses) for measured in by_ratio[-1]]
            guesses = [o.lr if o else guess for o, guess in zip(optima, guesses, strict=True)]
        evaluations: list[Evaluation] = []
        for index in range(len(rules)):
            curves = [base, *(measured[index] for measured in by_ratio)]
            score = objective.score(curves, self.references())
            plain = [measured.to_json() for measured in curves]
            evaluations.append(
                Evaluation(
                    score.total, score.spread, score.per_seed, score.terms, plain, score.slopes
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

    def longer(self, rules: Mapping[str, Rule], seeds: Sequence[int]) -> dict[str, Any] | None:
        """Train rules longer at the largest scale of the objective.

        Args:
            rules: Name -> rule, one named ``limit``.
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
        center, points = self.base().center, Points()
        self._fill(points, ratio, [rule], range(BASE_SEEDS), [guess])
        lrs, known = self.setting.objective.fidelity.lr.around(center), sorted(points)
        return optimum([lrs[k] for _, k in known], np.stack([points[point][0] for point in known]))

    def _at_base(self, seeds: tuple[int, ...], stage: Stage | None) -> Measured:
        key = seeds, stage and stage.name
        if key not in self._measured_base:
            guess = [self.base().center]
            self._measured_base[key] = self._measure(1, [self._neutral], seeds, guess, stage)[0]
        return self._measured_base[key]

    def _measure(
        self,
        ratio: int,
        rules: Sequence[Rule],
        seeds: Sequence[int],
        guesses: Sequence[float],
        stage: Stage | None,
    ) -> list[Measured]:
        """Train rules x learning rates x seeds at one scale; probe at the base optimum.

        What the objective does not weigh, and what is not of the stage, is not measured.
        """
        objective = self.setting.objective.at(stage)
        fidelity = objective.fidelity
        center = self.base().center
        lrs = np.asarray(fidelity.lr.around(center))
        middle = len(lrs) // 2
        weights = objective.weights
        steps = fidelity.sharpness_steps() if weights.sharpness_collapse else []
        probes = probes_for(weights, center, steps)
        points, probed = Points(), dict[str, Tensor]()
        if probes:
            at_center = [(rule, middle) for rule in range(len(rules))]
            members = [Member(rule, center, seed) for rule, _ in at_center for seed in seeds]
            outcome = self._train(ratio, rules, members, probes)
            points, probed = rows(at_center, outcome), dict(outcome.probes)
        only = [middle] if stage and not stage.measures_curve(ratio) else None
        self._fill(points, ratio, rules, seeds, guesses, only)
        unmeasured = torch.empty(len(rules), len(seeds), 0)
        sharpness = probed.pop("critical_sharpness", unmeasured)
        sharpness = shaped(sharpness, len(rules), len(seeds), len(steps)).transpose(0, 2, 1)
        values = {n: shaped(v, len(rules), len(seeds)) for n, v in probed.items()}
        found: list[Measured] = []
        for index in range(len(rules)):
            known = sorted(k for rule, k in points if rule == index)
            found.append(
                Measured(
                    scale=self.setting.base_scale * ratio,
                    ratio=float(ratio),
                    lrs=lrs[known],
                    losses=np.stack([points[index, k][0] for k in known]),
                    survived=np.stack([points[index, k][1] for k in known]),
                    center=known.index(middle),
                    steps=np.asarray(steps),
                    sharpness=sharpness[index],
                    probes={name: value[index] for name, value in values.items()},
                )
            )
        return found

    def _fill(
        self,
        points: Points,
        ratio: int,
        rules: Sequence[Rule],
        seeds: Sequence[int],
        guesses: Sequence[float],
        only: Sequence[int] | None = None,
    ) -> None:
        """Add the points of the window that are not there: all, or those around the optima.

        Guesses of the optima are learning rates, as found at the next smaller ratio; ``only``
        names the points that are wanted, where these are not the whole curve.
        """
        grid = self.setting.objective.fidelity.lr
        lrs = grid.around(self.base().center)

        def add(wanted: Sequence[tuple[int, int]]) -> Array:
            fresh = [point for point in wanted if point not in points]
            if not fresh:
                return np.stack([points[point][0] for point in wanted])
            members = [Member(rule, lrs[k], seed) for rule, k in fresh for seed in seeds]
            points.update(rows(fresh, self._train(ratio, rules, members)))
            return np.stack([points[point][0] for point in wanted])

        everything = range(len(lrs))
        if only is not None or grid.mode == "dense":
            chosen = everything if only is None else only
            add([(rule, k) for rule in range(len(rules)) for k in chosen])
            return
        nearest = [int(np.argmin(np.abs(np.log2(lrs) - np.log2(guess)))) for guess in guesses]
        jump = ratio / max(
            (r for r in self.setting.objective.fidelity.ratios if r < ratio), default=1
        )
        track(add, [[len(lrs) // 2, *around(k, jump)] for k in nearest], everything)

    def _train(
        self,
        ratio: int,
        rules: Sequence[Rule],
        members: Sequence[Member],
        probes: Sequence[Probe] = (),
    ) -> Outcome:
        watch = Watch(self._count, self._watch.note)
        place = workload_at(self.setting, self.setting.base_scale * ratio)
        return train_members(self.setting, place, rules, members, watch, probes, self._work)

    def _count(self, steps: int) -> None:
        self.member_steps += steps
        self._watch.steps(steps)
