"""What a search will train, counted before it starts: stages, populations, member-steps.

Budget, seeds and grids fix most of it. How long the solver, the climb and the intervals go on is
for the data to decide; they are counted twice, as expected and at most.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from paramsearch.discovery.driver import FINALISTS, RESTARTS
from paramsearch.discovery.evaluate import BASE_SEEDS
from paramsearch.discovery.settings import SOLVE_SEEDS, SearchSettings
from paramsearch.discovery.solver.base_rate import STEPS
from paramsearch.discovery.solver.gauss_newton import DAMPINGS, JACOBIANS, ROUNDS
from paramsearch.discovery.tracking import across
from paramsearch.score.fidelity import LrGrid
from paramsearch.score.objective import Objective

SOLVED = (2.0, 4.0)
"""Jacobians and steps of the solver: 2 or 3, and 3 to 8."""

MOVES = 2.5
"""Rounds of neighbours that the climb measures: 1.8 to 3 in five searches of mlp and resmlp."""

TIED = 1.7
"""What intervals and fractions measure beyond the climb, in rounds of neighbours: 0.9 to 2.4."""

TRACKED = (3.5, 1.0)
"""Learning rates of a tracked curve, means over a search: in its first round, and later."""


@dataclass(frozen=True, slots=True)
class Round:
    """Candidates that are evaluated together.

    Attributes:
        stage: ``search``, ``polish``, ``interval`` or ``baseline``.
        rules: How many candidates.
        seeds: Of each.
        times: How many such rounds; a fraction where that is an expectation.
    """

    stage: str
    rules: int
    seeds: int
    times: float = 1.0


@dataclass(frozen=True, slots=True)
class Population:
    """Members that train together at one scale.

    Attributes:
        ratio: The scale over the base.
        probed: Whether probes watch them.
        members: How many they are.
        times: How many such populations there are, about.
    """

    ratio: int
    probed: bool
    members: int
    times: float = 1.0


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


def expected(
    settings: SearchSettings, objective: Objective, counts: Sequence[int], baselines: int
) -> Plan:
    """Give what a search will train, as far as can be known.

    Args:
        settings: What is asked.
        objective: Says what is trained for a candidate.
        counts: Grid sizes of the free exponents.
        baselines: Published rules that are evaluated beside.
    """
    near, final = 2 * len(counts), settings.polish_seeds
    rounds = [
        *_explored(settings, counts),
        Round("polish", min(settings.budget, FINALISTS) + 1, final),
        Round("polish", near, final, min(MOVES, settings.polish_rounds)),
        Round("interval", near, final, TIED),
        Round("baseline", baselines, final),
    ]
    return plan_of(rounds, objective, _probings(settings, counts, *SOLVED))


def at_most(
    settings: SearchSettings, objective: Objective, counts: Sequence[int], baselines: int
) -> Plan:
    """Give the most that a search can train, whatever the data say.

    Every climb makes all its moves, every restart happens, every value of every exponent is tied,
    each exponent has two simple fractions to try, and tracked curves are measured everywhere; but
    no point of the grid is trained twice.

    Args:
        settings: What is asked.
        objective: Says what is trained for a candidate.
        counts: Grid sizes of the free exponents.
        baselines: Published rules that are evaluated beside.
    """
    free, final = len(counts), settings.polish_seeds
    climb = 1 + settings.polish_rounds * (2 * free + 1)
    intervals = sum(counts) - free
    polished = FINALISTS + 1 + (1 + RESTARTS) * (climb + intervals) + 2 * free
    rounds = [
        *_explored(settings, counts),
        Round("polish", min(polished, math.prod(counts)), final),
        Round("baseline", baselines, final),
    ]
    grid = objective.fidelity.lr.model_copy(update={"mode": "dense"})
    fidelity = objective.fidelity.model_copy(update={"lr": grid})
    dense = objective.model_copy(update={"fidelity": fidelity})
    # Twice, where the start does not train at the learning rate of the base at every scale.
    jacobians, steps = 2 * (JACOBIANS + 1), 2 * JACOBIANS * ROUNDS
    return plan_of(rounds, dense, _probings(settings, counts, jacobians, steps))


def _explored(settings: SearchSettings, counts: Sequence[int]) -> list[Round]:
    """Give the rounds of the sampler."""
    whole, rest = divmod(min(settings.budget, math.prod(counts)), settings.generation)
    asked = [
        Round("search", settings.generation, settings.seeds, whole),
        Round("search", rest, settings.seeds),
    ]
    return asked


def _probings(
    settings: SearchSettings, counts: Sequence[int], jacobians: float, steps: float
) -> float:
    """Count the rules that the solver probes at each scale: start, Jacobians, steps, and check."""
    rules = 1 + (1 + len(counts)) * jacobians + len(DAMPINGS) * steps + 2
    return rules * settings.solve


def plan_of(rounds: Sequence[Round], objective: Objective, probings: float = 0) -> Plan:
    """Give everything that is trained for rounds of candidates, and by the solver.

    Args:
        rounds: What is evaluated.
        objective: Says what is trained for a candidate.
        probings: Rules that the solver probes at each scale, in shorter runs.
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
    populations += [
        Population(ratio, True, round(probings * SOLVE_SEEDS), short) for ratio in fidelity.ratios
    ]
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
    if grid.mode == "dense":
        return (rates,)
    first = len(across(range(rates)))
    return (first, min(sum(TRACKED), rates - first))


def _window(grid: LrGrid) -> tuple[float, ...]:
    """Count the learning rates of a curve at another scale, by populations."""
    rates = len(grid.around(1.0))
    if grid.mode == "dense":
        return (rates,)
    first = min(TRACKED[0], rates)
    return (first, min(TRACKED[1], rates - first))


def _curves(ratio: int, each: Round, objective: Objective) -> list[Population]:
    """Give the populations of a round's curves: the base's optimum with probes, then the rest."""
    members = each.rules * each.seeds
    weights = objective.weights
    probed = bool(weights.probe_slopes or weights.sharpness_collapse)
    first, *later = _window(objective.fidelity.lr)
    sizes = [round(n * members) for n in (first - probed, *later)]
    plain = [Population(ratio, False, size, each.times) for size in sizes]
    return [Population(ratio, True, members, each.times), *plain][not probed :]
