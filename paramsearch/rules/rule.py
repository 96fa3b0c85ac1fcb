"""A rule: exponents for every group of tensors, which is one parameterization."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from paramsearch.catalog import find, names
from paramsearch.errors import ParamsearchError, unknown_name
from paramsearch.rules.degrees import FORMS, degrees
from paramsearch.rules.equivalence import pairs, same_exponents
from paramsearch.rules.folded import folded_groups
from paramsearch.rules.gauge import Exponents, on_axis, rounded, shift, tidy
from paramsearch.rules.group import Frozen, Group, check_stated
from paramsearch.rules.group import Match as Match
from paramsearch.rules.rule_file import rule_text, write_whole
from paramsearch.rules.site import SiteGroup, effective, refusal, same_sites, sites_on_axis
from paramsearch.rules.yaml_file import read_yaml, validate
from paramsearch.tracing.tensor import TensorInfo

Gauge = Literal["no-multipliers", "unit-init"]


class Rule(Frozen):
    """How multiplier, init, LR, weight decay and eps of each tensor follow the ratio of a model.

    ``value = base value * product over axes of ratio[axis] ** exponent[axis]``, with the exponents
    of the first group that matches the tensor, and multipliers of sites, which tensors take.

    Attributes:
        paramsearch: Version of the format: 1.
        name: What to call it.
        optimizer: A shipped name (``adam``) or ``module:Class``; fixes the gauge.
        axes: The axes it speaks about.
        groups: Matched in order; the first that matches counts.
        sites: What holds of branches, attention logits and tied readouts; matched in order.
        description: What it is, in a sentence or two.
        source: Where it comes from.

    Example:
        >>> rule = Rule.load("mup")
        >>> rule.regauge("unit-init").equivalent(rule)
        True
    """

    paramsearch: Literal[1] = 1
    name: str = Field(min_length=1)
    optimizer: str
    axes: tuple[str, ...] = Field(min_length=1)
    groups: tuple[Group, ...] = Field(min_length=1)
    sites: tuple[SiteGroup, ...] = ()
    description: str = ""
    source: str = ""

    @model_validator(mode="after")
    def _fits_together(self) -> "Rule":
        if len(set(self.axes)) < len(self.axes):
            raise ValueError(f"axes: received {list(self.axes)}; allowed: each axis once")
        degrees(self.optimizer)
        for index, group in enumerate(self.groups):
            for key, by_axis in group.stated().items():
                check_stated(f"groups.{index}.{key}", key, by_axis, self.optimizer, self.axes)
        for index, site in enumerate(self.sites):
            where = f"sites.{index}.multiplier"
            check_stated(where, "multiplier", site.multiplier, self.optimizer, self.axes)
        return self

    @classmethod
    def load(cls, name: str | Path, optimizer: str | None = None) -> "Rule":
        """Load a rule file, or a published rule by name.

        Args:
            name: A published name ("mup") or a path ("runs/x/rule.yaml").
            optimizer: Which form of a published rule: ``sgd`` takes ``NAME-sgd``, ``lion`` the
                form for ``adam``, and so on; a published rule with one learning rate for all
                is for every optimizer. A file by path must be for this optimizer.

        Returns:
            The rule.

        Raises:
            ParamsearchError: Unknown name, malformed file, or a rule for another optimizer.

        Example:
            >>> Rule.load("mup", optimizer="sgd").name
            'mup-sgd'
        """
        if optimizer is not None:
            degrees(optimizer)
        form = FORMS.get(str(optimizer), optimizer)
        variant = f"{name}-{form}"
        path = find("rule", variant if variant in names("rule") else str(name))
        rule = validate(cls, path, read_yaml(path))
        published = str(name) in names("rule")
        if published and optimizer and (rule.optimizer == form or rule.one_rate()):
            rule = rule.model_copy(update={"optimizer": optimizer})
        if optimizer not in (None, rule.optimizer):
            raise ParamsearchError(
                f"{path}: optimizer: received '{rule.optimizer}'; allowed here: '{optimizer}'"
            )
        return rule

    def save(self, path: str | Path) -> None:
        """Write the rule as YAML; the file is there either whole or not at all.

        Args:
            path: Where; missing folders are made.

        Raises:
            ParamsearchError: It cannot be written there.
        """
        write_whole(Path(path), self.text())

    def text(self) -> str:
        """Give the rule as the text of its file.

        Example:
            >>> Rule.load("mup").text().splitlines()[0]
            'paramsearch: 1'
        """
        return rule_text(self.plain())

    def plain(self) -> dict[str, Any]:
        """Give the rule as the plain data of its file, without what is left at its default."""
        keys = ("paramsearch", "name", "optimizer", "axes", "description", "source")
        data = {key: getattr(self, key) for key in keys if getattr(self, key) != ""}
        data["axes"] = list(self.axes)
        data["groups"] = [
            {"match": group.match.model_dump(exclude_none=True), **group.stated()}
            for group in self.groups
        ]
        sites = [site.model_dump(exclude_none=True) for site in self.sites]
        return {**data, "sites": sites} if sites else data

    def exponents(self, tensor: TensorInfo) -> Group | None:
        """Give the first group that matches a tensor, None where none does."""
        return next((group for group in self.groups if group.match.matches(tensor)), None)

    def effective(self, tensor: TensorInfo) -> Group | None:
        """Give the exponents of a tensor with those of its sites, None where no group matches."""
        group = self.exponents(tensor)
        return None if group is None else effective(group, self.sites, tensor)

    def refusal(self, tensors: Iterable[TensorInfo]) -> str:
        """Say which multiplier of a site no tensor can take; empty if all can."""
        return refusal(self.sites, tensors)

    def folded(self, tensors: Iterable[TensorInfo]) -> "Rule":
        """Give the rule with the multipliers of sites written as those of tensors, by name.

        Args:
            tensors: Of the model that it is to be for.

        Returns:
            A rule without sites, which says the same of these tensors.
        """
        groups = folded_groups(self.groups, self.sites, list(tensors))
        return self.model_copy(update={"groups": groups, "sites": ()})

    def along(self, axis: str) -> "Rule":
        """Give what the rule says of one of its axes.

        Example:
            >>> Rule.load("completep").along("depth").sites[0].multiplier
            {'depth': -1.0}
        """
        alone = self._mapped(lambda group: on_axis(group.exponents(), axis))
        sites = sites_on_axis(self.sites, axis)
        return alone.model_copy(update={"axes": (axis,), "sites": sites})

    def one_rate(self) -> bool:
        """Say whether every tensor has the learning rate, decay and epsilon of the base model."""
        fixed = ("lr", "weight_decay", "eps", "multiplier")
        stated = (v for g in self.groups for q in fixed for v in g.exponents()[q].values())
        return not self.sites and not any(stated)

    def stated(self) -> set[str]:
        """Give the quantities that some group states.

        Example:
            >>> sorted(Rule.load("mup").stated())
            ['init', 'lr']
        """
        return {quantity for group in self.groups for quantity in group.stated()}

    def regauge(self, gauge: Gauge) -> "Rule":
        """Give the rule of the same training runs in another gauge.

        Args:
            gauge: ``no-multipliers``: every multiplier exponent 0; ``unit-init``: every init
                exponent 0.

        Returns:
            The rule, with weight decay and eps moved along.

        Raises:
            ParamsearchError: No such gauge.

        Example:
            >>> ntk = Rule.load("ntk").regauge("no-multipliers")
            >>> ntk.groups[1].init, ntk.groups[1].lr
            ({'width': -0.5}, {'width': -1.0})
        """
        shifts: dict[str, Callable[[Group, str], float]] = {
            "no-multipliers": lambda group, axis: -group.exponent("multiplier", axis),
            "unit-init": lambda group, axis: group.exponent("init", axis),
        }
        if gauge not in shifts:
            raise unknown_name("gauge", gauge, shifts)
        known = degrees(self.optimizer)

        def moved(group: Group) -> Exponents:
            t = {axis: shifts[gauge](group, axis) for axis in self.axes}
            return shift(group.exponents(), t, known)

        return self._mapped(moved)

    def canonical(self) -> "Rule":
        """Give the one form that all rules of a gauge class share: no multipliers, no zeros.

        Example:
            >>> rule = Rule.load("ntk")
            >>> rule.canonical() == rule.regauge("unit-init").canonical()
            True
        """

        def without_zeros(group: Group) -> Exponents:
            return {
                quantity: {axis: by_axis[axis] for axis in self.axes if tidy(by_axis.get(axis, 0))}
                for quantity, by_axis in group.exponents().items()
            }

        return self.regauge("no-multipliers")._mapped(without_zeros)

    def snap(self, step: float = 0.5) -> "Rule":
        """Round every exponent to the nearest multiple of a step.

        Args:
            step: Positive.

        Returns:
            The rounded rule, in the gauge it is written in.

        Raises:
            ParamsearchError: The step is not positive.

        Example:
            >>> group = Group(match=Match(role="hidden"), lr={"width": -0.93})
            >>> rule = Rule(name="found", optimizer="adam", axes=("width",), groups=(group,))
            >>> rule.snap().groups[0].lr
            {'width': -1.0}
        """
        if not step > 0:
            raise ParamsearchError(f"snap: step: received {step}; allowed: a positive number")

        sites = tuple(
            site.model_copy(update=rounded({"multiplier": site.multiplier}, step))
            for site in self.sites
        )
        snapped = self._mapped(lambda group: rounded(group.exponents(), step))
        return snapped.model_copy(update={"sites": sites})

    def equivalent(
        self, other: "Rule", tol: float = 1e-9, tensors: Iterable[TensorInfo] | None = None
    ) -> bool:
        """Say whether two rules give the same training runs on every model, whatever their form.

        Weight decay and eps are compared only where one of the rules states them; a rule that
        states them nowhere leaves them open. So does a rule that does not speak of a kind of sites:
        these are compared where both do, or exactly, on given tensors.

        Args:
            other: Another rule; one for another optimizer or other axes is not equivalent.
            tol: By how much exponents may differ.
            tensors: Compare on these tensors only; all kinds of tensors by default.

        Example:
            >>> Rule.load("mup").equivalent(Rule.load("mean-field"))
            True
        """
        if self.optimizer != other.optimizer or set(self.axes) != set(other.axes):
            return False
        compared = {"init", "lr"} | self.stated() | other.stated()
        one, two = self, other
        if tensors is not None:
            tensors = list(tensors)
            one, two = self.folded(tensors), other.folded(tensors)
        found = pairs(one.canonical().groups, two.canonical().groups, tensors)
        return same_sites(one.sites, two.sites, self.axes, tol) and all(
            same_exponents(mine, theirs, compared, self.axes, tol) for mine, theirs in found
        )

    def _mapped(self, change: Callable[[Group], Exponents]) -> "Rule":
        groups = tuple(group.with_exponents(change(group)) for group in self.groups)
        return self.model_copy(update={"groups": groups})
