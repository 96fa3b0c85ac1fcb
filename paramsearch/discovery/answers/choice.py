"""Which of the rules on the front is recommended, and why, in a sentence."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from paramsearch.discovery.answers.front import SLOPE_FLOOR, Entry, Front, departure, front
from paramsearch.discovery.answers.wish import TARGET, check_wish
from paramsearch.discovery.paired import gap, mean_of

RIVALS = 6
"""Rules at most that longer runs may recommend in place of the first choice; or that compete on
fresh seeds where no rule holds."""

CONTENDERS = 10
"""Rivals at most whose loss at the target is foretold from learning-rate curves."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The rule recommended, beside the two ends of the front.

    Attributes:
        front: The rules that no other beats, with the ends ``limit`` and ``loss``.
        recommended: One of the entries.
        prefer: What the user preferred, None for the default.
        target_ratio: The largest ratio at which the rule is to be used.
        reason: Why, in a sentence.
        rivals: What may be recommended in its place once more is known: of the rules that hold up
            to the target and have a lower loss than the limit end, those that no other undercuts in
            loss without departing more from the limit or taking larger first steps at the target,
            the lowest loss first; empty where the user preferred an end.
        alike: Where no rule holds up to the target, those with the lowest losses at the largest
            scale among the rules that cannot be told from the limit end in limit behaviour, the
            lowest first, and the limit end; else empty.
        foretold: What learning-rate curves foretell of the rules that hold, as plain data, the
            lowest loss promised at the target first; empty where they were not asked.
        ahead: Whether they foretell that the limit end has a higher loss there, beyond two standard
            errors, and that its best learning rate moves.
    """

    front: Front
    recommended: Entry
    prefer: str | None
    target_ratio: float
    reason: str
    rivals: tuple[Entry, ...] = ()
    alike: tuple[Entry, ...] = ()
    foretold: tuple[dict[str, Any], ...] = ()
    ahead: bool = False

    def to_json(self) -> dict[str, Any]:
        """Give plain data; rules are in the front's."""
        ends = {
            "limit": self.front.limit,
            "loss": self.front.loss,
            "recommended": self.recommended,
        }
        return {
            **{name: entry.to_json() for name, entry in ends.items()},
            "same": self.front.limit == self.front.loss,
            "loss_against_limit": self.front.loss.against(self.front.limit).to_json(),
            "recommended_end": end_of(self.front, self.recommended),
            "prefer": self.prefer,
            "target_ratio": self.target_ratio,
            "reason": self.reason,
            "rivals": [{**entry.to_json(), "rule": entry.rule.plain()} for entry in self.rivals],
            "foretold": list(self.foretold),
        }


def end_of(found: Front, entry: Entry) -> str:
    """Name the place of an entry: ``limit`` or ``loss``, else ``between``; the limit goes first."""
    if entry == found.limit:
        return "limit"
    return "loss" if entry == found.loss else "between"


def choose(found: Front, prefer: str | None = None, target_ratio: float | None = None) -> Choice:
    """Recommend a rule.

    By default it is the one with the lowest loss among those that hold up to the target ratio; a
    rule that is tied with the limit end in loss loses to it. Where no rule holds so far, it is the
    one with the lowest loss at the largest scale among those that are not known to depart more from
    the limit than its end: nothing then speaks for that end.

    Args:
        found: The front.
        prefer: ``limit`` or ``loss`` for that end of the front, whatever the target.
        target_ratio: The largest ratio at which the rule is to be used, above 1.

    Raises:
        ParamsearchError: Another preference, or a ratio that is not above 1.
    """
    check_wish(prefer, target_ratio)
    target = TARGET if target_ratio is None else target_ratio
    if prefer is not None:
        best = found.limit if prefer == "limit" else found.loss
        return Choice(found, best, prefer, target, _asked(found, prefer, target))
    every = (*found.members, *found.others)
    holding = [entry for entry in every if entry.limit.holds_at(target)]
    if not holding:
        alike = nearest(found.limit, every)
        reason = _default(found, alike[0], target)
        kept = [*alike[:RIVALS], *(e for e in alike[RIVALS:] if e == found.limit)]
        return Choice(found, alike[0], None, target, reason, alike=tuple(kept))
    best = front(holding, found.limit).members[-1]
    rivals = _rivals(found, holding, target)
    return Choice(found, best, None, target, _default(found, best, target), rivals)


def nearest(limit: Entry, some: Sequence[Entry]) -> list[Entry]:
    """List the rules that depart as little as the limit end, as far as seeds can tell.

    Those with the lowest loss at the largest scale come first: beyond it they are to be used, and
    what tells them apart there hardly shows at smaller ones.
    """
    least = limit.limit.departure
    near = [e for e in some if gap(e.limit.departure, least).word(SLOPE_FLOOR) != "higher"]
    return _calm(limit, near)


