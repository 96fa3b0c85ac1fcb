"""What a search will train, counted before it starts: stages, populations, member-steps.

Budget, seeds and grids fix most of it. How long the solver, the climb and the intervals go on is
for the data to decide; they are counted twice, as expected and at most.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from paramsearch.discovery.answers.answer import STAGE, answers
from paramsearch.discovery.answers.front import ROUNDS as CLIMBED
from paramsearch.discovery.answers.longer import TIMES
from paramsearch.discovery.base_curve import BASE_SEEDS
from paramsearch.discovery.driver import FINALISTS, RESTARTS
from paramsearch.discovery.settings import SOLVE_SEEDS, SearchSettings
from paramsearch.discovery.solver.base_rate import STEPS
from paramsearch.discovery.solver.gauss_newton import DAMPINGS, JACOBIANS, ROUNDS
from paramsearch.discovery.tracking import across
from paramsearch.score.fidelity import LrGrid
from paramsearch.score.objective import Objective
from paramsearch.score.stage import Stage

SOLVED = (1.5, 4.0)
"""Jacobians and steps of the solver: 1 or 2, and 2 to 6."""

MOVES = 2.5
"""Rounds of neighbours that the climb measures: 1.8 to 3 in five searches of mlp and resmlp."""

TIED = 1.7
"""What intervals and fractions measure beyond the climb, in rounds of neighbours: 0.9 to 2.4."""

MOVES_BY_LOSS = 3.5
"""Rounds of neighbours that both climbs by loss measure and the polish has not, 6 at most."""

PARTED = 0.7
"""Share of the searches in which the front has two ends, so that rules are trained longer."""

RATES = 12
"""Learning rates of the base model's curve for longer runs, about."""

PASSED = 0.2
"""Share of the candidates of a stage that go on: one of 16 (mlp) to three of four (over depth)."""

TRACKED = (3.5, 1.0)
"""Learning rates of a tracked curve, means over a search: in its first round, and later."""


@dataclass(frozen=True, slots=True)
class Round:
    """Candidates that are evaluated together.

    Attributes:
        why: ``search`` or the name of a stage before it, ``polish``, ``interval``, ``baseline``.
        rules: How many candidates.
        seeds: Of each.
        times: How many such rounds; a fraction where that is an expectation.
        stage: Which part of the objective is measured; None for all.
    """

    why: str
    rules: int
    seeds: int
    times: float = 1.0
    stage: Stage | None = None


@dataclass(frozen=True, slots=True)
class Population:
    """Members that train together at one scale.

    Attributes:
        ratio: The scale over the base.
        probed: Whether probes watch them.
        members: How many they are.
        times: How many such populations there are, about.
        sharp: Whether critical sharpness is among the probes.
    """

    ratio: int
    probed: bool
    members: int
    times: float = 1.0
    sharp: bool = False


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
    settings: SearchSettings,
    objective: Objective,
    counts: Sequence[int],
    baselines: int,
    trials: int,
) -> Plan:
    """Give what a search will train, as far as can be known.

    Args:
        settings: What is asked.
        objective: Says what is trained for a candidate.
        counts: Grid sizes of the free exponents.
        baselines: Published rules that are evaluated beside.
        trials: Candidates that the sampler proposes.
    """
    near, final = 2 * len(counts), settings.polish_seeds
    rounds = [
        *_explored(settings, objective, counts, trials, PASSED),
        Round("polish", min(trials, FINALISTS) + 1, final),
        Round("polish", near, final, min(MOVES, settings.polish_rounds)),
        Round("interval", near, final, TIED),
        Round("baseline", baselines, final),
    ]
    if answers(objective):
        rounds += [
            Round("loss", FINALISTS, final, stage=STAGE),
            Round("loss", near, final, MOVES_BY_LOSS, STAGE),
        ]
    plan = plan_of(rounds, objective, _probings(settings, counts, *SOLVED))
    return _longer(plan, objective, final, PARTED)


