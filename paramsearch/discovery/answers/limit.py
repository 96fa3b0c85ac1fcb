"""How a rule behaves as models grow without end: its features learn, freeze, or blow up.

Training under a rule tends to one of two limits (Yang & Hu, 2021, arXiv 2011.14522): either the
features of hidden layers change by as much at every width, or their change falls as a power of
the width and the model trains as its linearization does, like a kernel; that is also called lazy
training (Chizat et al., 2019, arXiv 1812.07956). Outside of both, something grows without bound.

Of every group the update probes give ``F(m)``, the root mean square by which training moved its
output at ratio m. Its slope ``s``, in ``F ~ m^s``, is fitted seed by seed. An output that grows
from initialization on, its signal, blows up as well: beside it a bounded change is as good as
frozen. Exponents of theory are multiples of 1/2, and so are these slopes, in the limit: 1/4 is
half-way between a slope that vanishes and one that does not.

A rule *holds* as far as nothing ends it: its features freeze or grow, or its first step overshoots.
Slopes that scatter widely let no rule hold, be they flat or not: a rule *lasts* as far as it holds,
or as far as nothing tells it from the one that departs the least from such a limit.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from paramsearch.discovery.answers.overshoot import FAR, Overshoot, overshoot
from paramsearch.discovery.answers.power import Power
from paramsearch.discovery.evaluation import Evaluation
from paramsearch.discovery.paired import gap
from paramsearch.discovery.recorded import recorded
from paramsearch.errors import ParamsearchError
from paramsearch.score.collapse import probe_slopes

Label = Literal["features learn", "lazy", "blows up", "undecided", "diverges"]

End = Literal["freeze to a quarter", "grow twofold", "overshoot", "diverge"]
"""What a rule may end by as the model grows."""

THRESHOLD = 0.25
"""Slope from which features count as freezing, or as growing, if it lies two standard errors
beyond. On the MLP over ratios 1 to 4 (teacher and digits, Adam, 40 steps, 4 seeds) the slope of
the hidden layers was 0.01 and 0.03 under muP, -0.52 and -0.64 under the lazy form of NTK."""

SLOPE_FLOOR = 1 / 16
"""Differences of slope that do not matter. On the MLP over ratios 1 to 4 the finite width leaves
muP a departure of 0.04; a learning rate exponent that is off by 1/4 adds 0.05 to 0.3."""

KEPT = 0.25
"""Share of the change at the base below which features are frozen at a scale."""

GROWN = 2.0
"""Multiple of it from which a rule does not hold. Growth does more harm than decay: a learning rate
twice the best one is where plain gradient descent diverges. MLPs under SGD whose feature change
went like m^0.15 and m^0.23 over ratios 1 to 4, where they had the lowest losses, diverged or lost
most of what they had learned at ratio 32."""

_PROBE = "feature_change/"
_SIGNAL = "signal/"
_SIGNALLING = ("input", "hidden", "output")
_NO_FEATURES = ("input", "output", "logits", "vector", "scalar")
_NO_OUTPUT_OF_THEIR_OWN = ("vector", "scalar")


@dataclass(frozen=True)
class Limit:
    """Where a rule leads as the model grows.

    Attributes:
        slowest: The most negative slope of a hidden layer or branch: the limit behaviour.
        fastest: The most positive slope of any layer, the readout and the logits included; of the
            feature change or of the signal.
        groups: All slopes.
        diverged: Whether some feature change was not finite; its slopes mean nothing then.
        first: Where the first step begins to overshoot; None where that is not known.
    """

    slowest: Power
    fastest: Power
    groups: tuple[Power, ...]
    diverged: bool = False
    first: Overshoot | None = None

    @property
    def label(self) -> Label:
        """Name the limit; undecided where the spread over seeds leaves it open."""
        if self.diverged:
            return "diverges"
        if self.fastest.low >= THRESHOLD:
            return "blows up"
        if self.slowest.high <= -THRESHOLD:
            return "lazy"
        inside = self.slowest.low > -THRESHOLD and self.fastest.high < THRESHOLD
        return "features learn" if inside else "undecided"

    @cached_property
    def departure(self) -> tuple[float, ...]:
        """Distance from a limit in which features learn, seed by seed: 0 if nothing falls or grows.

        With s the slowest and g the fastest slope it is ``max(0, -s, g)``.
        """
        slopes = zip(self.slowest.per_seed, self.fastest.per_seed, strict=True)
        return tuple(max(0.0, -slow, fast) for slow, fast in slopes)

    @property
    def holds_to(self) -> float | None:
        """The ratio up to which nothing ends it; None if that is beyond all models.

        No feature change falls below KEPT or grows beyond GROWN, slopes being taken two standard
        errors to the bad side, and no first step overshoots.
        """
        octaves = min(self._octaves.values())
        return 2.0**octaves if octaves < FAR else None

    @property
    def ends_by(self) -> End:
        """What happens at that ratio."""
        return min(self._octaves, key=lambda end: self._octaves[end])

    @property
    def worst(self) -> Power:
        """What goes with the power that ends it."""
        if self.ends_by == "overshoot" and self.first is not None:
            return self.first.slope
        return self.slowest if self.ends_by == "freeze to a quarter" else self.fastest

    @cached_property
    def _octaves(self) -> dict[End, float]:
        """Octaves until a feature change has fallen to KEPT, grown to GROWN, a step overshoots."""
        if self.diverged:  # at a scale of the search; slopes mean nothing
            return {"diverge": 0.0}
        overshoots = self.first.octaves if self.first is not None else math.inf
        return {**_ends(self.slowest.low, self.fastest.high), "overshoot": overshoots}

    def holds_at(self, ratio: float) -> bool:
        """Say whether nothing ends it on the way to a ratio."""
        return self.holds_to is None or ratio <= self.holds_to

    def lasts(self, ratio: float, least: "Limit") -> bool:
        """Say whether a rule may be used up to a ratio: it holds, or passes for one that may.

        It passes for one that may if nothing tells it from the rule that departs the least from a
        limit in which features learn, nor are its features alone known to freeze or grow by then.
        Growth does not pass for scatter: it does more harm than decay. Nor do first steps, which
        scatter little.

        Args:
            ratio: The target.
            least: Of that rule.
        """
        if self.holds_at(ratio):
            return True
        if self.diverged or self._octaves["overshoot"] < math.log2(ratio):
            return False
        if self._known_to_end(ratio) and not least._known_to_end(ratio):
            return False
        calm = self.fastest.size.mean <= least.fastest.size.mean + SLOPE_FLOOR
        return calm and gap(self.departure, least.departure).word(SLOPE_FLOOR) != "higher"

    def _known_to_end(self, ratio: float) -> bool:
        """Say whether features freeze or grow by then with slopes to the good side, too."""
        return min(_ends(self.slowest.high, self.fastest.low).values()) < math.log2(ratio)

    @property
    def sentence(self) -> str:
        """Say it in words."""
        slow, fast = self.slowest, self.fastest
        freezes = f"{slow.group} features change like {slow}"
        grows = f"the {fast.what} of {fast.group} goes like {fast}"
        return {
            "features learn": f"features learn: {freezes}",
            "lazy": f"lazy, as a kernel (NTK-like): {freezes}, so that they freeze",
            "blows up": f"blows up: {grows}",
            "undecided": f"undecided: {freezes}, and {grows}",
            "diverges": "diverges at a scale of the search",
        }[self.label]

    def to_json(self) -> dict[str, Any]:
        """Give plain data."""
        return {
            "label": self.label,
            "slope": self.slowest.size.mean,
            "spread": self.slowest.size.error,
            "group": self.slowest.group,
            "growth": self.fastest.size.mean,
            "growth_spread": self.fastest.size.error,
            "growth_group": self.fastest.group,
            "holds_to": self.holds_to,
            "ends_by": self.ends_by,
            "groups": {
                slope.group: {"slope": slope.size.mean, "spread": slope.size.error}
                for slope in self.groups
            },
            "sentence": self.sentence,
        }


def has_limit(evaluation: Evaluation) -> bool:
    """Say whether an evaluation holds the probes that tell the limit behaviour."""
    return all(_slopes(curve["probes"]) for curve in evaluation.curves)


def limit_of(evaluation: Evaluation) -> Limit:
    """Tell the limit behaviour of a rule from what was measured of it.

    Features are those of hidden layers and branches; of a model without any, those of the layers
    that read the input. The signal of the readout is that of few outputs, drawn anew at every
    scale: it counts where it is known to grow, by two standard errors.

    Args:
        evaluation: At least two scales, with the update probes of each seed.

    Raises:
        ParamsearchError: The probes were not measured.
    """
    if not has_limit(evaluation):
        raise ParamsearchError(
            "the limit behaviour of a rule is told by the update probes, which were not measured; "
            "allowed: an objective with weights.probe_slopes above 0"
        )
    curves = recorded(evaluation)
    slopes = probe_slopes(curves)
    names = _slopes(slopes)
    groups = tuple(Power(name.removeprefix(_PROBE), tuple(slopes[name].tolist())) for name in names)
    signals = tuple(
        Power(name.removeprefix(_SIGNAL), tuple(slopes[name].tolist()), "signal")
        for name in slopes
        if name.startswith(_SIGNAL) and _role(name.removeprefix(_SIGNAL)) in _SIGNALLING
    )
    grown = [s for s in signals if _role(s.group) != "output" or s.low > 0]
    hidden = [slope for slope in groups if _role(slope.group) not in _NO_FEATURES]
    features = hidden or [slope for slope in groups if _role(slope.group) == "input"] or groups
    finite = all(np.isfinite(curve.probes[name]).all() for curve in curves for name in names)
    return Limit(
        slowest=min(features, key=lambda slope: slope.size.mean),
        fastest=max((*groups, *grown), key=lambda slope: slope.size.mean),
        groups=groups,
        diverged=not finite,
        first=overshoot(curves),
    )


def _ends(slow: float, fast: float) -> dict[End, float]:
    """Give the octaves until a change with the one slope is at KEPT, with the other at GROWN."""
    return {
        "freeze to a quarter": math.log2(KEPT) / slow if slow < 0 else math.inf,
        "grow twofold": math.log2(GROWN) / fast if fast > 0 else math.inf,
    }


def _slopes(names: dict[str, Any]) -> list[str]:
    """Give the feature changes that count: biases and gains share the output of their layer."""
    found = [name for name in names if name.startswith(_PROBE)]
    return [n for n in found if _role(n.removeprefix(_PROBE)) not in _NO_OUTPUT_OF_THEIR_OWN]


def _role(group: str) -> str:
    """Give the role in the name of a group, such as ``hidden.linear`` or ``hidden, ends of``."""
    return group.replace(",", ".").split(".")[0]
