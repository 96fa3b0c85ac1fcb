"""What a search will train, counted before it starts: stages, populations, member-steps.

Budget, seeds and grids fix most of it. How long the solver, the climb and the intervals go on is
for the data to decide; they are counted twice, as expected and at most.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from paramsearch.discovery.answers.answer import STAGE, answers
from paramsearch.discovery.answers.choice import CONTENDERS, RIVALS
from paramsearch.discovery.answers.front import REACH
from paramsearch.discovery.answers.front import ROUNDS as CLIMBED
from paramsearch.discovery.answers.longer import TIMES
from paramsearch.discovery.answers.outlast import outlasting
from paramsearch.discovery.answers.valleys import OCTAVES
from paramsearch.discovery.driver import FINALISTS, RESTARTS
from paramsearch.discovery.habits import BEHIND_SOLVER, COLD
from paramsearch.discovery.polish import JOINT, LOOKS
from paramsearch.discovery.race import KEPT
from paramsearch.discovery.rounds import Plan, Population, Round, plan_of
from paramsearch.discovery.settings import SOLVE_SEEDS, SearchSettings
from paramsearch.discovery.solver.gauss_newton import DAMPINGS, JACOBIANS, ROUNDS
from paramsearch.discovery.solver.plan import SOLVED, probed
from paramsearch.discovery.staged import GO_ON
from paramsearch.score.objective import Objective

PARTED = 0.7
"""Share of the searches in which the front has two ends, so that rules are trained longer."""

FORESEEN, CONTEND = 0.9, 16
"""Share of the searches in which rules rival the limit end (all of eleven but uv); and how many
then have curves measured, with it: 16 or 17 (mlp, resmlp, gpt, convnet)."""

RATES = 12
"""Learning rates of the base model's curve for longer runs, about."""

WALK = 5
"""Times that an interval is extended, by what is still tied at its ends."""

LONGER = 8
"""Rules that train longer: both ends, the start, and 1 to 7 that may be recommended."""


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
    joint = JOINT if objective.weights.probe_slopes else 1
    usual = BEHIND_SOLVER if settings.solve else COLD
    moves = min(usual.moves * len(counts), settings.polish_rounds)
    if settings.patient is not None:  # none finds a better one than the solver
        trials = min(trials, settings.together * settings.patient)

    def polished(why: str, rules: int, times: float) -> list[Round]:
        return _staged(objective, Round(why, rules, final, times), usual.hopeful, most=GO_ON)

    rounds = [
        *_explored(settings, objective, counts, trials, usual.passed),
        Round("polish", 1, final),
        *polished("polish", min(trials, FINALISTS) + settings.solve, 1.0),
        *polished("polish", near, moves),
        *polished("polish", joint, moves),
        *polished("interval", *_walking(near * usual.tied)),
        Round("snap", 1, final, usual.snapped * len(counts)),
        Round("confirm", 2, final, usual.walked),
        Round("baseline", baselines, final),
    ]
    if answers(objective):
        walking = _walking(near * usual.tied_by_loss * (settings.prefer != "limit"))
        rounds += [
            Round("loss", FINALISTS, final, stage=STAGE),
            Round("loss", near + 1, final, usual.moves_by_loss * len(counts), STAGE),
            Round("loss", near * (len(REACH) - 1), final, stage=STAGE),
            Round("interval", walking[0], final, walking[1], STAGE),
        ]
    plan = plan_of(rounds, objective, _solver(settings, objective, counts, *SOLVED))
    seen = FORESEEN * (settings.prefer is None)
    return _afterwards(plan, settings, objective, (seen, CONTEND), (PARTED, LONGER))


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
    climb = 1 + settings.polish_rounds * (2 * free + JOINT)
    intervals = sum(counts) - free
    polished = FINALISTS + 1 + (1 + RESTARTS) * (climb + intervals) + 2 * free
    rounds = [
        *_explored(settings, objective, counts, trials, KEPT),
        *_staged(objective, Round("polish", min(polished, math.prod(counts)), final), 1.0),
        Round("confirm", LOOKS * min(2 + RESTARTS, math.prod(counts)), final),
        Round("baseline", baselines, final),
    ]
    if answers(objective):
        moves = 2 * CLIMBED * (2 * free + 1) + 2 * free * len(REACH) + intervals
        compared = min(FINALISTS + moves, math.prod(counts))
        rounds.append(Round("loss", compared, final, stage=STAGE))
    grid = objective.fidelity.lr.model_copy(update={"mode": "dense", "base": "dense"})
    fidelity = objective.fidelity.model_copy(update={"lr": grid})
    dense = objective.model_copy(update={"fidelity": fidelity})
    # Twice, where the start does not train at the learning rate of the base at every scale.
    jacobians, steps = 2 * (JACOBIANS + 1), 2 * len(DAMPINGS) * JACOBIANS * ROUNDS
    plan = plan_of(rounds, dense, _solver(settings, dense, counts, jacobians, steps))
    return _afterwards(plan, settings, objective, (1.0, CONTENDERS + 3), (1.0, RIVALS + 4))


