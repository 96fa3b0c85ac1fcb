"""Rounds of candidates, and the populations of members that train for them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from paramsearch.discovery.base_curve import BASE_SEEDS
from paramsearch.discovery.probed import Kind, Work
from paramsearch.discovery.solver.base_rate import STEPS
from paramsearch.discovery.tracking import across
from paramsearch.score.fidelity import LrGrid
from paramsearch.score.objective import Objective
from paramsearch.score.stage import Stage

TRACKED = (3.5, 1.0)
"""Learning rates of a tracked curve, means over a search: in its first round, and later."""

RATES_AFTER = 4
"""Learning rates of the base curve after its first round, mostly (14 curves: 3 or 4)."""


@dataclass(frozen=True, slots=True)
class Round:
    """Candidates that are evaluated together.

    Attributes:
        why: ``search`` or the name of a stage before it, ``polish``, ``interval``, ``confirm``,
            ``baseline``.
        rules: How many candidates.
        seeds: Of each.
        times: How many such rounds; a fraction where that is an expectation.
        stage: Which part of the objective is measured; None for all.
        after: Stages whose results are there already.
    """

    why: str
    rules: int
    seeds: int
    times: float = 1.0
    stage: Stage | None = None
    after: tuple[Stage, ...] = ()


@dataclass(frozen=True, slots=True)
class Population:
    """Members that train together at one scale.

    Attributes:
        ratio: The scale over the base; whole in a search.
        probed: Whether probes watch them.
        members: How many they are.
        times: How many such populations there are, about.
        sharp: Whether critical sharpness is among the probes.
    """

    ratio: float
    probed: bool
    members: int
    times: float = 1.0
    sharp: bool = False

    @property
    def kind(self) -> "Kind":
        """What watches it."""
        return "plain" if not self.probed else "sharp" if self.sharp else "probed"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a search trains.

    Attributes:
        rounds: What is evaluated, in order.
        populations: What trains for it, the base curve and the references included.
        steps: Of every member.
    """

    rounds: tuple[Round, ...]
    populations: tuple[Population, ...]
    steps: int

    @property
    def trials(self) -> float:
        """Candidates evaluated."""
        return sum(r.rules * r.times for r in self.rounds)

    @property
    def member_steps(self) -> float:
        """Updates of all training runs."""
        return self.steps * sum(p.members * p.times for p in self.populations)

    def work(self) -> "Work":
        """Count the updates of runs of each kind at each scale."""
        found = Counter[tuple[float, Kind]]()
        for p in self.populations:
            found[p.ratio, p.kind] += round(self.steps * p.members * p.times)
        return found


def plan_of(
    rounds: Sequence[Round], objective: Objective, solver: Sequence[Population] = ()
) -> Plan:
    """Give everything that is trained for rounds of candidates, and by the solver.

    Args:
        rounds: What is evaluated.
        objective: Says what is trained for a candidate.
        solver: What the solver probes, in shorter runs.
    """
    fidelity = objective.fidelity
    rounds = [r for r in rounds if r.rules and r.times]
    populations = [Population(1, False, round(n * BASE_SEEDS)) for n in _base(fidelity.lr)]
    for count in dict.fromkeys(r.seeds for r in rounds):
        populations += _curves(1, Round("base", 1, count), objective)
    for ratio in fidelity.ratios[1:]:
        populations += [
            Population(ratio, False, round(n * BASE_SEEDS)) for n in _window(fidelity.lr)
        ]
        for each in rounds:
            populations += _curves(ratio, each, objective)
    short = min(STEPS, fidelity.steps) / fidelity.steps
    populations += [replace(p, times=short * p.times) for p in solver]
    populations = [p for p in populations if p.members]
    return Plan(tuple(rounds), tuple(populations), fidelity.steps)


def lengthened(plan: Plan) -> Plan:
    """Give the plan of a search along axis ``steps``: at ratio m, a run counts as m runs."""
    return replace(
        plan, populations=tuple(replace(p, times=p.times * p.ratio) for p in plan.populations)
    )


def _base(grid: LrGrid) -> tuple[float, ...]:
    """Count the learning rates of the base curve, by the populations that they train in."""
    rates = len(grid.values())
    if grid.base == "dense":
        return (rates,)
    first = len(across(range(rates)))
    return (first, min(RATES_AFTER, rates - first))


def _window(grid: LrGrid) -> tuple[float, ...]:
    """Count the learning rates of a curve at another scale, by populations."""
    rates = len(grid.around(1.0))
    if grid.mode == "dense":
        return (rates,)
    first = min(TRACKED[0], rates)
    return (first, min(TRACKED[1], rates - first))


def _curves(ratio: int, each: Round, objective: Objective) -> list[Population]:
    """Give the populations of a round's curves: the base's optimum with probes, then the rest."""
    members, weights = each.rules * each.seeds, objective.at(each.stage).weights
    sharp, slopes = bool(weights.sharpness_collapse), bool(weights.probe_slopes)
    known = [objective.at(stage).weights for stage in each.after]
    probed = (sharp or slopes) and not any(
        bool(w.sharpness_collapse) >= sharp and bool(w.probe_slopes) >= slopes for w in known
    )
    alone = objective.fidelity.lr.mode == "center"
    alone |= each.stage is not None and not each.stage.measures_curve(ratio)
    drawn = any(stage.measures_curve(ratio) for stage in each.after)
    first, *later = (1.0,) if alone or drawn else _window(objective.fidelity.lr)
    centered = probed or bool(each.after)  # the window's centre is there
    sizes = [round(n * members) for n in (first - centered, *later)]
    plain = [Population(ratio, False, size, each.times) for size in sizes]
    return [Population(ratio, True, members, each.times, sharp), *plain][not probed :]
