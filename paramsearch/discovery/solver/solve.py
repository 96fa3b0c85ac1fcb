"""Solve for the exponents along one axis, from what the space starts at and nothing else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count, pairwise

import numpy as np

from paramsearch.discovery.progress import Watch
from paramsearch.discovery.setting import Setting
from paramsearch.discovery.solver.base_rate import BaseRate, with_steps
from paramsearch.discovery.solver.certainty import Certainty, certainty
from paramsearch.discovery.solver.gauss_newton import Bend, Values, approach, descend, gauss_newton
from paramsearch.discovery.solver.prober import Prober, Probing
from paramsearch.discovery.solver.readings import Readings, counted
from paramsearch.discovery.solver.refine import ROUNDS, refined
from paramsearch.discovery.solver.simple import chosen, rounded, simplest
from paramsearch.errors import ParamsearchError
from paramsearch.rules.encoding import Encoding
from paramsearch.rules.variable import Variable

Round = Callable[[int, float], None]
"""Hears the number of a round and the sum of the squared slopes after it."""

SCALES = 3
SPAN = 4
FRESH = 500
"""Distance of the seeds on which the simple rule is checked from those of the solution."""

MORE = 700
"""Distance of the seeds with which the solution is refined."""

_HALVINGS = 6  # of the learning rate, until the start trains at every scale


@dataclass(frozen=True)
class Solution:
    """What was solved along one axis.

    Attributes:
        axis: The axis.
        base: Learning rate and steps of the probed runs.
        variables: The free exponents.
        start: Slopes at the start.
        bend: Exponents as measured, with slopes and Jacobian there.
        certainty: Intervals and open directions.
        simple: Simple exponents that the slopes cannot tell from those measured.
        confirmed: Whether the simple exponents did as well on fresh seeds.
    """

    axis: str
    base: BaseRate
    variables: tuple[Variable, ...]
    start: Readings
    bend: Bend
    certainty: Certainty
    simple: Values
    confirmed: bool

    @property
    def values(self) -> Values:
        """The exponents to use: the simple ones if confirmed, else those measured, to 1/100."""
        if self.confirmed:
            return self.simple
        return tuple(round(value, 2) + 0.0 for value in self.bend.values)


def check_ratios(ratios: Sequence[int], key: str = "ratios") -> tuple[int, ...]:
    """Check that exponents can be told from scales.

    Args:
        ratios: Scales relative to the base.
        key: Where the user states them.

    Raises:
        ParamsearchError: Fewer than three, a span under 4, or not increasing from 1.

    Example:
        >>> check_ratios([1, 2, 4])
        (1, 2, 4)
    """
    found = tuple(ratios)
    growing = all(a < b for a, b in pairwise(found))
    if found[:1] != (1,) or not growing:
        raise ParamsearchError(f"{key} must start at 1 and grow; received {list(found)}")
    if len(found) < SCALES or found[-1] < SPAN:
        raise ParamsearchError(
            f"{key}: exponents are slopes over scales: two points always lie on a line, and over "
            f"less than a factor of {SPAN} noise and finite size bend it; allowed: at least "
            f"{SCALES} ratios that reach {SPAN}; received {list(found)}"
        )
    return found


def solve_axis(
    setting: Setting,
    encoding: Encoding,
    base: BaseRate,
    ratios: Sequence[int],
    seeds: Sequence[int],
    watch: Watch = Watch(),  # noqa: B008 - frozen
    told: Round = lambda number, wrong: None,
) -> Solution:
    """Find the exponents along the setting's axis at which the slopes of the probes vanish.

    Args:
        setting: Model, task, axis, optimizer and engine.
        encoding: The free exponents; those of other axes are left aside.
        base: Learning rate and steps of the probed runs.
        ratios: Scales relative to the base, at least three that span a factor of 4.
        seeds: Seeds of the initial parameters.
        watch: Told about progress.
        told: Hears after each round of the iteration how wrong the slopes are.

    Raises:
        ParamsearchError: Nothing is free along the axis, or weight decay is and there is none, the
            scales are too few, or the start rule trains at some scale with no learning rate.
    """
    variables = tuple(v for v in encoding.variables if v.axis == setting.axis)
    if not variables:
        raise ParamsearchError(
            f"the space leaves no exponent of axis '{setting.axis}' free, so there is nothing to "
            "solve for; allowed: at least one with low < high"
        )
    decays = [v.label for v in variables if v.quantity == "weight_decay"]
    if decays and setting.objective.fidelity.weight_decay == 0:
        raise ParamsearchError(
            f"the space leaves '{decays[0]}' free, but the base weight decay of objective "
            f"'{setting.objective.name}' is 0, so that no probe feels it; search with an objective "
            "whose fidelity.weight_decay is above 0, such as decay"
        )
    prober = Prober(with_steps(setting, base.steps), replace(encoding, variables=variables), watch)
    how = Probing(check_ratios(ratios), base.lr, tuple(seeds))
    start = tuple(variable.start for variable in variables)
    calm, first = _calm(prober, start, how)

    def measure(at: Probing) -> Callable[[Sequence[Values]], Readings]:
        return lambda values: prober.read(values, at)

    rounds = count(1)

    def heard(wrong: float) -> None:
        told(next(rounds), wrong)

    if calm.lr < how.lr:
        start = approach(measure(calm.nearest), variables, start, heard).values
    near = approach(measure(how.nearest), variables, start, heard)
    start = descend(measure(how), variables, near, heard)
    bend = gauss_newton(measure(how), variables, start, heard)

    def again(values: Values, more: Sequence[int]) -> Readings:
        return prober.read([values], replace(how, seeds=tuple(more)))

    others = [MORE + k * len(seeds) + seed for k in range(2**ROUNDS - 1) for seed in seeds]
    bend = refined(bend, variables, again, others)
    found = certainty(bend, variables)
    joint = simplest(found.model, bend.values, variables)
    single = rounded(bend.values, variables)
    offered = [joint] if joint == single else [joint, single]
    fresh = replace(how, seeds=tuple(seed + FRESH for seed in seeds))
    readings = prober.read([bend.values, *offered], fresh)
    squares = np.square(counted(readings.slopes(), readings.one_sided) / found.model.sigma)
    squares[~readings.trained()] = np.inf
    simple, confirmed = chosen(offered, squares, variables)
    return Solution(setting.axis, base, variables, first, bend, found, simple, confirmed)


def _calm(prober: Prober, start: Values, how: Probing) -> tuple[Probing, Readings]:
    """Lower the learning rate until the start trains at every scale, as it may not when scaled."""
    for calm in (replace(how, lr=how.lr / 2**halvings) for halvings in range(_HALVINGS)):
        readings = prober.read([start], calm)
        if readings.trained().all():
            return calm, readings
    raise ParamsearchError(
        f"the rule that the space starts from does not train at ratios {list(how.ratios)}, at none "
        f"of the learning rates from {how.lr / 2 ** (_HALVINGS - 1):.3g} to {how.lr:.3g}"
    )