def _walking(points: float) -> tuple[int, float]:
    """Give how many points intervals measure together, and how often.

    Example:
        >>> _walking(9.8)
        (2, 4.9)
    """
    rules = max(1, round(points / WALK))
    return rules, points / rules


def _afterwards(
    plan: Plan,
    settings: SearchSettings,
    objective: Objective,
    contending: tuple[float, int],
    parted: tuple[float, int],
) -> Plan:
    """Add learning-rate curves and the longer runs, with twice the seeds of the polish.

    Args:
        plan: What comes before.
        settings: What is asked.
        objective: Says, with it, whether there are any.
        contending: Share of the searches in which curves are measured, and rules that have them.
        parted: The same of longer runs.
    """
    if outlasting(settings, objective):
        contending, parted = (0.0, 0), (1.0, 2)  # the rule found and the start
    elif not answers(objective):
        return plan
    (seen, rivals), (share, rules), last = contending, parted, objective.fidelity.ratios[-1]
    seeds, times = settings.polish_seeds, share * TIMES
    points = len(OCTAVES) * 2 * seeds
    curves = (Population(1, False, points, seen), Population(last, False, rivals * points, seen))
    ends = Population(last, False, rules * 2 * seeds, times)
    more = (*curves, Population(1, False, RATES * seeds, times), ends)
    made = (p for p in more if p.members and p.times)
    return replace(plan, populations=(*plan.populations, *made))


def _explored(
    settings: SearchSettings,
    objective: Objective,
    counts: Sequence[int],
    trials: int,
    passed: float,
) -> list[Round]:
    """Give the rounds of the sampler; of a stage's candidates a share goes on to the next."""
    whole, rest = divmod(min(trials, math.prod(counts)), settings.together)
    rounds: list[Round] = []
    for size, times in ((settings.together, whole), (rest, 1)):
        rounds += _staged(objective, Round("search", size, settings.seeds, times), passed, True)
    return rounds


def _staged(
    objective: Objective,
    last: Round,
    passed: float,
    fewer: bool = False,
    most: float = math.inf,
) -> list[Round]:
    """Give a round with the stages before it; a share of the candidates goes on, so many at most.

    Stages have ``fewer`` seeds where they say so in the race, not in the polish.
    """
    rounds: list[Round] = []
    left, after = float(last.rules), ()
    for stage in objective.stages:
        seeds = (fewer and stage.seeds) or last.seeds
        rounds.append(Round(stage.name, math.ceil(left), seeds, last.times, stage, after))
        left = min(left * passed, most)
        after = (*after, stage) if seeds == last.seeds else after
    return [*rounds, replace(last, rules=math.ceil(left), after=after)]


def _solver(
    settings: SearchSettings,
    objective: Objective,
    counts: Sequence[int],
    jacobians: float,
    steps: float,
) -> list[Population]:
    """Give what the solver probes, if it is asked to."""
    if not settings.solve:
        return []
    return probed(objective.fidelity.ratios, len(counts), SOLVE_SEEDS, jacobians, steps)