def at_most(
    settings: SearchSettings,
    objective: Objective,
    counts: Sequence[int],
    baselines: int,
    trials: int,
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
        trials: Candidates that the sampler proposes.
    """
    free, final = len(counts), settings.polish_seeds
    climb = 1 + settings.polish_rounds * (2 * free + 1)
    intervals = sum(counts) - free
    polished = FINALISTS + 1 + (1 + RESTARTS) * (climb + intervals) + 2 * free
    rounds = [
        *_explored(settings, objective, counts, trials, 1.0),
        Round("polish", min(polished, math.prod(counts)), final),
        Round("baseline", baselines, final),
    ]
    if answers(objective):
        moves = 2 * CLIMBED * (2 * free + 1) + intervals + 2 * free
        compared = min(FINALISTS + moves, math.prod(counts))
        rounds.append(Round("loss", compared, final, stage=STAGE))
    grid = objective.fidelity.lr.model_copy(update={"mode": "dense"})
    fidelity = objective.fidelity.model_copy(update={"lr": grid})
    dense = objective.model_copy(update={"fidelity": fidelity})
    # Twice, where the start does not train at the learning rate of the base at every scale.
    jacobians, steps = 2 * (JACOBIANS + 1), 2 * len(DAMPINGS) * JACOBIANS * ROUNDS
    plan = plan_of(rounds, dense, _probings(settings, counts, jacobians, steps))
    return _longer(plan, objective, final, 1.0)


def _longer(plan: Plan, objective: Objective, seeds: int, share: float) -> Plan:
    """Add the longer runs of both ends of the front, the rule recommended and the start."""
    if not answers(objective):
        return plan
    times, last = share * TIMES, objective.fidelity.ratios[-1]
    more = (Population(1, False, RATES * seeds, times), Population(last, False, 4 * seeds, times))
    return replace(plan, populations=(*plan.populations, *more))


def _explored(
    settings: SearchSettings,
    objective: Objective,
    counts: Sequence[int],
    trials: int,
    passed: float,
) -> list[Round]:
    """Give the rounds of the sampler; of a stage's candidates a share goes on to the next."""
    whole, rest = divmod(min(trials, math.prod(counts)), settings.generation)
    rounds: list[Round] = []
    for size, times in ((settings.generation, whole), (rest, 1)):
        left = float(size)
        for stage in objective.stages:
            seeds = stage.seeds or settings.seeds
            rounds.append(Round(stage.name, math.ceil(left), seeds, times, stage))
            left *= passed
        rounds.append(Round("search", math.ceil(left), settings.seeds, times))
    return rounds


def _probings(
    settings: SearchSettings, counts: Sequence[int], jacobians: float, steps: float
) -> tuple[float, float]:
    """Count the rules that the solver probes: at the second scale, where it approaches, and beyond.

    The approach has half the seeds; start and check come on top of Jacobians and steps.
    """
    one = (1 + len(counts)) * jacobians + steps
    return (1.5 * one + 4) * settings.solve, (one + 3) * settings.solve


def plan_of(
    rounds: Sequence[Round], objective: Objective, probings: tuple[float, float] = (0.0, 0.0)
) -> Plan:
    """Give everything that is trained for rounds of candidates, and by the solver.

    Args:
        rounds: What is evaluated.
        objective: Says what is trained for a candidate.
        probings: Rules that the solver probes at the second scale and at each beyond, in shorter
            runs; at the base all rules are the same.
    """
    fidelity = objective.fidelity
    rounds = [r for r in rounds if r.rules and r.times]
    populations = [Population(1, False, round(n * BASE_SEEDS)) for n in _base(fidelity.lr)]
    for count, stage in dict.fromkeys((r.seeds, r.stage) for r in rounds):
        populations += _curves(1, Round("base", 1, count, stage=stage), objective)
    for ratio in fidelity.ratios[1:]:
        populations += [
            Population(ratio, False, round(n * BASE_SEEDS)) for n in _window(fidelity.lr)
        ]
        for each in rounds:
            populations += _curves(ratio, each, objective)
    short = min(STEPS, fidelity.steps) / fidelity.steps
    solved = (2.0 * bool(probings[1]), *probings, *probings[1:] * len(fidelity.ratios))
    populations += [
        Population(ratio, True, round(rules * SOLVE_SEEDS), short)
        for ratio, rules in zip(fidelity.ratios, solved, strict=False)
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
    weights = objective.at(each.stage).weights
    probed = bool(weights.probe_slopes or weights.sharpness_collapse)
    alone = each.stage is not None and not each.stage.measures_curve(ratio)
    first, *later = (1.0,) if alone else _window(objective.fidelity.lr)
    sizes = [round(n * members) for n in (first - probed, *later)]
    plain = [Population(ratio, False, size, each.times) for size in sizes]
    sharp = bool(weights.sharpness_collapse)
    return [Population(ratio, True, members, each.times, sharp), *plain][not probed :]
