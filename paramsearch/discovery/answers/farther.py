"""The choice looked at again at the target ratio, as learning-rate curves foretell it.

An optimum that moves costs little over the ratios of a search and much beyond them, where the
base's best learning rate ends up beside the valley. Of several rules with a lower loss than the
limit end, the one is recommended whose curves promise the lowest loss at the target: mean and two
standard errors over the seeds.

With ``o(m)`` the best learning rate at ratio m, in octaves, and M the largest ratio measured, the
drift is ``d = (o(M) - o(1)) / log2 M``. The curve at M, moved by ``d log2(R / M)``, stands for that
at the target R, and is read at the base's best learning rate. Over the six octaves from ratio 4 to
256 the error e of a drift moves the curve as far as drifts of good rules do. So d is weighed
against what is usual, normal around 0 with deviation t (``USUAL``): drifts are then normal around
``d t^2 / (t^2 + e^2)`` with deviation ``t e / sqrt(t^2 + e^2)``, and what is foretold is the mean
of the log loss over them, by Gauss and Hermite's three points. Where a valley has a steep side, a
drift that is not known well costs what it may cost.

The lowest log loss l is taken to go on as from the base to ratio M, by ``(l(M) - l(1)) / log2 M``
when the scale doubles: rules that win at 32 or 128 times the base do because theirs keeps falling.
But where the best learning rate is known to fall, a falling loss is that of steps which grow, and
which end by being too large: there it is taken to stay.

How large steps become shows before they are too large, where they grow with the gradient. Let S be
the largest share of the loss that one update of a run would buy, with the base's best learning
rate. For gradient descent on a quadratic of curvature c it is twice the learning rate times c: from
4 on training leaves a minimum, and up to 8 networks find a flatter one (Lewkowycz et al. 2020,
arXiv 2003.02218). S goes on with a power of the ratio, and rules under which it passes ``PEAK`` on
the way to the target, and the limit end's, are left out.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from paramsearch.discovery.answers.choice import RIVALS, Choice, lasting_fate
from paramsearch.discovery.answers.front import Entry
from paramsearch.discovery.answers.longer import LIMIT
from paramsearch.discovery.answers.valleys import Valleys
from paramsearch.discovery.paired import LOSS_FLOOR, SURE, Gap, gap, mean_of
from paramsearch.rules.rule import Rule

USUAL = 0.07
"""Octaves, root mean square, by which best learning rates of rules that hold move when the scale
doubles: 0.008 to 0.14 over ratios 1 to 32 for 18 found and published rules in nine cells."""


STILL = 0.01
"""Octaves by which a best learning rate may move when the scale doubles and counts as still."""


PEAK = 8.0
"""What the largest share of an update may grow to up to the target. Of 34 rules asked about in two
searches of MLPs (SGD) 20 diverged at ratio 32 and 3 ended far above the others: foretold for all of
them was more than 10, for 8 of the 11 others less than 6."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What the learning-rate curves of a rule say about larger models.

    Curves of single seeds are too ragged for an optimum. So the drift is that of all n seeds, and
    varies from seed to seed by ``(n - 1) (mean_j d_j - d_j)``, ``d_j`` being that without seed j:
    its standard error is that of the jackknife.

    Attributes:
        entry: The rule.
        drifts: Octaves by which the best learning rate moves when the scale doubles, seed by seed.
        trends: Change of the lowest log loss when the scale doubles, likewise.
        losses: Log loss foretold at the target with the learning rate of the base, likewise.
        peak: Largest share of the loss that one update is foretold to buy there.
    """

    entry: Entry
    drifts: tuple[float, ...]
    trends: tuple[float, ...]
    losses: tuple[float, ...]
    peak: float

    @property
    def moves(self) -> bool:
        """Whether its best learning rate is known to move, by two standard errors."""
        return mean_of(self.drifts).word(0.0) != "tied"

    @property
    def promised(self) -> float:
        """The log loss that it stays below, with two standard errors to spare."""
        size = mean_of(self.losses)
        return size.mean + SURE * size.error

    def against(self, other: "Prospect") -> Gap:
        """Give the paired difference of what is foretold."""
        return gap(self.losses, other.losses)

    def to_json(self) -> dict[str, Any]:
        """Give plain data, with the rule."""
        return {
            **self.entry.to_json(),
            "drift": mean_of(self.drifts).to_json(),
            "trend": mean_of(self.trends).to_json(),
            "foretold": mean_of(self.losses).to_json(),
            "peak": self.peak,
            "rule": self.entry.rule.plain(),
        }


def prospect(entry: Entry, name: str, valleys: Valleys, ratio: float) -> Prospect:
    """Foretell the loss of a rule at a ratio.

    Args:
        entry: The rule.
        name: Under which its curve is there.
        valleys: Curves.
        ratio: The target.
    """
    seeds = valleys.seeds
    drifts = _jackknife(lambda some: valleys.drift(name, some), seeds)
    trends = _jackknife(lambda some: valleys.trend(name, some), seeds)
    read = [
        (weight, valleys.foretold(name, drift, ratio)) for drift, weight in likely(mean_of(drifts))
    ]
    lasts = mean_of(drifts).word(STILL) != "lower"
    on = max(0.0, math.log2(ratio / valleys.ratio)) * lasts
    losses = tuple(sum(w * row[k] for w, row in read) + on * trends[k] for k in seeds)
    return Prospect(entry, drifts, trends, losses, valleys.peak(name, ratio))


def likely(drift: Gap) -> list[tuple[float, float]]:
    """Give three drifts with their weights that stand for those that what was measured allows.

    Args:
        drift: In octaves, when the scale doubles.

    Example:
        >>> [(round(d, 3), round(w, 3)) for d, w in likely(Gap(-0.2, 0.07))]
        [(-0.186, 0.167), (-0.1, 0.667), (-0.014, 0.167)]
    """
    known = USUAL**2 / (USUAL**2 + drift.error**2)
    center, deviation = known * drift.mean, math.sqrt(known) * drift.error
    side = math.sqrt(3) * deviation
    return [(center - side, 1 / 6), (center, 2 / 3), (center + side, 1 / 6)]


def _jackknife(value: Callable[[Sequence[int]], float], seeds: Sequence[int]) -> tuple[float, ...]:
    whole, count = value(seeds), len(seeds)
    if count == 1:
        return (whole,)
    without = [value([seed for seed in seeds if seed != left]) for left in seeds]
    mean = sum(without) / count
    return tuple(whole + (count - 1) * (mean - each) for each in without)


def contenders(choice: Choice, safe: Sequence[Entry] = ()) -> dict[str, Entry]:
    """Give the rules whose curves are to be measured: what is recommended, rivals, the limit end.

    Args:
        choice: What is recommended.
        safe: Rules for which something else speaks: that of the solver. They have to last, too.

    Returns:
        By name, the limit end last; none where it is alone, or the user preferred an end.
    """
    if choice.prefer is not None:
        return {}
    limit, ratio = choice.front.limit, choice.target_ratio
    held = [entry for entry in safe if entry.limit.lasts(ratio, limit.limit)]
    some = (choice.recommended, *choice.rivals, *held)
    distinct = [e for i, e in enumerate(some) if e not in (*some[:i], limit)]
    named = {f"rule {number}": entry for number, entry in enumerate(distinct, start=1)}
    return {**named, LIMIT: limit} if named else {}


def farther(
    choice: Choice,
    train: Callable[[Mapping[str, Rule]], Valleys],
    safe: Sequence[Entry] = (),
) -> Choice:
    """Look at a recommendation again at the target, where the limit end is not alone.

    Args:
        choice: What was recommended.
        train: Measures curves of rules on seeds on which nothing was chosen.
        safe: Rules for which something else speaks: that of the solver.
    """
    some = contenders(choice, safe)
    if not some:
        return choice
    valleys, ratio = train({name: entry.rule for name, entry in some.items()}), choice.target_ratio
    return foreseen(choice, [prospect(e, name, valleys, ratio) for name, e in some.items()])


def foreseen(choice: Choice, prospects: Sequence[Prospect]) -> Choice:
    """Recommend the rule with the lowest loss promised at the target, or else over the search.

    Args:
        choice: What was recommended.
        prospects: Of its contenders, the limit end last, on seeds on which nothing was chosen.

    Returns:
        The choice. After longer runs those of the others may still come first that promise a lower
        loss than the limit end, in that order but for those that promise the same; or the limit
        end, unless it is foretold to be higher beyond two standard errors.
    """
    limit = prospects[-1]
    ranked = sorted(prospects, key=lambda each: (each.promised, each.entry.loss.mean))
    most = max(PEAK, limit.peak)
    best, *others = [each for each in ranked if each.peak <= most]
    rivals = [each for each in others if each.promised < limit.promised][:RIVALS]
    alike = [each for each in rivals if each.promised <= best.promised + LOSS_FLOOR]
    reason = _said(choice, best, prospects, len(prospects) - len(others) - 1)
    return replace(
        choice,
        recommended=best.entry,
        reason=reason,
        rivals=tuple(each.entry for each in rivals),
        foretold=tuple(each.to_json() for each in ranked),
        alike=tuple(each.entry for each in alike),
        ahead=best.against(limit).word() == "lower" and limit.moves,
    )


def _said(choice: Choice, best: Prospect, prospects: Sequence[Prospect], left: int) -> str:
    """Say what is foretold, and what was recommended before where that is another rule."""
    limit = prospects[-1]
    first = next(each for each in prospects if each.entry == choice.recommended)
    one = "the limit end" if best.entry == limit.entry else "it"
    some = f"Of {len(prospects)} rules"
    if left:
        some += f", {left} of which are left out as their updates would become too large,"
    foretold = (
        f"{some} {one} has the lowest loss promised at ratio "
        f"{choice.target_ratio:g} by learning-rate curves (mean and two standard errors, "
        f"{len(best.losses)} fresh seeds)"
    )
    moves = f"its best learning rate moves by {_drift(best)} octaves when the scale doubles"
    if best.entry == first.entry:
        below = f", {best.against(limit).percent()} than the limit end's" * (best != limit)
        return f"{choice.reason} {foretold}{below}; {moves}."
    other = "limit end" if first == limit else "lasting rule with the lowest loss over the search"
    said = (
        f"{foretold}; {moves}. That of the {other} moves by {_drift(first)}; its loss is foretold "
        f"to be {first.against(best).percent()} there."
    )
    if best.entry == limit.entry:
        return said
    over = best.entry.against(limit.entry).percent()
    fate = lasting_fate(best.entry, choice.target_ratio)
    return f"{said} Over the search its loss is {over} than that of the limit end, and {fate}."


def _drift(each: Prospect) -> str:
    size = mean_of(each.drifts)
    return f"{size.mean:+.2f} ± {size.error:.2f}"
