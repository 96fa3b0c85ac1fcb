"""Which rule a search recommends in the end: the best by score, or one with a lower loss.

The search minimizes a score, whose optimum keeps features learning. From there, and from the
lowest loss met on the way, the transferred loss alone is followed a few grid steps further, from
there only to rules that last up to the target ratio; of all rules met, those that no other beats in
loss and in limit behaviour make the front, and one of them is recommended.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paramsearch.discovery.answers.choice import Choice, choose
from paramsearch.discovery.answers.farther import farther
from paramsearch.discovery.answers.front import REACH, Entry, climb_by_loss, entries, front
from paramsearch.discovery.answers.later import after, to_train
from paramsearch.discovery.answers.limit import Limit, limit_of
from paramsearch.discovery.answers.longer import Longer
from paramsearch.discovery.answers.valleys import Valleys
from paramsearch.discovery.answers.wish import TARGET
from paramsearch.discovery.encoding import Point
from paramsearch.discovery.evaluation import Evaluation
from paramsearch.discovery.ledger import key_of
from paramsearch.discovery.polish import Measure
from paramsearch.rules.rule import Rule
from paramsearch.score.objective import Objective
from paramsearch.score.stage import ANSWERS, Stage

STAGE = Stage(name=ANSWERS, terms=("loss", "probe_slopes"))
"""What the front compares: losses and probes at the transferred learning rate."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The rule recommended, and what it was chosen from.

    Attributes:
        point: Its grid indices.
        choice: The front and the reason.
    """

    point: Point
    choice: Choice

    def to_json(self) -> dict[str, Any]:
        """Give plain data under ``front`` and ``choice``."""
        return {"front": self.choice.front.to_json(), "choice": self.choice.to_json()}


def answers(objective: Objective) -> bool:
    """Say whether an objective measures what the front compares."""
    return bool(objective.weights.probe_slopes and objective.weights.loss)


def answer(
    met: Mapping[Point, Evaluation],
    best: Point,
    start: Point,
    simple: Point | None,
    lowest: Sequence[Point],
    measure: Measure,
    counts: Sequence[int],
    rule: Callable[[Point], Rule],
    names: Mapping[Point, str],
    curves: Callable[[Mapping[str, Rule]], Valleys],
    train: Callable[[Mapping[str, Rule]], Longer | None],
    prefer: str | None = None,
    target_ratio: float | None = None,
) -> tuple[Answer, Longer | None]:
    """Find the front among the rules that a search has met, and recommend one.

    Args:
        met: Evaluations of grid points on common seeds.
        best: The one with the best score; it is the limit end if it keeps features learning as
            well as any.
        start: Where the search began.
        simple: The solver's rule; None if there is none.
        lowest: Points with the lowest losses on other seeds.
        measure: Evaluates grid points on the common seeds, as ``STAGE`` says.
        counts: Grid sizes.
        rule: Gives the rule at a grid point.
        names: Of the points that have one.
        curves: Measures learning-rate curves of rules, on fresh seeds.
        train: Trains rules longer, on fresh seeds; None where the base model then has no best
            learning rate.
        prefer: Which end of the front the user wants; None for the default.
        target_ratio: The largest ratio at which the rule is to be used; None for the default.

    Returns:
        The rule, and what longer runs said; None where one rule is both ends, or they could not be
        made.
    """
    known = dict(met)
    solved = [] if simple is None else [simple]
    tried = [point for point in dict.fromkeys([start, *solved, *lowest]) if point not in known]
    if tried:
        known |= dict(zip(tried, measure(tried, "loss", 0), strict=True))
    target = TARGET if target_ratio is None else target_ratio
    first = min(known, key=lambda point: known[point].terms["loss"])
    least = limit_of(known[best])

    def lasting(limit: Limit) -> bool:
        return limit.lasts(target, least)

    for origin, allowed, reach in ((best, lasting, REACH), (first, None, (1,))):
        met = climb_by_loss(measure, counts, origin, allowed=allowed, reach=reach)
        known |= {point: each for point, each in met.items() if point not in known}
    every = entries([(names.get(p, ""), rule(p), e) for p, e in known.items()])
    points = {key_of(rule(point), []): point for point in known}
    by_key = {_key(entry): entry for entry in every}
    favourite = by_key[key_of(rule(best), [])]
    choice = choose(front(every, favourite), prefer, target_ratio)
    safe = [by_key[key_of(rule(point), [])] for point in solved]
    choice = farther(choice, curves, safe)
    longer = None
    if choice.front.limit != choice.front.loss:
        longer = train(to_train(choice, rule(start)))
        choice = after(choice, longer) if longer else choice
    return Answer(points[_key(choice.recommended)], choice), longer


def _key(entry: Entry) -> str:
    return key_of(entry.rule, [])
