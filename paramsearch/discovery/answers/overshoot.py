"""Up to which scale the first step of a rule stays short of the minimum it heads for.

Feature changes over a whole run cannot show everything that grows: whatever the scale, outputs end
where the targets are. The first step can. With ``S_g(m)`` the loss decrease that the first update
of group g would buy at ratio m, in units of the loss, theory has ``S_g ~ m^{s_g}``, and that is
what the ratios of a search show: for MLPs under plain gradient descent and Adam, slopes over ratios
1 to 4 differ from those over 4 to 32 by 0.03 (input, hidden layers) and 0.15 (readout), and from
multiples of 1/4, which they are in theory, by as much.
With momentum b the step counts that the first one grows to while the gradient stays, 1 / (1 - b)
times as large (``gain``): of a rule whose readout init went like 1/sqrt(m) the first update alone
had S = 0.2 at ratio 32, where it had lost its lead. From the largest ratio M on,

    S(m) = sum_g S_g(M) (m / M)^{s_g},

slopes taken two standard errors to the bad side. Where S is 1, the step would take away all of the
loss if that fell on as at first; where it is 2, it passes the minimum of every quadratic that is
nowhere negative (``FirstShare``). MLPs on digits under SGD whose readout init went like 1/sqrt(m)
had the lowest losses up to ratio 4, with S = 0.12; at ratios 32, 64 and 128 it was 0.9, 1.7 and
3.4, and they lost their lead, then diverged.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from paramsearch.discovery.answers.power import Power
from paramsearch.score.collapse import probe_slopes
from paramsearch.score.measured import Measured

Array = NDArray[np.float64]

WHOLE = 1.0
"""S from which a rule does not hold, unless the base trains with half as much already."""

FAR = 40.0
"""Octaves: farther off than any model."""

_PROBE = "first_share/"
_EXACT = 1e-6  # octaves


@dataclass(frozen=True)
class Overshoot:
    """What the first step of a rule buys at every ratio, as the search foretells it.

    Attributes:
        powers: Of the groups that it buys anything in.
        last: S of each of them at the largest ratio measured, (groups,).
        known: Octaves from the base to there.
        most: S from which the rule does not hold.
    """

    powers: tuple[Power, ...]
    last: tuple[float, ...]
    known: float
    most: float

    def share(self, ratio: float) -> float:
        """Give S at a ratio, in units of the loss; at those measured, that at the largest."""
        return float(self._shares(math.log2(ratio)).sum())

    @property
    def slope(self) -> Power:
        """The power of the group whose share is the largest where the step overshoots."""
        return self.powers[int(np.argmax(self._shares(min(self.octaves, FAR))))]

    @cached_property
    def octaves(self) -> float:
        """From the base to where the step overshoots; inf where S never gets so large."""
        low, high = self.known, FAR
        if self._overshoots(low):
            return low
        if not self._overshoots(high):  # and so is it between, as a sum of powers is convex
            return math.inf
        while high - low > _EXACT:
            middle = (low + high) / 2
            low, high = (low, middle) if self._overshoots(middle) else (middle, high)
        return high

    def _overshoots(self, octaves: float) -> bool:
        return float(self._shares(octaves).sum()) >= self.most

    def _shares(self, octaves: float) -> Array:
        """Give S of each group."""
        steep = np.array([power.high for power in self.powers])
        return np.array(self.last) * np.exp2(steep * max(0.0, octaves - self.known))


def overshoot(curves: Sequence[Measured]) -> Overshoot | None:
    """Tell from what ratio on the first step overshoots.

    Args:
        curves: Of a rule, base first, over at least two scales.

    Returns:
        None where first shares were not measured, or are positive in no group.
    """
    names = [
        name
        for name in curves[0].probes
        if name.startswith(_PROBE) and all(_positive(curve.probes.get(name)) for curve in curves)
    ]
    if not names:
        return None
    slopes = probe_slopes(curves)
    powers = tuple(
        Power(n.removeprefix(_PROBE), tuple(slopes[n].tolist()), "share of the first step")
        for n in names
    )
    base, last = ([_level(c.probes[n]) for n in names] for c in (curves[0], curves[-1]))
    return Overshoot(
        powers, tuple(last), math.log2(curves[-1].ratio), max(WHOLE, 2 * math.fsum(base))
    )


def _positive(values: Array | None) -> bool:
    return values is not None and bool(np.isfinite(values).all() and (values > 0).all())


def _level(values: Array) -> float:
    """Give the mean size of what varies by factors."""
    return float(np.exp(np.log(values).mean()))
