"""The choice looked at again once rules have trained longer: who still beats the limit end.

Where losses at the target were foretold, the first of those that promise a lower one than the limit
end is recommended that is not higher over the longer runs by more than a standard error, or was
clearly higher over the search, too: what wins over few steps may lose over many, but that one is
there for what it promises. If there is none, it is the first all the same where the limit end is
foretold to be clearly higher. Else the best of the rules that are better than the limit end over
the longer runs, too, comes first. Where none is, a rule that departs from the limit no more than
the limit end needs only be as good as that: it pays nothing for its lower loss, and losses of long
runs scatter widely. So does one that cannot be told from the limit end in that, where no rule holds
up to the target.
"""

from dataclasses import replace

from paramsearch.discovery.answers.choice import Choice, fate_of
from paramsearch.discovery.answers.front import Entry, departure
from paramsearch.discovery.answers.longer import LIMIT, START, Longer
from paramsearch.discovery.paired import Gap, gap
from paramsearch.rules.rule import Rule

FREE = 1 / 32
"""A larger departure from the limit than that of the limit end by no more than this costs nothing:
on the MLP over ratios 1 to 4 a learning rate exponent that is off by 1/4 adds 0.05 at least."""

_LOSS, _FIRST = "loss", "recommended"
_NOW = {
    "lower": "is less good",
    "tied": "is not clearly better any more",
    "higher": "is not better any more",
}
_STILL = "it still has the lower loss, {}."
_AS_GOOD = "it is as good, {}, and departs no more from the limit."
_ALIKE = "it is as good, {}."
_KNOWN = "its loss is {} than the limit end's, as it was higher over the search, too."
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
    return (_at_target if choice.foretold else _again)(choice, longer, told)


def _at_target(choice: Choice, longer: Longer, told: str) -> Choice:
    """Choose among rules in the order of what they promise at the target."""
    rules, limit = _eligible(choice), choice.front.limit
    gaps = {name: longer.against(name) for name in rules}
    before = gaps[_FIRST]
    known = [n for n, e in rules.items() if gap(e.last, limit.last).word() == "higher"]
    held = [n for n, against in gaps.items() if against.mean <= against.error or n in known]
    first = next(iter(held), None)
    if first == _FIRST:
        kept = _STILL if before.mean < 0 else _ALIKE if before.mean <= before.error else _KNOWN
        return replace(choice, reason=f"{choice.reason} {told} {kept.format(before.percent())}")
    if first is None and choice.ahead:
        higher = f"its loss at the largest scale is {before.percent()} than the limit end's"
        said = f"{told} {higher}, whose curves foretell worse at the target."
        return replace(choice, reason=f"{choice.reason} {said}")
    if first is None:
        return _replaced(choice, limit, told, before, _LIMIT)
    return _replaced(choice, rules[first], told, before, _OTHER.format(gaps[first].percent()))


def _again(choice: Choice, longer: Longer, told: str) -> Choice:
    """Choose among the recommended rule, its rivals and the limit end by their loss."""
    rules, limit = _eligible(choice), choice.front.limit
    gaps = {name: longer.against(name) for name in rules}
    before = gaps[_FIRST]
    clear = [name for name, gap in gaps.items() if gap.word() == "lower"]
    near = [n for n, e in rules.items() if e in choice.alike or _departs_no_more(e, limit)]
    free = [name for name in near if gaps[name].word() == "tied"]
    if clear:
        first = min(clear, key=lambda name: gaps[name].mean)
    else:
        first = min(free, key=lambda name: rules[name].loss.mean, default=None)
    if first is None:
        return _replaced(choice, limit, told, before, _LIMIT)
    if first == _FIRST:
        as_good = _AS_GOOD if _departs_no_more(rules[first], limit) else _ALIKE
        kept = _STILL if clear and before.mean < 0 else as_good
        return replace(choice, reason=f"{choice.reason} {told} {kept.format(before.percent())}")
    why = _OTHER.format(gaps[first].percent())
    if not clear:
        over = rules[first].against(limit).percent()
        why += f" after {over} over the search, and departing no more from the limit"
    return _replaced(choice, rules[first], told, before, why)


def _replaced(choice: Choice, now: Entry, told: str, before: Gap, why: str) -> Choice:
    """Recommend another rule in place of what was."""
    said = f"{told} that rule {_NOW[before.word()]}, {before.percent()}, so {why}"
    fate = "" if now == choice.front.limit else f": {fate_of(now, choice.target_ratio)}"
    reason = f"Over the search another came first: {choice.reason[0].lower()}{choice.reason[1:]}"
    return replace(choice, recommended=now, reason=f"{reason} {said}{fate}.")


def _eligible(choice: Choice) -> dict[str, Entry]:
    """Give the recommended rule and its rivals by the names under which they train."""
    taken = (choice.front.limit, choice.recommended)
    rivals = [entry for entry in choice.rivals if entry not in taken]
    named = {f"rival {number}": entry for number, entry in enumerate(rivals, start=1)}
    return {_FIRST: choice.recommended, **named}


def _departs_no_more(entry: Entry, limit: Entry) -> bool:
    return departure(entry) <= departure(limit) + FREE
