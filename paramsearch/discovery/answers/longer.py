"""The same rules trained four times as long: winners over a short horizon can lose later.

The base model is tuned anew for the longer run. Then each rule trains once more at the largest
scale of the search, at that learning rate and on common seeds, and is compared with the limit end.
Several rules with a lower loss do, for which of them wins over a short horizon is partly luck.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from paramsearch.discovery.answers.choice import Choice, fate_of
from paramsearch.discovery.answers.front import Entry, departure
from paramsearch.discovery.curves import point_losses, workload_at
from paramsearch.discovery.ledger import key_of
from paramsearch.discovery.paired import Gap, gap, mean_of
from paramsearch.discovery.progress import Watch
from paramsearch.discovery.setting import Setting
from paramsearch.discovery.solver.base_rate import base_rate, with_steps
from paramsearch.rules.rule import Rule
from paramsearch.score.collapse import WORST_LOG_LOSS

TIMES = 4
"""How many times as long."""

FREE = 1 / 32
"""A larger departure from the limit than that of the limit end by no more than this costs nothing:
on the MLP over ratios 1 to 4 a learning rate exponent that is off by 1/4 adds 0.05 at least."""

LIMIT = "limit"
"""The rule that all others are compared with."""


@dataclass(frozen=True, slots=True)
class Longer:
    """What longer runs gave.

    Attributes:
        steps: Updates of a run.
        scale: Size along the axis at which rules were compared.
        lr: Best learning rate of the base model after as many steps.
        reference: Loss of the base model there.
        losses: Name of a rule -> final loss of each seed, inf where diverged; ``limit`` is one.
    """

    steps: int
    scale: int
    lr: float
    reference: float
    losses: Mapping[str, tuple[float, ...]]

    def against_limit(self, name: str) -> Gap:
        """Give the paired difference of log losses from those of the limit end.

        A run that diverged counts as a log loss of 4 over the reference.
        """
        return gap(self._logs(name), self._logs(LIMIT))

    def _logs(self, name: str) -> list[float]:
        losses = np.array(self.losses[name])
        finite = np.isfinite(losses)
        logs = np.log(np.where(finite, np.maximum(losses, 1e-12), self.reference) / self.reference)
        kept = np.where(finite, np.minimum(logs, WORST_LOG_LOSS), WORST_LOG_LOSS + 1)
        return [float(value) for value in kept]

    def to_json(self) -> dict[str, Any]:
        """Give plain data; a diverged run is null."""
        rules: dict[str, Any] = {}
        for name, losses in self.losses.items():
            against = self.against_limit(name)
            finite = bool(np.isfinite(losses).all())
            rules[name] = {
                "losses": [loss if np.isfinite(loss) else None for loss in losses],
                "loss": mean_of(losses).mean if finite else None,
                "spread": mean_of(losses).error if finite else None,
                "against_limit": {**against.to_json(), "word": against.word()},
            }
        return {
            "steps": self.steps,
            "scale": self.scale,
            "lr": self.lr,
            "reference": self.reference,
            "rules": rules,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Longer":
        """Read what ``to_json`` gave."""
        losses = {
            name: tuple(np.inf if loss is None else float(loss) for loss in rule["losses"])
            for name, rule in data["rules"].items()
        }
        return Longer(data["steps"], data["scale"], data["lr"], data["reference"], losses)


def train_longer(
    setting: Setting,
    rules: Mapping[str, Rule],
    seeds: Sequence[int],
    watch: Watch = Watch(),  # noqa: B008 - frozen
) -> Longer:
    """Train rules four times as long as the objective says, at the largest scale of the search.

    Args:
        setting: Model, task, axis, optimizer and objective.
        rules: Name -> rule, one named ``limit``; those that are equal up to gauge train once.
        seeds: Seeds of the initial parameters, the same for all; half of them are enough for the
            curve of the base model.
        watch: Told about progress.

    Raises:
        ParamsearchError: The base model has no best learning rate.
    """
    steps = TIMES * setting.objective.fidelity.steps
    longer = with_steps(setting, steps)
    base = base_rate(setting, seeds[: (len(seeds) + 1) // 2], steps, watch)
    assert base.optimum is not None, "it was looked for"
    scale = setting.base_scale * setting.objective.fidelity.ratios[-1]
    keys = {name: key_of(rule, []) for name, rule in rules.items()}
    distinct = {keys[name]: rule for name, rule in rules.items()}
    points = [(index, base.optimum) for index in range(len(distinct))]
    place = workload_at(longer, scale)
    found = point_losses(longer, place, list(distinct.values()), points, seeds, watch)
    by_key = {key: tuple(row.tolist()) for key, row in zip(distinct, found, strict=True)}
    losses = {name: by_key[key] for name, key in keys.items()}
    reference = float(base.losses.mean(axis=1).min())
    return Longer(steps, scale, base.optimum, reference, losses)


def to_train(choice: Choice, start: Rule) -> dict[str, Rule]:
    """Give the rules that are worth training longer.

    They are the ends, the recommended one, its rivals, and the start.

    Args:
        choice: What is recommended.
        start: The rule from which the search began.
    """
    found = choice.front
    rivals = {_rival(k): entry.rule for k, entry in _others(choice).items()}
    return {
        LIMIT: found.limit.rule,
        "loss": found.loss.rule,
        "recommended": choice.recommended.rule,
        **rivals,
        "start": start,
    }


def _others(choice: Choice) -> dict[int, Entry]:
    """Give what might be recommended in place of the recommended one, with numbers from 1."""
    taken = (choice.front.limit, choice.recommended)
    return dict(enumerate((entry for entry in choice.rivals if entry not in taken), start=1))


def _rival(number: int) -> str:
    return f"rival {number}"


def after(choice: Choice, longer: Longer) -> Choice:
    """Look at a recommendation again once the rules have trained longer.

    The best of its rivals that is better than the limit end then, too, comes first. Where none is,
    a rule that departs from the limit no more than the limit end needs only be as good as that,
    since it pays nothing for its lower loss; of several, the one with the lowest loss over the
    search. Where the user preferred the loss, what was found is only said.

    Args:
        choice: What was recommended.
        longer: Losses of the rules that ``to_train`` gives.

    Returns:
        The choice, with what the longer runs say added to its reason.
    """
    if choice.front.limit == choice.front.loss:
        return choice
    told = f"Over {longer.steps} steps"
    against = longer.against_limit("recommended")
    if choice.recommended == choice.front.limit:
        against = longer.against_limit("loss")
        now = {"lower": "still", "tied": "no longer clearly", "higher": "not"}[against.word()]
        said = f"{told} the loss end is {now} better, {against.percent()}."
        return replace(choice, reason=f"{choice.reason} {said}")
    if choice.prefer == "loss":
        said = f"{told} it still has the lower loss, {against.percent()}."
        if against.word() != "lower":
            said = f"Warning: {told.lower()} it is not better any more, {against.percent()}."
        return replace(choice, reason=f"{choice.reason} {said}")
    names = {"recommended": choice.recommended}
    names |= {_rival(number): entry for number, entry in _others(choice).items()}
    gaps = {name: longer.against_limit(name) for name in names}
    kept = {n: e for n, e in names.items() if _keeps(e, choice.front.limit, gaps[n])}
    clear = [name for name in kept if gaps[name].word() == "lower"]
    if clear:
        first = min(clear, key=lambda name: gaps[name].mean)
    else:
        first = min(kept, key=lambda name: kept[name].loss.mean, default=None)
    if first == "recommended":
        said = f"{told} it still has the lower loss, {against.percent()}."
        if not clear:
            said = f"{told} it is as good, {against.percent()}, and departs no more from the limit."
        return replace(choice, reason=f"{choice.reason} {said}")
    word = "is not better any more" if against.word() != "lower" else "is less good"
    said = f"{told} that rule {word}, {against.percent()}, "
    now = choice.front.limit if first is None else kept[first]
    if first is None:
        said += "so the limit end is recommended in its place."
    else:
        gain = gaps[first].percent()
        said += f"so another is recommended in its place, {gain} than the limit end"
        if not clear:
            over = now.against(choice.front.limit)
            said += f" after {over.percent()} over the search, and departing no more from the limit"
        said += f": {fate_of(now, choice.target_ratio)}."
    reason = f"{choice.reason[0].lower()}{choice.reason[1:]}"
    before = f"Over the search another came first: {reason}"
    return replace(choice, recommended=now, reason=f"{before} {said}")


def _keeps(entry: Entry, limit: Entry, against: Gap) -> bool:
    """Say whether longer runs leave a rule its advantage over the limit end."""
    alike = departure(entry) <= departure(limit) + FREE
    return against.word() == "lower" or (against.word() == "tied" and alike)
