"""The choice looked at again at the target ratio, as learning-rate curves foretell it.

An optimum that moves costs little over the ratios of a search and much beyond them, where the
base's best learning rate ends up beside the valley. Of several rules with a lower loss than the
limit end, the one is recommended whose curves foretell the lowest loss at the target.

With ``o(m)`` the octaves from the base's best learning rate to the best one at ratio m, the drift
is the least-squares slope ``d = sum u o(m) / sum u^2`` over ``u = log2 m``. The curve of the
largest ratio measured, ``M``, shifted by ``d log2(R / M)``, stands for that of ratio R, and is
read at the base's best learning rate.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from paramsearch.discovery.answers.choice import Choice, fate_of
from paramsearch.discovery.answers.front import Entry
from paramsearch.discovery.evaluation import Evaluation
from paramsearch.discovery.paired import Gap, gap, mean_of
from paramsearch.discovery.recorded import recorded
from paramsearch.score.collapse import log_losses
from paramsearch.score.curve import interpolate, optimum
from paramsearch.score.measured import Measured


@dataclass(frozen=True, slots=True)
class Prospect:
    """What the learning-rate curves of a rule say about larger models.

    Each is of single seeds by the jackknife, as curves of one seed are too ragged for an optimum:
    n times the value of all n seeds, minus n - 1 times that of all but one.

    Attributes:
        entry: The rule.
        drifts: Octaves by which the best learning rate moves when the scale doubles.
        losses: Log loss foretold at the target with the learning rate of the base.
    """

    entry: Entry
    drifts: tuple[float, ...]
    losses: tuple[float, ...]

    def against(self, other: "Prospect") -> Gap:
        """Give the paired difference of what is foretold."""
        return gap(self.losses, other.losses)

    def to_json(self) -> dict[str, Any]:
        """Give plain data, with the rule."""
        return {
            **self.entry.to_json(),
            "drift": mean_of(self.drifts).to_json(),
            "foretold": mean_of(self.losses).to_json(),
            "rule": self.entry.rule.plain(),
        }


def prospect(entry: Entry, evaluation: Evaluation, ratio: float) -> Prospect:
    """Foretell the loss of a rule at a ratio.

    Args:
        entry: The rule.
        evaluation: Its learning-rate curves at every scale of the search.
        ratio: The target.
    """
    curves = recorded(evaluation)
    seeds = curves[0].losses.shape[1]
    every = range(seeds)
    whole = _foretold(curves, every, ratio)
    parts = [whole]
    if seeds > 1:
        without = [_foretold(curves, [s for s in every if s != left], ratio) for left in every]
        parts = [
            tuple(seeds * a - (seeds - 1) * b for a, b in zip(whole, part, strict=True))
            for part in without
        ]
    drifts, losses = zip(*parts, strict=True)
    return Prospect(entry, drifts, losses)


def _foretold(curves: Sequence[Measured], seeds: Sequence[int], ratio: float) -> tuple[float, ...]:
    """Give the drift and the log loss at a ratio, from some of the seeds."""
    octaves = [math.log2(curve.ratio) for curve in curves[1:]]
    moved = [u * _moved(curve, seeds) for u, curve in zip(octaves, curves[1:], strict=True)]
    drift = sum(moved) / sum(u * u for u in octaves)
    last = curves[-1]
    lrs, losses = last.lrs.tolist(), log_losses(last, 1.0)[:, list(seeds)]
    shift = drift * max(0.0, math.log2(ratio / last.ratio))
    at = min(max(lrs[last.center] * 2.0**-shift, lrs[0]), lrs[-1])  # curves are flat farther out
    return drift, interpolate(lrs, losses, at)


def _moved(curve: Measured, seeds: Sequence[int]) -> float:
    """Give the octaves to the best learning rate from that of the base; 0 where all diverged."""
    best = optimum(curve.lrs.tolist(), curve.losses[:, list(seeds)])
    return 0.0 if best is None else best.log2_lr - math.log2(curve.lrs[curve.center])


def contenders(choice: Choice) -> list[Entry]:
    """List the rules whose curves are to be measured: what is recommended, rivals, the limit end.

    Args:
        choice: What is recommended.

    Returns:
        None where nothing rivals the limit end.
    """
    some = (choice.recommended, *choice.rivals, choice.front.limit)
    return [e for i, e in enumerate(some) if e not in some[:i]] if choice.rivals else []


def foreseen(choice: Choice, prospects: Sequence[Prospect]) -> Choice:
    """Recommend the rule with the lowest loss foretold at the target.

    Args:
        choice: What was recommended.
        prospects: Of its contenders, the limit end last, on seeds on which nothing was chosen.

    Returns:
        The choice. After longer runs those of the others may still come first that are foretold to
        be lower than the limit end, in that order.
    """
    limit = prospects[-1]
    best, *others = sorted(prospects, key=lambda each: mean_of(each.losses).mean)
    rivals = [each.entry for each in others if each.against(limit).mean < 0]
    reason = _said(choice, best, prospects)
    return replace(
        choice,
        recommended=best.entry,
        reason=reason,
        rivals=tuple(rivals),
        foretold=tuple(each.to_json() for each in (best, *others)),
    )


def _said(choice: Choice, best: Prospect, prospects: Sequence[Prospect]) -> str:
    """Say what is foretold, and what was recommended before where that is another rule."""
    first, limit = prospects[0], prospects[-1]
    at = f"at ratio {choice.target_ratio:g}, as learning-rate curves on {len(best.losses)} fresh "
    at += "seeds foretell it"
    if best.entry == first.entry:
        below = best.against(limit).percent()
        return (
            f"{choice.reason} Its loss {at}, is the lowest of {len(prospects)} rules, {below} than "
            f"the limit end's: its best learning rate moves by {_drift(best)}."
        )
    own = f"The best learning rate of the rule with the lowest loss moves by {_drift(first)}, and "
    own += f"its loss {at}, is {first.against(best).percent()} than"
    if best.entry == limit.entry:
        return f"{own} that of the limit end, which moves by {_drift(best)}."
    over = best.entry.against(limit.entry).percent()
    fate = fate_of(best.entry, choice.target_ratio)
    return (
        f"{own} that of the rule recommended, which moves by {_drift(best)}. Over the search that "
        f"has a loss {over} than the limit end, and {fate}."
    )


def _drift(each: Prospect) -> str:
    size = mean_of(each.drifts)
    return f"{size.mean:+.2f} ± {size.error:.2f} octaves when the scale doubles"
