"""The choice looked at again once rules have trained longer: who still beats the limit end.

Of the rules that promise a lower loss at the target than the limit end, the first is recommended
that is not higher over the longer runs by more than a standard error or half a per cent, or was
clearly higher over the search, too: what wins over few steps may lose over many, but that one is
there for what it promises. Of rules that promise the same, within half a per cent, it is the one
with the lowest loss over the longer runs, where that is known to be lower. If there is none, it is
the first all the same where the limit end is foretold to be clearly higher.
"""

from dataclasses import replace

from paramsearch.discovery.answers.choice import Choice, lasting_fate
from paramsearch.discovery.answers.front import Entry
from paramsearch.discovery.answers.longer import LIMIT, START, Longer
from paramsearch.discovery.paired import LOSS_FLOOR, Gap, gap
from paramsearch.rules.rule import Rule

_LOSS, _FIRST = "loss", "recommended"
_NOW = {
    "tied": "is not clearly better any more",
    "higher": "is not better any more",
}
_STILL = "it still has the lower loss, {}."
_ALIKE = "it is as good, {}."
_KNOWN = "its loss is {} than the limit end's, as it was higher over the search, too."
_ALSO = " another that promises as much, to half a per cent, is {} than it and comes first"
_LIMIT = "the limit end is recommended in its place"
_OTHER = "another is recommended in its place, {} than the limit end"


def to_train(choice: Choice, start: Rule) -> dict[str, Rule]:
    """Give the rules that are worth training longer: ends, the recommended one, rivals, the start.

    Args:
        choice: What is recommended.
        start: The rule from which the search began.
    """
    found = choice.front
    rules = {LIMIT: found.limit.rule, _LOSS: found.loss.rule}
    return {**rules, **{n: e.rule for n, e in _eligible(choice).items()}, START: start}


def after(choice: Choice, longer: Longer) -> Choice:
    """Look at a recommendation again once the rules have trained longer.

    Args:
        choice: What was recommended.
        longer: Losses of the rules that ``to_train`` gives.

    Returns:
        The choice, with what the longer runs say added to its reason. Where the user preferred an
        end, or the limit end comes first already, that is all.
    """
    if choice.front.limit == choice.front.loss:
        return choice
    told = f"Over {longer.steps} steps"
    if choice.recommended == choice.front.limit:
        against = longer.against(_LOSS)
        now = {"lower": "still", "tied": "no longer clearly", "higher": "not"}[against.word()]
        said = f"{told} the loss end is {now} better, {against.percent()}."
        return replace(choice, reason=f"{choice.reason} {said}")
    if choice.prefer is not None:
        against = longer.against(_FIRST)
        said = f"{told} {_STILL.format(against.percent())}"
        if against.word() != "lower":
            said = f"Warning: {told.lower()} it is not better any more, {against.percent()}."
        return replace(choice, reason=f"{choice.reason} {said}")
    return _among(choice, longer, told)


def _among(choice: Choice, longer: Longer, told: str) -> Choice:
    """Choose among rules in the order of what they promise at the target."""
    rules, limit = _eligible(choice), choice.front.limit
    gaps = {name: longer.against(name) for name in rules}
    before = gaps[_FIRST]
    known = [n for n, e in rules.items() if gap(e.last, limit.last).word() == "higher"]
    held = [n for n, against in gaps.items() if _as_good(against) or n in known]
    first = next(iter(held), None)
    if first == _FIRST:
        alike = [name for name in held if name == first or rules[name] in choice.alike]
        best = min(alike, key=lambda name: gaps[name].mean)
        ahead = longer.against(best, first)
        if ahead.word() == "lower":
            return _replaced(choice, rules[best], told + _ALSO.format(ahead.percent()))
        kept = _STILL if before.mean < 0 else _ALIKE if _as_good(before) else _KNOWN
        return replace(choice, reason=f"{choice.reason} {told} {kept.format(before.percent())}")
    if first is None and choice.ahead:
        higher = f"its loss at the largest scale is {before.percent()} than the limit end's"
        said = f"{told} {higher}, whose curves foretell worse at the target."
        return replace(choice, reason=f"{choice.reason} {said}")
    lost = f"{told} that rule {_NOW[before.word()]}, {before.percent()}, so "
    if first is None:
        return _replaced(choice, limit, lost + _LIMIT)
    return _replaced(choice, rules[first], lost + _OTHER.format(gaps[first].percent()))


def _as_good(against: Gap) -> bool:
    return against.mean <= max(against.error, LOSS_FLOOR)


def _replaced(choice: Choice, now: Entry, said: str) -> Choice:
    """Recommend another rule in place of what was."""
    fate = "" if now == choice.front.limit else f": {lasting_fate(now, choice.target_ratio)}"
    reason = f"Over the search another came first: {choice.reason[0].lower()}{choice.reason[1:]}"
    return replace(choice, recommended=now, reason=f"{reason} {said}{fate}.")


def _eligible(choice: Choice) -> dict[str, Entry]:
    """Give the recommended rule and its rivals by the names under which they train."""
    taken = (choice.front.limit, choice.recommended)
    rivals = [entry for entry in choice.rivals if entry not in taken]
    named = {f"rival {number}": entry for number, entry in enumerate(rivals, start=1)}
    return {_FIRST: choice.recommended, **named}
