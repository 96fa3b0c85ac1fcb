"""Which probes the terms of an objective need, and what they read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from paramsearch.discovery.curves import shaped
from paramsearch.probes.critical import CriticalSharpness
from paramsearch.probes.quantities import update_probes
from paramsearch.rules.degrees import gain
from paramsearch.score.measured import Measured
from paramsearch.score.objective import Weights
from paramsearch.train.outcome import Outcome
from paramsearch.train.probe import Probe

Array = NDArray[np.float64]


Kind = Literal["plain", "probed", "sharp"]
"""What watches a population: nothing, the update probes, or critical sharpness too."""

Work = Mapping[tuple[float, Kind], int]
"""Member-steps ahead for populations of a kind at a ratio."""


def kind_of(probes: Sequence[Probe]) -> Kind:
    """Name what watches a population.

    Example:
        >>> kind_of([]), kind_of(update_probes())
        ('plain', 'probed')
    """
    if not probes:
        return "plain"
    sharp = any(isinstance(probe, CriticalSharpness) for probe in probes)
    return "sharp" if sharp else "probed"


@dataclass(frozen=True, slots=True)
class Readings:
    """What the probes of one rule read at one scale, as ``Measured`` holds it.

    Attributes:
        steps: Steps at which sharpness was measured, (T,).
        sharpness: Critical sharpness, (T, seeds).
        probes: "<probe>/<group>" -> values, (seeds,).
    """

    steps: Array
    sharpness: Array
    probes: dict[str, Array]

    @staticmethod
    def of(measured: Measured) -> "Readings":
        """Give what was read earlier."""
        return Readings(measured.steps, measured.sharpness, measured.probes)

    @staticmethod
    def none(seeds: int) -> "Readings":
        """Give what was read of a rule without probes."""
        return Readings(np.empty(0), np.empty((0, seeds)), {})


def probes_for(
    weights: Weights, optimizer: str, center: float, sharpness_steps: Sequence[int]
) -> list[Probe]:
    """Give the probes behind the terms that count.

    Args:
        weights: Of the objective.
        optimizer: Its name.
        center: Base learning rate of the members that are probed.
        sharpness_steps: When critical sharpness is measured.
    """
    probes = update_probes(gain=gain(optimizer)) if weights.probe_slopes else []
    if weights.sharpness_collapse:
        probes.append(CriticalSharpness(center, frozenset(sharpness_steps)))
    return probes


def is_probed(measured: Measured, weights: Weights) -> bool:
    """Say whether everything was probed that the weights need."""
    slopes = bool(measured.probes) or not weights.probe_slopes
    return slopes and bool(len(measured.steps) or not weights.sharpness_collapse)


def readings(
    outcome: Outcome, rules: Sequence[int], seeds: int, steps: Sequence[int]
) -> dict[int, Readings]:
    """Read the probes of a population.

    Args:
        outcome: Of the members, the seeds of a rule being side by side.
        rules: Indices of the rules, in order.
        seeds: Members of each.
        steps: When critical sharpness was measured.

    Returns:
        Index of a rule -> what was read.
    """
    values = {
        name: shaped(value, len(rules), seeds)
        for name, value in outcome.probes.items()
        if name != "critical_sharpness"
    }
    sharpness = np.empty((len(rules), 0, seeds))
    if steps:
        found = outcome.probes["critical_sharpness"]
        sharpness = shaped(found, len(rules), seeds, len(steps)).transpose(0, 2, 1)
    return {
        rule: Readings(
            np.asarray(steps), sharpness[row], {name: v[row] for name, v in values.items()}
        )
        for row, rule in enumerate(rules)
    }
