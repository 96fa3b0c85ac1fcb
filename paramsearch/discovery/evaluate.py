"""Evaluate rules: train their populations at every scale of the objective, and score the curves."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from paramsearch.discovery.curves import base_optimum, grid, recipe, shaped
from paramsearch.discovery.evaluation import BaseCurve, Evaluation
from paramsearch.discovery.setting import Setting
from paramsearch.probes.critical import CriticalSharpness
from paramsearch.probes.features import Features
from paramsearch.probes.update_share import UpdateShare
from paramsearch.rules.group import Group, Match
from paramsearch.rules.rule import Rule
from paramsearch.score.curve import optimum
from paramsearch.score.measured import Measured
from paramsearch.train.engine import Outcome, train
from paramsearch.train.population import Member
from paramsearch.train.probe import Probe
from paramsearch.train.workload import Workload, prepare

Array = NDArray[np.float64]

BASE_SEEDS = 4
"""Seeds of the base curve: it is trained once and everything hangs on its optimum."""


class Evaluator:
    """Evaluates rules in a setting; the base scale is trained once for all of them.

    Results depend on the rules, seeds and setting alone, up to the last bits of matrix products,
    which may depend on how many members train side by side.

    Args:
        setting: Model, task, axis, optimizer, objective, device and seed.
        on_steps: Called with the number of member-steps just made; for progress.
        start: The rule from which a search begins. What it reaches at each scale, with its learning
            rate tuned there, is the best loss known before the search, to which losses are
            compared; without it, that is the best loss at the base. The reference stays fixed, so
            that all scores can be compared; a better one would shift them all alike.

    Attributes:
        member_steps: Member-steps made so far.
    """

    def __init__(
        self,
        setting: Setting,
        on_steps: Callable[[int], None] | None = None,
        start: Rule | None = None,
    ) -> None:
        self.setting = setting
        self.member_steps = 0
        self._start = start
        self._on_steps = on_steps
        self._workloads: dict[int, Workload] = {}
        self._base: BaseCurve | None = None
        self._references: list[float] | None = None
        self._measured_base: dict[tuple[int, ...], Measured] = {}
        # At ratio 1 every rule is the same model, so one that says nothing stands for all.
        everything = Group(match=Match(name="*"))
        self._neutral = Rule(
            name="base", optimizer=setting.optimizer, axes=(setting.axis,), groups=(everything,)
        )

    def base(self) -> BaseCurve:
        """Find the base model's best learning rate on the wide grid; trained once.

        Returns:
            The curve and its optimum.

        Raises:
            ParamsearchError: Every learning rate diverged, or the best lies at the grid's end.
        """
        if self._base is None:
            lrs = self.setting.objective.fidelity.lr.values()
            seeds = list(range(BASE_SEEDS))
            members = grid([self._neutral], lrs, seeds)
            outcome = self._train(1, [self._neutral], members)
            losses = shaped(outcome.final, len(lrs), len(seeds))
            self._base = self._base_curve(lrs, losses)
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
        by_ratio = [self._measure(ratio, rules, seeds) for ratio in ratios[1:]]
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

    def references(self) -> list[float]:
        """Give the loss to compare with at each scale of the objective; trained once.

        Returns:
            The start rule's best loss over learning rates, or the base's where it is missing or
            all diverged.
        """
        if self._references is None:
            base, ratios = self.base(), self.setting.objective.fidelity.ratios
            further = [self._tuned(self._start, ratio) for ratio in ratios[1:]]
            self._references = [base.best_loss, *(loss or base.best_loss for loss in further)]
        return self._references

    def _tuned(self, rule: Rule | None, ratio: int) -> float | None:
        """Best loss of a rule at one scale over the window of learning rates, None if none."""
        if rule is None:
            return None
        lrs = self.setting.objective.fidelity.lr.around(self.base().center)
        outcome = self._train(ratio, [rule], grid([rule], lrs, range(BASE_SEEDS)))
        best = optimum(lrs, shaped(outcome.final, len(lrs), BASE_SEEDS))
        return best.loss if best else None

    def _at_base(self, seeds: tuple[int, ...]) -> Measured:
        if seeds not in self._measured_base:
            self._measured_base[seeds] = self._measure(1, [self._neutral], seeds)[0]
        return self._measured_base[seeds]

    def _measure(self, ratio: int, rules: Sequence[Rule], seeds: Sequence[int]) -> list[Measured]:
        """Train rules x window of learning rates x seeds at one scale; probe at its center."""
        fidelity = self.setting.objective.fidelity
        center = self.base().center
        lrs = fidelity.lr.around(center)
        middle = lrs.index(center)
        sides = lrs[:middle] + lrs[middle + 1 :]
        steps = fidelity.sharpness_steps()
        probes = (UpdateShare, Features, lambda: CriticalSharpness(center, steps))
        shape = (len(rules), 1, len(seeds))
        probed = self._train(ratio, rules, grid(rules, [center], seeds), probes)
        others = self._train(ratio, rules, grid(rules, sides, seeds))
        curves = {
            name: np.insert(
                shaped(getattr(others, name), len(rules), len(sides), len(seeds)),
                [middle],
                shaped(getattr(probed, name), *shape),
                axis=1,
            )
            for name in ("final", "survived")
        }
        sharpness = probed.probes.pop("critical_sharpness").double().cpu().numpy()
        sharpness = sharpness.reshape(len(rules), len(seeds), len(steps)).transpose(0, 2, 1)
        values = {n: shaped(v, len(rules), len(seeds)) for n, v in probed.probes.items()}
        return [
            Measured(
                scale=self.setting.base_scale * ratio,
                ratio=float(ratio),
                lrs=np.asarray(lrs),
                losses=curves["final"][index],
                survived=curves["survived"][index],
                center=middle,
                steps=np.asarray(steps),
                sharpness=sharpness[index],
                probes={name: value[index] for name, value in values.items()},
            )
            for index in range(len(rules))
        ]

    def _train(
        self,
        ratio: int,
        rules: Sequence[Rule],
        members: Sequence[Member],
        probes: Sequence[Callable[[], Probe]] = (),
    ) -> Outcome:
        if ratio not in self._workloads:
            setting = self.setting
            self._workloads[ratio] = prepare(
                setting.arch,
                setting.task,
                {setting.axis: setting.base_scale * ratio},
                device=setting.device,
            )
        return train(
            self._workloads[ratio], rules, members, recipe(self.setting), probes, self._count
        )

    def _count(self, steps: int) -> None:
        self.member_steps += steps
        if self._on_steps is not None:
            self._on_steps(steps)

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
