"""The sampler's part of a search: generations of candidates until budget or patience ends."""

from collections.abc import Callable, Sequence

from paramsearch.discovery.budget import Purse
from paramsearch.discovery.encoding import Point
from paramsearch.discovery.evaluation import Evaluation
from paramsearch.discovery.found import Step
from paramsearch.discovery.patience import Patience
from paramsearch.discovery.proposer import Proposer, Sampling
from paramsearch.discovery.race import Race
from paramsearch.discovery.settings import SearchSettings
from paramsearch.rules.rule import Rule
from paramsearch.rules.space import Encoding
from paramsearch.score.stage import WHOLE

_STALE = 5  # generations without a new candidate after which the sampler has converged

UNKNOWN = 96
"""Candidates that a sampler is told to plan for where the budget is in other units."""


def proposer_for(
    settings: SearchSettings, encoding: Encoding, center: Point | None = None
) -> Proposer:
    """Make the proposer of a search.

    Args:
        settings: What was asked.
        encoding: The free exponents.
        center: Where its distribution is centred; by default at the start.

    Raises:
        ParamsearchError: Nothing is free, or the sampler cannot be used.
    """
    counts = [len(variable.values) for variable in encoding.variables]
    allowance = settings.allowance
    trials = int(allowance.amount) if allowance.unit == "trials" else UNKNOWN
    sizes = (settings.together, trials)
    sampling = Sampling(settings.sampler, settings.seed, *sizes)
    return Proposer(counts, center or tuple(encoding.start_indices), sampling)


def explore(
    proposer: Proposer,
    race: Race,
    purse: Purse,
    patience: Patience,
    suggested: Sequence[Point],
    rule: Callable[[Point], Rule],
    heard: Callable[[int, Sequence[Evaluation]], None],
) -> list[Step]:
    """Ask, train and tell generations until the budget is spent, or patience ends.

    Args:
        proposer: Asked for candidates, after the point that it is centred on.
        race: Trains them.
        purse: Says how many may be asked for.
        patience: Says when none better is to be expected.
        suggested: What is tried first, and what proposals have to beat.
        rule: Gives the rule at a point.
        heard: Told after each generation how many candidates there are, and which evaluations of
            it are whole.

    Returns:
        The distinct candidates, in order.
    """
    proposer.enqueue(suggested)
    steps: list[Step] = []
    seen: set[Point] = set()
    generation = stale = 0
    while stale < _STALE and not patience.ended and (count := purse.next(len(steps))):
        points = proposer.ask(count)
        heats = race.run([rule(point) for point in points], generation)
        proposer.tell([heat.told for heat in heats])
        first = {p: h for p, h in zip(points, heats, strict=True) if p not in seen}
        new = [Step(h.trial, generation, p, h.evaluation) for p, h in first.items()]
        steps += new
        seen |= set(first)
        generation, stale = generation + 1, 0 if new else stale + 1
        ended = [step for step in new if step.evaluation.stage == WHOLE]
        patience.knows([step.evaluation for step in ended if step.point in suggested])
        if not set(points) <= set(suggested):
            patience.saw([step.evaluation for step in ended if step.point not in suggested])
        heard(len(steps), [step.evaluation for step in ended])
    purse.close(len(steps))
    return steps