def _calm(limit: Entry, some: Sequence[Entry]) -> list[Entry]:
    """List the rules in which nothing grows faster than in the limit end, by their last loss.

    Growth does not pass for scatter: it does more harm than decay.
    """
    growth = limit.limit.fastest.size.mean
    calm = [e for e in some if e.limit.fastest.size.mean <= growth + SLOPE_FLOOR]
    return sorted(calm, key=lambda entry: mean_of(entry.last).mean)


def decided(choice: Choice, again: Sequence[Entry]) -> Choice:
    """Choose once more between rules that cannot be told from the limit end, on fresh seeds.

    By loss alone: departures of gpt on sixteen seeds differ by 0.35 where those on twelve others
    differ by 0.07, and all of them are of rules that do not hold.

    Args:
        choice: What was recommended, and which rules compete.
        again: Those rules in their order as measured on seeds on which nothing was chosen.
    """
    (limit,) = (e for e, old in zip(again, choice.alike, strict=True) if old == choice.front.limit)
    best = _calm(limit, again)[0]
    now = choice.alike[list(again).index(best)]
    said = f"On {len(best.losses)} fresh seeds"
    lowest = f"the lowest of {len(again)} rules that cannot be told apart in limit behaviour"
    if now == choice.front.limit:
        said += f" the limit end's loss at the largest scale is {lowest}"
    else:
        against = gap(best.last, limit.last).percent()
        said += f" its loss at the largest scale is {lowest}, {against} than the limit end's"
    reason = f"{_none(choice.target_ratio)}. {said}: {fate_of(now, choice.target_ratio)}."
    return replace(choice, recommended=now, reason=reason)


def _rivals(found: Front, holding: Sequence[Entry], target: float) -> tuple[Entry, ...]:
    """Give the strict front of the rules that hold; differences within the spread count here.

    It is that of loss, of departure from the limit, and of what the first step is foretold to buy
    at the target: where all departures are small, the last tells hot rules from calm ones. Of many,
    some are taken evenly, as those with the lowest losses may all be too hot.
    """
    if found.limit == found.loss:
        return ()
    rivals: list[Entry] = []
    costs: list[tuple[float, float]] = []
    for entry in sorted(holding, key=lambda entry: entry.loss.mean):
        if entry.against(found.limit).mean >= 0:
            continue
        first = entry.limit.first
        cost = (departure(entry), first.share(target) if first else 0.0)
        if not any(a <= cost[0] and b <= cost[1] for a, b in costs):
            rivals.append(entry)
            costs.append(cost)
    step = max(1.0, (len(rivals) - 1) / (CONTENDERS - 1))
    return tuple(rivals[round(k * step)] for k in range(min(len(rivals), CONTENDERS)))


def _asked(found: Front, prefer: str, target: float) -> str:
    """Say what the preference costs."""
    ends = found.loss.against(found.limit).percent()
    if found.limit == found.loss:
        return f"Preferred: {prefer}; it is the same rule: {_one(found)}"
    if prefer == "limit":
        return f"Preferred: limit; {_name(found.loss, 'the loss end')} has a loss {ends}."
    return f"Preferred: loss, {ends} than that of the limit end; {fate_of(found.loss, target)}."


def _default(found: Front, best: Entry, target: float) -> str:
    """Say why this one, and what speaks against the ends that are not."""
    limit, loss = found.limit, found.loss
    if not best.limit.holds_at(target):
        none = _none(target)
        if best == limit:
            return f"{none}, so the limit end is recommended: {fate_of(best, target)}."
        return (
            f"{none}. Its loss is {best.against(limit).percent()} than that of the limit end, from "
            f"which it cannot be told in limit behaviour: {fate_of(best, target)}."
        )
    if limit == loss == best:
        return f"One rule is both ends: {_one(found)}"
    gain = best.against(limit).percent()
    if best == loss:
        return (
            f"Its loss is {gain} than that of {_name(limit, 'the limit end')}, and "
            f"{fate_of(best, target)}."
        )
    lower = f"{_name(loss, 'the loss end')} has a loss {loss.against(limit).percent()}"
    against = f"{lower} than the limit end's, but {fate_of(loss, target)}."
    if best == limit:
        return f"Its features keep learning; {against}"
    return f"Its loss is {gain} than that of the limit end, and {fate_of(best, target)}; {against}"


def _none(target: float) -> str:
    return f"No rule holds up to ratio {target:g}"


def _one(found: Front) -> str:
    """Say that one rule is the best in both."""
    return (
        "no rule has a lower loss beyond the spread than the one whose probe slopes are the "
        f"nearest to 0 ({found.limit.limit.sentence})."
    )


def fate_of(entry: Entry, target: float) -> str:
    """Say what becomes of the features of a rule on the way to a ratio."""
    limit = entry.limit
    if limit.diverged:
        return "it diverges at a scale of the search"
    change = f"its {limit.worst.group} {limit.worst.what} goes like {limit.worst}"
    if limit.holds_at(target):
        return f"{change}, which holds up to ratio {target:g}"
    return f"{change} and may {limit.ends_by} by ratio {limit.holds_to:.0f}, before {target:g}"


def _name(entry: Entry, otherwise: str) -> str:
    return entry.name or otherwise
