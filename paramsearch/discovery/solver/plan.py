"""What the solver will train, counted before it starts."""

from collections.abc import Sequence

from paramsearch.discovery.rounds import RATES_AFTER, Plan, Population
from paramsearch.discovery.solver.base_rate import FIRST, STEPS
from paramsearch.discovery.solver.refine import ROUNDS as REFINED

SOLVED = (1.1, 4.5)
"""Jacobians and steps of the solver, the approach aside: 1, seldom 2, and 4 to 7."""

_APPROACH = 0.5  # as many again at the second scale, where it approaches with half of the seeds
_CHECKED = 3  # rules beside: the start, and two or three compared on fresh seeds
_SLOW = 1.5  # times the fewest steps: 20 (mlp, resmlp) to 80 (convnet)


def probings(free: int, jacobians: float, steps: float) -> tuple[float, float]:
    """Count the rules that the solver probes: at the second scale, where it approaches, and beyond.

    Start, refinement and check come on top of Jacobians and steps.

    Args:
        free: Exponents to solve for.
        jacobians: How many are measured.
        steps: How many are made.

    Example:
        >>> probings(5, 1.0, 4.0)
        (22.0, 16.0)
    """
    one = (1 + free) * jacobians + steps
    more = 2**REFINED - 1 + _CHECKED
    return (1 + _APPROACH) * one + more + 1, one + more


def probed(
    ratios: Sequence[int], free: int, seeds: int, jacobians: float, steps: float
) -> list[Population]:
    """Give the populations that the solver probes: a Jacobian is one, and so is a single rule.

    Args:
        ratios: Scales relative to the base.
        free: Exponents to solve for.
        seeds: Of every run.
        jacobians: How many are measured.
        steps: How many are made.

    Example:
        >>> [(p.ratio, p.members, p.times) for p in probed([1, 2, 4], 5, 3, 1.0, 4.0)][3:]
        [(4, 18, 1.0), (4, 3, 10.0)]
    """
    populations = [Population(1, True, seeds, float(_CHECKED))]
    near, far = probings(free, jacobians, steps)
    for number, ratio in enumerate(ratios[1:]):
        rules, times = (far, jacobians) if number else (near, jacobians * (1 + _APPROACH))
        populations += [
            Population(ratio, True, (1 + free) * seeds, times),
            Population(ratio, True, seeds, rules - (1 + free) * times),
        ]
    return populations


def solving(
    ratios: Sequence[int], free: int, seeds: int, steps: int | None, lr: float | None
) -> Plan:
    """Give what solving along one axis will train, as far as can be known.

    Args:
        ratios: Scales relative to the base.
        free: Exponents to solve for.
        seeds: Of every run.
        steps: Of a run; None until learning is under way.
        lr: Learning rate at the base; None where it is looked for.

    Example:
        >>> solving([1, 2, 4], 5, 3, steps=20, lr=0.01).member_steps
        2625.0
    """
    populations = probed(ratios, free, seeds, *SOLVED)
    if lr is None:
        populations += [Population(1, False, n * seeds) for n in (len(FIRST), RATES_AFTER)]
    return Plan((), tuple(populations), steps or round(_SLOW * STEPS))
