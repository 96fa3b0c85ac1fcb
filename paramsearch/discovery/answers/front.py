"""Which rules no other beats both in transferred loss and in limit behaviour: the Pareto front.

The rule that keeps features learning at every scale and the rule with the lowest loss in the range
that was tested need not be the same. All comparisons are paired over common seeds, and what is
tied in loss does not displace a rule that departs less from a limit in which features learn.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paramsearch.discovery.answers.limit import SLOPE_FLOOR, Limit, limit_of
from paramsearch.discovery.encoding import Point
from paramsearch.discovery.evaluation import Evaluation
from paramsearch.discovery.ledger import key_of
from paramsearch.discovery.paired import Gap, gap, mean_of
from paramsearch.discovery.polish import Measure, climb
from paramsearch.discovery.recorded import recorded
from paramsearch.probes.quantities import counted_slopes
from paramsearch.rules.rule import Rule
from paramsearch.score.collapse import WORST_LOG_LOSS, probe_slopes, transferred_loss

FLAT_FLOOR = 0.01
"""Differences of the mean absolute slope that do not matter: it was 0.03 to 0.04 under muP, and
0.01 to 0.2 more with an exponent off by 1/4."""

ROUNDS = 3
"""Moves at most of a climb by loss."""

REACH = (1, 2, 4)
"""Grid steps to the neighbours of a rule whose loss is to be lowered: a quarter, a half and a whole
power. Losses of a quarter more or less may differ by less than they scatter (gpt over 40 steps)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A rule that stands for the front.

    Attributes:
        name: What to call it; empty for a candidate without a name.
        rule: The rule.
        losses: Log loss at the transferred learning rate over the reference, mean over scales, of
            each seed.
        slopes: Mean absolute slope of all probes that count, of each seed.
        limit: Limit behaviour.
        last: Log loss at the transferred learning rate at the largest scale, of each seed.
    """

    name: str
    rule: Rule
    losses: tuple[float, ...]
    slopes: tuple[float, ...]
    limit: Limit
    last: tuple[float, ...]

    @property
    def loss(self) -> Gap:
        """Mean and standard error of the transferred loss over seeds."""
        return mean_of(self.losses)

    def against(self, other: "Entry") -> Gap:
        """Give the paired difference of the transferred loss from that of another entry."""
        return gap(self.losses, other.losses)

    def to_json(self) -> dict[str, Any]:
        """Give plain data without the rule."""
        limit = self.limit.to_json()
        kept = ("label", "slope", "spread", "group", "growth", "holds_to")
        return {
            "name": self.name,
            "loss": self.loss.mean,
            "loss_spread": self.loss.error,
            "departure": mean_of(self.limit.departure).mean,
            **{key: limit[key] for key in kept},
        }


def entries(
    evaluated: Iterable[tuple[str, Rule, Evaluation]], references: Sequence[float] | None = None
) -> list[Entry]:
    """Bring evaluated rules into the form in which the front compares them.

    Args:
        evaluated: Name (or empty), rule and evaluation, all on common seeds; of rules that are
            equal up to gauge the first is kept, under the shortest of their names.
        references: Loss to compare with at each scale, base first; by default one for all, such
            that losses come out as they were scored.
    """
    known: dict[str, tuple[str, Rule, Evaluation]] = {}
    for name, rule, evaluation in evaluated:
        key = key_of(rule, [])
        first = known.setdefault(key, (name, rule, evaluation))
        names = [each for each in (first[0], name) if each]
        known[key] = (min(names, key=len, default=""), *first[1:])
    if not known:
        return []
    references = references or _recovered([evaluation for _, _, evaluation in known.values()])
    return [_entry(name, rule, e, references) for name, rule, e in known.values()]


def _entry(name: str, rule: Rule, evaluation: Evaluation, references: Sequence[float]) -> Entry:
    curves = recorded(evaluation)
    counted = counted_slopes(probe_slopes(curves))
    slopes = np.mean([np.abs(slope) for slope in counted.values()], axis=0)
    losses = transferred_loss(curves, references)
    limit = limit_of(evaluation)
    last = transferred_loss([curves[0], curves[-1]], [1.0, 1.0])
    return Entry(name, rule, _tuple(losses), _tuple(slopes), limit, _tuple(last))


def _tuple(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(values.tolist())


def _recovered(evaluations: Sequence[Evaluation]) -> list[float]:
    """Give the one reference under which the losses of the best rule are those of its score."""
    best = min(evaluations, key=lambda evaluation: evaluation.terms["loss"])
    curves = recorded(best)
    logs = [np.log(curve.losses[curve.center]).mean() for curve in curves[1:]]
    return [math.exp(float(np.mean(logs)) - best.terms["loss"])] * len(curves)


@dataclass(frozen=True, slots=True)
class Front:
    """Rules that no other beats in both, from the limit end to the loss end.

    Attributes:
        members: Each has a lower loss than the one before, beyond the spread.
        others: All other rules that were compared.
    """

    members: tuple[Entry, ...]
    others: tuple[Entry, ...]

    @property
    def limit(self) -> Entry:
        """The rule that keeps features learning: of all probe slopes, the nearest to 0."""
        return self.members[0]

    @property
    def loss(self) -> Entry:
        """The rule with the lowest transferred loss."""
        return self.members[-1]

    def to_json(self) -> dict[str, Any]:
        """Give plain data: all entries, those of the front first, with their rules."""
        members = [{**self._plain(e), "front": True, "rule": e.rule.plain()} for e in self.members]
        return {"entries": members + [{**self._plain(e), "front": False} for e in self.others]}

    def _plain(self, entry: Entry) -> dict[str, Any]:
        against = entry.against(self.limit)
        return {**entry.to_json(), "against_limit": {**against.to_json(), "word": against.word()}}


def front(every: Sequence[Entry], favourite: Entry | None = None) -> Front:
    """Find the rules that no other beats both in loss and in limit behaviour.

    One end is the rule whose probe slopes are the nearest to 0 among those that are not known to
    depart more than any from a limit in which features learn; of those that are tied in that, the
    one with the lowest loss. From there, of the rules with a lower loss, the next is the one that
    departs the least, and so on; of rules that depart alike, the one with the lowest loss.

    Args:
        every: At least one entry, all on common seeds.
        favourite: The entry to take for that end if it departs as little as any, for all that is
            known, because more speaks for it.
    """
    least = min(every, key=departure).limit.departure
    near = [e for e in every if gap(e.limit.departure, least).word(SLOPE_FLOOR) != "higher"]
    flattest = min(near, key=lambda entry: mean_of(entry.slopes).mean)
    tied = [e for e in near if gap(e.slopes, flattest.slopes).word(FLAT_FLOOR) == "tied"]
    members = [favourite if favourite in near else min(tied, key=_loss)]
    left = _better(every, members[-1])
    while left:
        least = min(map(departure, left))
        members.append(min((e for e in left if departure(e) <= least + SLOPE_FLOOR), key=_loss))
        left = _better(left, members[-1])
    return Front(tuple(members), tuple(entry for entry in every if entry not in members))


def _better(some: Sequence[Entry], than: Entry) -> list[Entry]:
    return [entry for entry in some if entry.against(than).word() == "lower"]


def departure(entry: Entry) -> float:
    """Give the mean distance of a rule from a limit in which features learn."""
    return mean_of(entry.limit.departure).mean


def _loss(entry: Entry) -> float:
    return entry.loss.mean


def climb_by_loss(
    measure: Measure,
    counts: Sequence[int],
    start: Point,
    references: Sequence[float] | None = None,
    allowed: Callable[[Limit], bool] | None = None,
    reach: Sequence[int] = (1,),
) -> Mapping[Point, Evaluation]:
    """Walk by transferred loss alone, a grid step at a time, ROUNDS moves at most.

    Args:
        measure: Evaluates grid points on common seeds; called with stage ``loss``.
        counts: Grid sizes.
        start: Where to begin.
        references: Loss to compare with at each scale, base first; by default 1, as only
            differences count.
        allowed: Says of a rule's limit behaviour whether it may be walked to; by default all may.
        reach: Grid steps from the start to its neighbours.

    Returns:
        All points that were measured on the way.
    """
    met: dict[Point, Evaluation] = {}

    def by_loss(
        points: Sequence[Point], stage: str, number: int, rival: Point | None = None
    ) -> list[Evaluation]:
        del stage, rival
        found = measure(points, "loss", number)
        met.update(zip(points, found, strict=True))
        scored = [scored_by_loss(evaluation, references) for evaluation in found]
        return [e if allowed is None or allowed(limit_of(e)) else _shunned(e) for e in scored]

    climb(by_loss, counts, [start], ROUNDS, reach=reach)
    return met


def _shunned(evaluation: Evaluation) -> Evaluation:
    """Give an evaluation that is worse than all others."""
    return replace(evaluation, per_seed=tuple(WORST_LOG_LOSS + 2 for _ in evaluation.per_seed))


def scored_by_loss(evaluation: Evaluation, references: Sequence[float] | None = None) -> Evaluation:
    """Give an evaluation whose score is its transferred log loss alone.

    Args:
        evaluation: Of a rule.
        references: Loss to compare with at each scale, base first; by default 1.
    """
    curves = recorded(evaluation)
    losses = tuple(transferred_loss(curves, references or [1.0] * len(curves)).tolist())
    size = mean_of(losses)
    return replace(evaluation, score=size.mean, spread=size.error, per_seed=losses)
