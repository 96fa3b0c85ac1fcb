"""Measure rules at one scale: losses over learning rates, and probes at the base optimum.

What earlier stages measured of a rule is not trained again.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paramsearch.discovery.points import Points, rows
from paramsearch.discovery.probed import Readings, is_probed, probes_for, readings
from paramsearch.discovery.setting import Setting
from paramsearch.discovery.tracking import around, track
from paramsearch.rules.rule import Rule
from paramsearch.score.measured import Measured
from paramsearch.score.stage import Stage
from paramsearch.train.outcome import Outcome
from paramsearch.train.population import Member
from paramsearch.train.probe import Probe
from paramsearch.train.runs import Runs, runs_of

Array = NDArray[np.float64]

Train = Callable[[int, Sequence[Rule], Sequence[Member], Sequence[Probe]], Outcome]
"""Trains members of rules at a ratio, watched by probes."""


@dataclass(frozen=True, slots=True)
class AtScale:
    """Measures rules at one scale.

    Attributes:
        setting: What is trained.
        ratio: The scale over the base.
        center: Best learning rate of the base, on the grid.
        train: Trains members.
    """

    setting: Setting
    ratio: int
    center: float
    train: Train

    @property
    def lrs(self) -> list[float]:
        """The window of learning rates."""
        return self.setting.objective.fidelity.lr.around(self.center)

    def measure(
        self,
        rules: Sequence[Rule],
        seeds: Sequence[int],
        guesses: Sequence[float],
        stage: Stage | None,
        known: Sequence[Sequence[Measured]] = (),
    ) -> list[Measured]:
        """Train rules x learning rates x seeds; probe at the base optimum.

        What the objective does not weigh, and what is not of the stage, is not measured.

        Args:
            rules: The rules.
            seeds: Seeds of the initial parameters.
            guesses: Of each rule's best learning rate, where curves are tracked.
            stage: Which part of the objective is measured; all of it by default.
            known: What was measured of each rule at this scale, with these seeds, before.
        """
        lrs, objective = np.asarray(self.lrs), self.setting.objective.at(stage)
        middle, weights = len(lrs) // 2, objective.weights
        steps = objective.fidelity.sharpness_steps() if weights.sharpness_collapse else []
        points, probed, made = Points(), dict[int, Readings](), defaultdict[int, Runs](Runs)
        for index, earlier in enumerate(known):
            for each in earlier:
                points |= _points(index, each, lrs)
                if is_probed(each, weights):
                    probed[index] = Readings.of(each)
        if probes := probes_for(weights, self.setting.optimizer, self.center, steps):
            left = [index for index in range(len(rules)) if index not in probed]
            members = [Member(index, self.center, seed) for index in left for seed in seeds]
            if members:
                outcome = self.train(self.ratio, rules, members, probes)
                points |= rows([(index, middle) for index in left], outcome)
                probed |= readings(outcome, left, len(seeds), steps)
                _add(made, runs_of(members, outcome))
        alone = objective.fidelity.lr.mode == "center"
        alone |= stage is not None and not stage.measures_curve(self.ratio)
        _add(made, self.fill(points, rules, seeds, guesses, [middle] if alone else None))
        none = Readings.none(len(seeds))
        found: list[Measured] = []
        for index in range(len(rules)):
            ks = sorted(k for rule, k in points if rule == index)
            read = probed.get(index, none)
            found.append(
                Measured(
                    scale=self.setting.base_scale * self.ratio,
                    ratio=float(self.ratio),
                    lrs=lrs[ks],
                    losses=np.stack([points[index, k][0] for k in ks]),
                    survived=np.stack([points[index, k][1] for k in ks]),
                    center=ks.index(middle),
                    steps=read.steps,
                    sharpness=read.sharpness,
                    probes=read.probes,
                    runs=made[index],
                )
            )
        return found

    def fill(
        self,
        points: Points,
        rules: Sequence[Rule],
        seeds: Sequence[int],
        guesses: Sequence[float],
        only: Sequence[int] | None = None,
    ) -> Mapping[int, Runs]:
        """Add the points of the window that are not there: all, or those around the optima.

        Args:
            points: What is there.
            rules: The rules.
            seeds: Seeds of the initial parameters.
            guesses: Learning rates, as found at the next smaller ratio.
            only: The points that are wanted, where these are not the whole curve.

        Returns:
            Index of a rule -> runs made.
        """
        fidelity, lrs = self.setting.objective.fidelity, self.lrs
        made = defaultdict[int, Runs](Runs)

        def add(wanted: Sequence[tuple[int, int]]) -> Array:
            fresh = [point for point in wanted if point not in points]
            if fresh:
                members = [Member(rule, lrs[k], seed) for rule, k in fresh for seed in seeds]
                outcome = self.train(self.ratio, rules, members, ())
                points.update(rows(fresh, outcome))
                _add(made, runs_of(members, outcome))
            return np.stack([points[point][0] for point in wanted])

        everything = range(len(lrs))
        if only is not None or fidelity.lr.mode == "dense":
            chosen = everything if only is None else only
            add([(rule, k) for rule in range(len(rules)) for k in chosen])
            return made
        nearest = [int(np.argmin(np.abs(np.log2(lrs) - np.log2(guess)))) for guess in guesses]
        jump = self.ratio / max((r for r in fidelity.ratios if r < self.ratio), default=1)
        track(add, [[len(lrs) // 2, *around(k, jump)] for k in nearest], everything)
        return made


def _add(made: dict[int, Runs], more: Mapping[int, Runs]) -> None:
    for rule, runs in more.items():
        made[rule] += runs


def _points(index: int, measured: Measured, lrs: Array) -> Points:
    """Give the points of a rule's curve by their place in the window."""
    places = {float(lr): k for k, lr in enumerate(lrs)}
    return {
        (index, places[float(lr)]): (measured.losses[row], measured.survived[row])
        for row, lr in enumerate(measured.lrs)
    }
