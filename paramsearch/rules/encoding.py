"""A space laid over a model: free exponents in a row, and the way from values to rules and back."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from paramsearch.rules.group import Group, Match
from paramsearch.rules.rule import Rule
from paramsearch.rules.site import SiteGroup, SiteMatch, stated_at
from paramsearch.rules.variable import Variable
from paramsearch.tracing.tensor import Fold, TensorInfo

_TOLERANCE = 1e-9


Slot = tuple[str, str, str]
"""Name of a group or of sites, quantity, axis."""


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
class SitePlace:
    """Sites of the model that share an exponent.

    Attributes:
        label: Their name.
        match: How a rule names them.
        tensors: Names of the tensors that take their multiplier.
        folds: How they take it, one per tensor and site.
        fixed: Axis -> exponent.
    """

    label: str
    match: SiteMatch
    tensors: tuple[str, ...]
    folds: tuple[Fold, ...]
    fixed: Mapping[str, float]

    def stated(self, sites: Sequence[SiteGroup], axis: str) -> float | None:
        """Give what a rule says of these sites; None if it tells them apart.

        Where it says nothing, that is the exponent which leaves the model as its code is.
        """
        values = [
            stated_at(sites, fold).get(axis, fold.unstated(axis))
            for fold in self.folds
            if fold.reach(axis)
        ]
        apart = values and max(values) - min(values) > _TOLERANCE
        return None if apart or not values else values[0]


@dataclass(frozen=True, slots=True)
class Encoding:
    """The free exponents of a model's rules, with the gauge taken out.

    Attributes:
        optimizer: Of the rules.
        axes: Of the rules.
        variables: The free exponents.
        places: The groups of the model.
        sites: The sites of the model of which the space speaks.
    """

    optimizer: str
    axes: tuple[str, ...]
    variables: tuple[Variable, ...]
    places: tuple[Place, ...]
    sites: tuple[SitePlace, ...] = ()

    @property
    def start_indices(self) -> list[int]:
        """Give the grid indices at which a blind search starts."""
        return [variable.nearest(variable.start) for variable in self.variables]

    @property
    def points(self) -> int:
        """Count the rules on the grid."""
        return math.prod(len(variable.values) for variable in self.variables)

    def along(self, axis: str) -> "Encoding":
        """Give what is free and what is fixed along one axis, the others left aside.

        Args:
            axis: One of the axes.
        """
        return replace(
            self,
            axes=(axis,),
            variables=tuple(v for v in self.variables if v.axis == axis),
            places=tuple(
                replace(place, fixed={key: e for key, e in place.fixed.items() if key[1] == axis})
                for place in self.places
            ),
            sites=tuple(
                replace(place, fixed={a: e for a, e in place.fixed.items() if a == axis})
                for place in self.sites
            ),
        )

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
            (group, variable.quantity, variable.axis): value
            for variable, value in zip(self.variables, values, strict=True)
            for group in variable.groups
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
        sites = tuple(
            SiteGroup(match=place.match, multiplier=multiplier)
            for place in self.sites
            if (multiplier := {**place.fixed, **_chosen_at(place, chosen)})
        )
        return Rule(
            name=name, optimizer=self.optimizer, axes=self.axes, groups=tuple(groups), sites=sites
        )

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
        stated = {"init", "lr"} | rule.stated() - {"multiplier"}
        found = self._of_groups(rule.regauge("no-multipliers"), stated)
        at_sites = self._of_sites(rule)
        if found is None or at_sites is None:
            return None
        found |= at_sites
        shared = [
            [found.pop((group, v.quantity, v.axis)) for group in v.groups] for v in self.variables
        ]
        if any(max(values) - min(values) > _TOLERANCE for values in shared):
            return None
        fixed = {(p.group, *key): value for p in self.places for key, value in p.fixed.items()}
        fixed |= {(p.label, "multiplier", a): v for p in self.sites for a, v in p.fixed.items()}
        if any(abs(value - fixed.get(key, 0.0)) > _TOLERANCE for key, value in found.items()):
            return None
        return [values[0] for values in shared]

    def _of_groups(self, plain: Rule, stated: set[str]) -> dict[Slot, float] | None:
        """Read the exponents of every group, None if the rule misses tensors or splits a group."""
        compared = stated | {quantity for place in self.places for quantity, _ in place.fixed}
        compared |= {v.quantity for v in self.variables if v.quantity != "multiplier"}
        found: dict[Slot, float] = {}
        for place in self.places:
            groups = [plain.exponents(tensor) for tensor in place.tensors]
            for quantity in compared:
                for axis in self.axes:
                    values = [g.exponent(quantity, axis) for g in groups if g is not None]
                    if len(values) < len(groups) or max(values) - min(values) > _TOLERANCE:
                        return None
                    found[place.group, quantity, axis] = values[0]
        return found

    def _of_sites(self, rule: Rule) -> dict[Slot, float] | None:
        """Read the exponents of sites, None if the rule splits some or scales others."""
        found: dict[Slot, float] = {}
        known: set[tuple[str, str]] = set()
        multipliers = [v for v in self.variables if v.quantity == "multiplier"]
        free = {(label, v.axis) for v in multipliers for label in v.groups}
        for place in self.sites:
            for axis in (a for a in self.axes if a in place.fixed or (place.label, a) in free):
                value = place.stated(rule.sites, axis)
                if value is None:
                    return None
                found[place.label, "multiplier", axis] = value
                known |= {(name, axis) for name in place.tensors}
        for tensor in (tensor for place in self.places for tensor in place.tensors):
            for fold in tensor.sites:
                others = stated_at(rule.sites, fold).items()
                if any(fold.exponent(v, a) for a, v in others if (tensor.name, a) not in known):
                    return None
        return found

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


def _chosen_at(place: SitePlace, chosen: Mapping[Slot, float]) -> dict[str, float]:
    return {
        axis: value
        for (label, quantity, axis), value in chosen.items()
        if (label, quantity) == (place.label, "multiplier")
    }
