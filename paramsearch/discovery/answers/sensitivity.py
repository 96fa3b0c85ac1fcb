"""Which exponents matter: what the score loses when one of them is off by a quarter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paramsearch.discovery.encoding import Point
from paramsearch.discovery.evaluation import Evaluation
from paramsearch.discovery.paired import Gap, gap
from paramsearch.discovery.polish import Measure
from paramsearch.rules.variable import Variable

OFFSET = 0.25
"""How far an exponent is moved: half of the distance between exponents of theory."""

SCORE_FLOOR = 1e-3
"""Losses of score that do not matter, whatever the seeds say."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What the score loses when one exponent is moved to one side.

    Attributes:
        lost: Paired over seeds.
        estimated: Whether the later stages were not measured, and count as in the rule itself.
    """

    lost: Gap
    estimated: bool

    def to_json(self) -> dict[str, Any]:
        """Give plain data."""
        return {**self.lost.to_json(), "estimated": self.estimated}


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What the score loses when one exponent is moved, the others held.

    Attributes:
        variable: The exponent.
        value: Its value in the rule.
        offset: How far it is moved: the multiple of its grid step that is nearest to 1/4.
        below: What is lost when it is that much lower; None outside the bounds.
        above: When it is that much higher.
    """

    variable: Variable
    value: float
    offset: float
    below: Cost | None
    above: Cost | None

    @property
    def most(self) -> float:
        """The larger of both losses."""
        return max((side.lost.mean for side in (self.below, self.above) if side), default=0.0)

    @property
    def matters(self) -> bool:
        """Whether the score gets worse on some side, beyond what the seeds explain."""
        sides = (side for side in (self.below, self.above) if side)
        return any(side.lost.word(SCORE_FLOOR) == "higher" for side in sides)

    def to_json(self) -> dict[str, Any]:
        """Give plain data."""
        return {
            "group": self.variable.group,
            "quantity": self.variable.quantity,
            "axis": self.variable.axis,
            "value": self.value,
            "offset": self.offset,
            "below": self.below.to_json() if self.below else None,
            "above": self.above.to_json() if self.above else None,
            "matters": self.matters,
        }


def sensitivities(
    measure: Measure, variables: Sequence[Variable], point: Point
) -> list[Sensitivity]:
    """Move every exponent of a rule by a quarter to either side, and measure what that costs.

    Args:
        measure: Evaluates grid points on common seeds; called with stage ``sensitivity``.
        variables: The free exponents.
        point: The rule's grid indices.

    Returns:
        One entry per exponent; the one whose move costs most comes first.
    """
    moves = {
        (index, side): moved
        for index, variable in enumerate(variables)
        for side in (-1, 1)
        if (moved := _moved(variables, point, index, side * _steps(variable))) is not None
    }
    (best,) = measure([point], "sensitivity", 0)
    others = measure(list(moves.values()), "sensitivity", 0, point)
    lost = {move: _lost(found, best) for move, found in zip(moves, others, strict=True)}
    found = [_of(variable, point, index, lost) for index, variable in enumerate(variables)]
    return sorted(found, key=lambda sensitivity: -sensitivity.most)


def _of(
    variable: Variable, point: Point, index: int, lost: Mapping[tuple[int, int], Cost]
) -> Sensitivity:
    return Sensitivity(
        variable,
        variable.values[point[index]],
        _steps(variable) * variable.step,
        lost.get((index, -1)),
        lost.get((index, 1)),
    )


def _steps(variable: Variable) -> int:
    return max(1, round(OFFSET / variable.step))


def _moved(variables: Sequence[Variable], point: Point, index: int, by: int) -> Point | None:
    """Give the point with one index moved, None outside the bounds."""
    to = point[index] + by
    if not 0 <= to < len(variables[index].values):
        return None
    return (*point[:index], to, *point[index + 1 :])


def _lost(found: Evaluation, best: Evaluation) -> Cost:
    return Cost(gap(found.per_seed, best.per_seed), found.stage != best.stage)
