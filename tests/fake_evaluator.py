"""An evaluator without training: the score is the distance from a hidden rule."""

import functools
import random

from paramsearch.discovery.answers.longer import Longer
from paramsearch.discovery.answers.valleys import OCTAVES, Valleys
from paramsearch.discovery.evaluation import BaseCurve, Evaluation
from paramsearch.discovery.prediction import Prediction
from paramsearch.jobs import search as search_job
from paramsearch.rules.rule import Rule

LRS = [0.01, 0.02, 0.04]


@functools.cache
def hidden_groups(name, optimizer):
    rule = Rule.load(name, optimizer=optimizer).canonical()
    return {group.match.role: group for group in rule.groups}


def fake_forecast(settings, setting, encoding, baselines, trials):
    """A prediction without training."""
    return Prediction(90, 1_200_000, 4_000_000, 30_000, 1.3e15, 8e8, 229.0)


class FakeEvaluator:
    """Scores |exponent - hidden exponent|, summed over groups, plus noise of each seed."""

    hidden = "mup"
    noise = 0.01
    indifferent = ()  # (role, quantity) that does not matter
    stop_after = None  # calls of evaluate before Ctrl-C

    def __init__(self, setting=None, watch=None, start=None, work=None):
        self.setting, self.member_steps, self.calls = setting, 0, []

    def base(self):
        return BaseCurve(32, LRS, [[1.0], [0.5], [float("inf")]], 0.02, 0.02, 0.5)

    def solve(self, encoding, seeds):
        start = [variable.start for variable in encoding.variables]
        return {"values": start, "measured": start, "confirmed": True, "open": []}

    def evaluate(self, rules, seeds, stage=None, known=()):
        if self.stop_after is not None and len(self.calls) >= self.stop_after:
            raise KeyboardInterrupt
        self.calls.append((len(rules), tuple(seeds)))
        return [self._evaluation(rule.canonical(), seeds) for rule in rules]

    def _evaluation(self, rule, seeds):
        by_role = hidden_groups(self.hidden, rule.optimizer)
        distance = 0.0
        for group in rule.groups:
            for quantity in ("init", "lr"):
                if (group.match.role, quantity) not in self.indifferent:
                    gap = group.exponent(quantity, "width")
                    gap -= by_role[group.match.role].exponent(quantity, "width")
                    distance += abs(gap)
        shared = [random.Random(seed).gauss(0, self.noise) for seed in seeds]
        per_seed = tuple(distance + noise for noise in shared)
        mean = sum(per_seed) / len(per_seed)
        spread = self.noise / len(per_seed) ** 0.5
        losses = [[distance + 1.0 + lr] * len(seeds) for lr in LRS]
        curves = [
            {
                "scale": 32 * ratio,
                "ratio": float(ratio),
                "lrs": LRS,
                "losses": losses,
                "survived": [[1.0] * len(seeds)] * len(LRS),
                "center": 1,
                "trained": len(LRS) * len(seeds),
                "failed": 0,
                "failure": "",
                "sharpness_steps": [1, 5],
                "sharpness": [[1.0] * len(seeds), [2.0] * len(seeds)],
                "probes": {
                    f"{probe}/{role}": [2.0 * ratio ** -self.freezing(rule)] * len(seeds)
                    for probe in ("feature_change", "update_share", "signal")
                    for role in ("input", "hidden", "output")
                },
            }
            for ratio in (1, 2)
        ]
        terms = {"distance": distance, "loss": distance}
        return Evaluation(mean, spread, per_seed, terms, curves)

    def freezing(self, rule):
        """With which power of the ratio features freeze."""
        return 0.0

    def valleys(self, rules, seeds):
        curve = tuple(tuple(1 + x * x for _ in seeds) for x in OCTAVES)
        return Valleys(4.0, curve, {name: curve for name in rules}).to_json()

    def longer(self, rules, seeds):
        losses = {name: tuple(1.0 for _ in seeds) for name in rules}
        return Longer(160, 64, 0.02, 1.0, losses).to_json()


def without_training(patch, evaluator=FakeEvaluator):
    """Let searches score by an evaluator like the above, and tell a made-up prediction."""
    patch.setattr(search_job, "Evaluator", evaluator)
    patch.setattr(search_job, "forecast", fake_forecast)
