"""What a verification will train, counted before it starts."""

from collections.abc import Sequence

from paramsearch.discovery.rounds import RATES_AFTER, Plan, Population
from paramsearch.discovery.setting import Setting
from paramsearch.discovery.tracking import across
from paramsearch.discovery.verify import nearby, wide

TRACKED = (4.0, 2.0)
"""Learning rates of a tracked curve: that tuned at the base and three around the guess, and those
of later rounds, mostly 1 to 4."""


def verifying(setting: Setting, scales: Sequence[int], rules: int, seeds: int, dense: bool) -> Plan:
    """Give what a verification will train, as far as can be known.

    Args:
        setting: Model, axis and fidelity.
        scales: Sizes along the axis, above the base.
        rules: How many are compared.
        seeds: Of every run.
        dense: Whether a common grid of learning rates is measured at every scale.
    """
    fidelity, curve = setting.objective.fidelity, wide(setting.objective.fidelity.lr)
    at_base = (len(curve),) if dense else (len(across(curve)), RATES_AFTER)
    beyond = (len(nearby(fidelity.lr, 0)),) if dense else TRACKED
    populations = [Population(1, False, n * seeds) for n in at_base]
    populations += [
        Population(scale / setting.base_scale, False, round(n * rules * seeds))
        for scale in scales
        for n in beyond
    ]
    return Plan((), tuple(populations), fidelity.steps)
