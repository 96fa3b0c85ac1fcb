"""Which probes the terms of an objective need."""

from collections.abc import Sequence

from paramsearch.probes.critical import CriticalSharpness
from paramsearch.probes.quantities import update_probes
from paramsearch.score.objective import Weights
from paramsearch.train.probe import Probe


def probes_for(weights: Weights, center: float, sharpness_steps: Sequence[int]) -> list[Probe]:
    """Give the probes behind the terms that count.

    Args:
        weights: Of the objective.
        center: Base learning rate of the members that are probed.
        sharpness_steps: When critical sharpness is measured.
    """
    probes: list[Probe] = update_probes() if weights.probe_slopes else []
    if weights.sharpness_collapse:
        probes.append(CriticalSharpness(center, frozenset(sharpness_steps)))
    return probes
