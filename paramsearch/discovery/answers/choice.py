"""Which of the rules on the front is recommended, and why, in a sentence."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from paramsearch.discovery.answers.front import Entry, Front, front
from paramsearch.discovery.answers.wish import TARGET, check_wish

RIVALS = 6
"""Rules at most that longer runs may recommend in place of the first choice."""

CONTENDERS = 16
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
        rivals: What may be recommended in its place once more is known: of the rules that last up
            to the target and whose loss is not known to be higher than the limit end's, those with
            the lowest, as many of every octave of what the first step buys at the target; empty
            where the user preferred an end.
        foretold: What learning-rate curves foretell of the rules that last, as plain data, the
            lowest loss promised at the target first; empty where they were not asked.
        alike: Of the rivals, those of which they promise the same, within half a per cent, as of
            the recommended rule.
        ahead: Whether they foretell that the limit end has a higher loss there, beyond two standard
            errors, and that its best learning rate moves.
    """

    front: Front
    recommended: Entry
    prefer: str | None
    target_ratio: float
    reason: str
    rivals: tuple[Entry, ...] = ()
    foretold: tuple[dict[str, Any], ...] = ()
    alike: tuple[Entry, ...] = ()
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

    By default it is the one with the lowest loss among those that last up to the target ratio; a
    rule that is tied with the limit end in loss loses to it.

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
    lasting = [entry for entry in every if entry.limit.lasts(target, found.limit.limit)]
    best = front(lasting or [found.limit], found.limit).members[-1]
    rivals = _rivals(found, lasting, target)
    return Choice(found, best, None, target, _default(found, best, target), rivals)


def _rivals(found: Front, lasting: Sequence[Entry], target: float) -> tuple[Entry, ...]:
    """Give rules whose loss is not known to be higher than the limit end's.

    What the first step is foretold to buy at the target tells hot rules from calm ones. Of each of
    its octaves the rules with the lowest losses are taken, as many of each as there are: those with
    the lowest losses of all may be too hot to last, or too calm to stay ahead.
    """
    if found.limit == found.loss:
        return ()
    octaves: dict[int, list[Entry]] = {}
    for entry in sorted(lasting, key=lambda entry: entry.loss.mean):
        if entry != found.limit and entry.against(found.limit).word() != "higher":
            octaves.setdefault(_octave(entry, found.limit, target), []).append(entry)
    turns = zip_longest(*(octaves[octave] for octave in sorted(octaves, reverse=True)))
    taken = [entry for turn in turns for entry in turn if entry is not None][:CONTENDERS]
    return tuple(sorted(taken, key=lambda entry: entry.loss.mean))


def _octave(entry: Entry, limit: Entry, target: float) -> int:
    """Give the octave, from the limit end's, of what the first step buys at the target."""
    if entry.limit.first is None or limit.limit.first is None:
        return 0
    return round(math.log2(entry.limit.first.share(target) / limit.limit.first.share(target)))


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
    if best == limit and not best.limit.holds_at(target):
        none = f"No rule with a lower loss holds up to ratio {target:g}, nor does the limit end"
        return f"{none}, so the limit end is recommended: {fate_of(best, target)}."
    if limit == loss == best:
        return f"One rule is both ends: {_one(found)}"
    gain = best.against(limit).percent()
    if best == loss:
        return (
            f"Its loss is {gain} than that of {_name(limit, 'the limit end')}, and "
            f"{lasting_fate(best, target)}."
        )
    lower = f"{_name(loss, 'the loss end')} has a loss {loss.against(limit).percent()}"
    against = f"{lower} than the limit end's, but {fate_of(loss, target)}."
    if best == limit:
        return f"Its features keep learning; {against}"
    fate = lasting_fate(best, target)
    return f"Its loss is {gain} than that of the limit end, and {fate}; {against}"


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


def lasting_fate(entry: Entry, target: float) -> str:
    """Say the same of a rule that lasts, whether it holds or passes for one that may."""
    fate = fate_of(entry, target)
    told = ", in which it cannot be told from the limit end"
    return fate if entry.limit.holds_at(target) else fate + told


def _name(entry: Entry, otherwise: str) -> str:
    return entry.name or otherwise
