"""A space laid over a model: free exponents in a row, and the way from values to rules and back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paramsearch.rules.gauge import tidy
from paramsearch.rules.group import Group, Match
from paramsearch.rules.rule import Rule
from paramsearch.tracing.tensor import TensorInfo

_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Variable:
    """One free exponent, on the grid ``low, low + step, ..., high``.

    Attributes:
        group: Name of the group of tensors.
        quantity: ``init``, ``lr``, ``weight_decay`` or ``eps``.
        axis: The axis whose power it is.
        low: Smallest value.
        high: Largest value.
        step: Distance of neighbours.
        start: Where a blind search starts; on the grid.
    """

    group: str
    quantity: str
    axis: str
    low: float
    high: float
    step: float
    start: float

    @property
    def label(self) -> str:
        """Name the variable for people: ``hidden lr width``."""
        return f"{self.group} {self.quantity} {self.axis}"

    @property
    def values(self) -> tuple[float, ...]:
        """List the grid.

        Example:
            >>> Variable("hidden", "lr", "width", -1.0, 0.0, 0.5, 0.0).values
            (-1.0, -0.5, 0.0)
        """
        count = round((self.high - self.low) / self.step) + 1
        return tuple(tidy(self.low + index * self.step) for index in range(count))

    def nearest(self, value: float) -> int:
        """Give the index of the grid value nearest to a value; the ends for values beyond.

        Example:
            >>> Variable("hidden", "lr", "width", -1.0, 0.0, 0.5, 0.0).nearest(-7.0)
            0
        """
        index = round((value - self.low) / self.step)
        return min(max(index, 0), len(self.values) - 1)


@dataclass(frozen=True, slots=True)
class Place:
    """One group of the model: its tensors, how a rule names them, and what is not free.

    Attributes:
        group: Its name.
        matches: Matches that take its tensors and no others.
        tensors: The tensors.
        fixed: (quantity, axis) -> exponent.
    """

    group: str
    matches: tuple[Match, ...]
    tensors: tuple[TensorInfo, ...]
    fixed: Mapping[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class Encoding:
    """The free exponents of a model's rules, with the gauge taken out.

    Attributes:
        optimizer: Of the rules.
        axes: Of the rules.
        variables: The free exponents.
        places: The groups of the model.
    """

    optimizer: str
    axes: tuple[str, ...]
    variables: tuple[Variable, ...]
    places: tuple[Place, ...]

    @property
    def start_indices(self) -> list[int]:
        """Give the grid indices at which a blind search starts."""
        return [variable.nearest(variable.start) for variable in self.variables]

    def rule(self, indices: Sequence[int], name: str) -> Rule:
        """Make the rule at one point of the grid.

        Args:
            indices: One index into ``variable.values`` per variable.
            name: Of the rule.
        """
        points = zip(self.variables, indices, strict=True)
        return self.rule_at([variable.values[index] for variable, index in points], name)

    def rule_at(self, values: Sequence[float], name: str) -> Rule:
        """Make the rule with any exponents, on the grid or off it.

        Args:
            values: One exponent per variable.
            name: Of the rule.
        """
        chosen = {
            (variable.group, variable.quantity, variable.axis): value
            for variable, value in zip(self.variables, values, strict=True)
        }
        groups: list[Group] = []
        for place in self.places:
            exponents: dict[str, dict[str, float]] = {}
            for (quantity, axis), value in place.fixed.items():
                exponents.setdefault(quantity, {})[axis] = value
            for (group, quantity, axis), value in chosen.items():
                if group == place.group:
                    exponents.setdefault(quantity, {})[axis] = value
            groups += [Group(match=match).with_exponents(exponents) for match in place.matches]
        return Rule(name=name, optimizer=self.optimizer, axes=self.axes, groups=tuple(groups))

    def values(self, rule: Rule) -> list[float] | None:
        """Read a rule's exponents at the variables, after taking its multipliers away.

        Args:
            rule: In any gauge.

        Returns:
            One exponent per variable; None where the rule cannot be told by the variables: it is
            for another optimizer or other axes, misses tensors, tells tensors of one group apart,
            or differs from what is fixed.
        """
        if rule.optimizer != self.optimizer or set(rule.axes) != set(self.axes):
            return None
        plain = rule.regauge("no-multipliers")
        compared = {"init", "lr"} | rule.stated() - {"multiplier"}
        compared |= {quantity for place in self.places for quantity, _ in place.fixed}
        compared |= {variable.quantity for variable in self.variables}
        found: dict[tuple[str, str, str], float] = {}
        for place in self.places:
            groups = [plain.exponents(tensor) for tensor in place.tensors]
            for quantity in compared:
                for axis in self.axes:
                    values = [g.exponent(quantity, axis) for g in groups if g is not None]
                    if len(values) < len(groups) or max(values) - min(values) > _TOLERANCE:
                        return None
                    found[place.group, quantity, axis] = values[0]
        free = [found.pop((v.group, v.quantity, v.axis)) for v in self.variables]
        fixed = {(p.group, *key): value for p in self.places for key, value in p.fixed.items()}
        if any(abs(value - fixed.get(key, 0.0)) > _TOLERANCE for key, value in found.items()):
            return None
        return free

    def indices(self, rule: Rule) -> list[int] | None:
        """Find a rule on the grid.

        Args:
            rule: In any gauge.

        Returns:
            One index per variable; None for a rule that is not on the grid.
        """
        values = self.values(rule)
        if values is None:
            return None
        indices = [v.nearest(value) for v, value in zip(self.variables, values, strict=True)]
        points = zip(self.variables, indices, values, strict=True)
        on_grid = all(abs(v.values[index] - value) < 1e-6 for v, index, value in points)
        return indices if on_grid else None
