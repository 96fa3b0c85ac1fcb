"""Evaluate rules: train their populations at every scale of the objective, and score the curves."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from paramsearch.discovery.curves import base_optimum, shaped, train_members, workload_at
from paramsearch.discovery.evaluation import BaseCurve, Evaluation
from paramsearch.discovery.probed import probes_for
from paramsearch.discovery.progress import Watch
from paramsearch.discovery.setting import Setting
from paramsearch.discovery.solver.base_rate import STEPS, BaseRate
from paramsearch.discovery.solver.solve import solve_axis
from paramsearch.discovery.solver.table import solution_json
from paramsearch.discovery.tracking import across, around, track
from paramsearch.rules.encoding import Encoding
from paramsearch.rules.neutral import neutral
from paramsearch.rules.rule import Rule
from paramsearch.score.curve import Optimum, optimum
from paramsearch.score.measured import Measured
from paramsearch.train.outcome import Outcome
from paramsearch.train.population import Member
from paramsearch.train.probe import Probe

Array = NDArray[np.float64]
Points = dict[tuple[int, int], tuple[Array, Array]]
"""(rule, index in the window) -> final losses and shares of the steps survived, each (seeds,)."""

BASE_SEEDS = 4
"""Seeds of the base curve: it is trained once and everything hangs on its optimum."""


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
            grid = self.setting.objective.fidelity.lr
            lrs = grid.values()

            def add(points: Sequence[tuple[int, int]]) -> Array:
                members = [Member(0, lrs[k], seed) for _, k in points for seed in range(BASE_SEEDS)]
                outcome = self._train(1, [self._neutral], members)
                return shaped(outcome.final, len(points), BASE_SEEDS)

            everything = range(len(lrs))
            first = everything if grid.mode == "dense" else across(everything)
            (known,) = track(add, [first], everything)
            self._base = self._base_curve([lrs[k] for k in known], np.stack(list(known.values())))
        return self._base

    def evaluate(self, rules: Sequence[Rule], seeds: Sequence[int]) -> list[Evaluation]:
        """Train and score rules, all as one population per scale.

        Args:
            rules: The rules.
            seeds: Seeds of the initial parameters, the same for every rule.

        Returns:
            One evaluation per rule.

        Raises:
            ParamsearchError: A rule does not match a tensor, or the base model does not train.
        """
        ratios = self.setting.objective.fidelity.ratios
        base = self._at_base(tuple(seeds))
        by_ratio: list[list[Measured]] = []
        guesses = [self.base().center] * len(rules)
        for ratio in ratios[1:]:
            by_ratio.append(self._measure(ratio, rules, seeds, guesses))
            optima = [optimum(measured.lrs.tolist(), measured.losses) for measured in by_ratio[-1]]
            guesses = [o.lr if o else guess for o, guess in zip(optima, guesses, strict=True)]
        evaluations: list[Evaluation] = []
        for index in range(len(rules)):
            curves = [base, *(measured[index] for measured in by_ratio)]
            score = self.setting.objective.score(curves, self.references())
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

    def _at_base(self, seeds: tuple[int, ...]) -> Measured:
        if seeds not in self._measured_base:
            self._measured_base[seeds] = self._measure(
                1, [self._neutral], seeds, [self.base().center]
            )[0]
        return self._measured_base[seeds]

    def _measure(
        self, ratio: int, rules: Sequence[Rule], seeds: Sequence[int], guesses: Sequence[float]
    ) -> list[Measured]:
        """Train rules x learning rates x seeds at one scale; probe at the base optimum.

        What the objective does not weigh is not measured.
        """
        fidelity = self.setting.objective.fidelity
        center = self.base().center
        lrs = np.asarray(fidelity.lr.around(center))
        middle = len(lrs) // 2
        weights = self.setting.objective.weights
        steps = fidelity.sharpness_steps() if weights.sharpness_collapse else []
        probes = probes_for(weights, center, steps)
        points, probed = Points(), dict[str, Tensor]()
        if probes:
            at_center = [(rule, middle) for rule in range(len(rules))]
            members = [Member(rule, center, seed) for rule, _ in at_center for seed in seeds]
            outcome = self._train(ratio, rules, members, probes)
            points, probed = _rows(at_center, outcome), dict(outcome.probes)
        self._fill(points, ratio, rules, seeds, guesses)
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
    ) -> None:
        """Add the points of the window that are not there: all, or those around the optima.

        Guesses of the optima are learning rates, as found at the next smaller ratio.
        """
        grid = self.setting.objective.fidelity.lr
        lrs = grid.around(self.base().center)

        def add(wanted: Sequence[tuple[int, int]]) -> Array:
            fresh = [point for point in wanted if point not in points]
            members = [Member(rule, lrs[k], seed) for rule, k in fresh for seed in seeds]
            points.update(_rows(fresh, self._train(ratio, rules, members)))
            return np.stack([points[point][0] for point in wanted])

        everything = range(len(lrs))
        if grid.mode == "dense":
            add([(rule, k) for rule in range(len(rules)) for k in everything])
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

    def _base_curve(self, lrs: list[float], losses: Array) -> BaseCurve:
        best = base_optimum(self.setting, lrs, losses)
        return BaseCurve(
            scale=self.setting.base_scale,
            lrs=lrs,
            losses=losses.tolist(),
            optimum=best.lr,
            center=min(lrs, key=lambda lr: abs(np.log2(lr) - best.log2_lr)),
            best_loss=best.loss,
        )


def _rows(points: Sequence[tuple[int, int]], outcome: Outcome) -> Points:
    """Name the rows of an outcome, the seeds of a point being side by side."""
    final = shaped(outcome.final, len(points), -1)
    survived = shaped(outcome.survived, len(points), -1)
    return {point: (final[row], survived[row]) for row, point in enumerate(points)}
