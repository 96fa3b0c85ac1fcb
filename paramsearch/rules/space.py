"""A space: which exponents a search may choose, between which bounds, in which steps."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from paramsearch.catalog import find
from paramsearch.errors import ParamsearchError
from paramsearch.rules.choice import Choice as Choice
from paramsearch.rules.degrees import degrees
from paramsearch.rules.encoding import Encoding, Place
from paramsearch.rules.group import Frozen, Match
from paramsearch.rules.matching import Groups, separating_matches
from paramsearch.rules.space_site import SpaceSite, check_gauge, site_places, site_variables
from paramsearch.rules.ties import tied
from paramsearch.rules.variable import Variable
from paramsearch.rules.yaml_file import read_yaml, validate
from paramsearch.tracing.tensor import TensorInfo


class SpaceGroup(Frozen):
    """What is free for the tensors of one match; a quantity left out is fixed at 0."""

    match: Match
    init: dict[str, Choice] = Field(default={})
    lr: dict[str, Choice] = Field(default={})
    weight_decay: dict[str, Choice] = Field(default={})
    eps: dict[str, Choice] = Field(default={})

    def choices(self) -> dict[str, dict[str, Choice]]:
        """Give quantity -> axis -> choice, of the quantities that the group states."""
        every = {
            "init": self.init,
            "lr": self.lr,
            "weight_decay": self.weight_decay,
            "eps": self.eps,
        }
        return {quantity: by_axis for quantity, by_axis in every.items() if by_axis}


class Space(Frozen):
    """Which exponents are free, with their bounds and steps.

    Attributes:
        paramsearch: Version of the format: 1.
        name: What to call it.
        gauge: ``no-multipliers``: of the rules with the same training runs only the one without
            multipliers is looked at, so ``multiplier`` cannot be stated for tensors.
        axes: The axes of the rules.
        groups: Matched in order; the first that matches a tensor says what is free for it.
        sites: The same for the multipliers of residual branches, attention logits and tied
            readouts; what a model does not have is passed over.
        description: What it is for.

    Example:
        >>> Space.load("width").axes
        ('width',)
    """

    paramsearch: Literal[1] = 1
    name: str = Field(min_length=1)
    gauge: Literal["no-multipliers"]
    axes: tuple[str, ...] = Field(min_length=1)
    groups: tuple[SpaceGroup, ...] = Field(min_length=1)
    sites: tuple[SpaceSite, ...] = ()
    description: str = ""

    @model_validator(mode="after")
    def _knows_its_axes(self) -> "Space":
        stated = {
            f"groups.{index}.{quantity}": by_axis
            for index, group in enumerate(self.groups)
            for quantity, by_axis in group.choices().items()
        }
        stated |= {f"sites.{i}.multiplier": site.multiplier for i, site in enumerate(self.sites)}
        for where, by_axis in stated.items():
            for axis in by_axis:
                if axis not in self.axes:
                    raise ValueError(
                        f"{where}: received axis '{axis}'; allowed: the space's axes, "
                        f"{', '.join(self.axes)}"
                    )
        return self

    @classmethod
    def load(cls, name: str | Path) -> "Space":
        """Load a space by shipped name or by path.

        Args:
            name: For instance ``"width"`` or ``"my/space.yaml"``.

        Returns:
            The space.

        Raises:
            ParamsearchError: Unknown name or malformed file.
        """
        path = find("space", str(name))
        return validate(cls, path, read_yaml(path))

    def encode(self, groups: Groups, optimizer: str) -> Encoding:
        """Lay the space over the groups of a model.

        Args:
            groups: Of the model; tensors of one group share their exponents.
            optimizer: Of the rules.

        Returns:
            The free exponents, and the way from values to rules and back.

        Raises:
            ParamsearchError: A group that no entry of the space matches, or that two entries
                claim parts of; a quantity that the optimizer does not have; a multiplier of a site
                that no tensor can take, or that init and lr of its tensors already stand for.

        Example:
            >>> weight = TensorInfo("w", (8, 8), "linear", "hidden", 8, 8, {}, False, "hidden")
            >>> [v.label for v in Space.load("width").encode({"hidden": [weight]}, "sgd").variables]
            ['hidden init width', 'hidden lr width']
        """
        matches = separating_matches(groups)
        drawn: list[tuple[Variable, str | None]] = []
        places: list[Place] = []
        for label, tensors in groups.items():
            fixed: dict[tuple[str, str], float] = {}
            for quantity, by_axis in self._entry(label, tuple(tensors)).choices().items():
                self._check(quantity, optimizer)
                for axis, choice in by_axis.items():
                    if choice.fixed:
                        fixed[quantity, axis] = choice.start
                    else:
                        bounds = (choice.low, choice.high, choice.step, choice.start)
                        drawn.append((Variable(label, quantity, axis, *bounds), choice.tie))
            places.append(Place(label, matches[label], tuple(tensors), fixed))
        try:
            sites = site_places(self.sites, groups)
            variables = tied([*drawn, *site_variables(self.sites, sites)])
            check_gauge(sites, variables, groups)
        except ParamsearchError as error:
            raise ParamsearchError(f"space '{self.name}': {error}") from error
        return Encoding(optimizer, self.axes, tuple(variables), tuple(places), tuple(sites))

    def _entry(self, label: str, tensors: tuple[TensorInfo, ...]) -> SpaceGroup:
        found: list[int | None] = [
            next((i for i, group in enumerate(self.groups) if group.match.matches(tensor)), None)
            for tensor in tensors
        ]
        for index, tensor in zip(found, tensors, strict=True):
            if index is None:
                raise ParamsearchError(
                    f"space '{self.name}' has no group that matches {tensor.name} "
                    f"({tensor.role}, {tensor.op}); add one to its groups"
                )
            if index != found[0]:
                raise ParamsearchError(
                    f"space '{self.name}' tells {tensors[0].name} and {tensor.name} apart, which "
                    f"are both in group '{label}' of the model and share their exponents"
                )
        assert found[0] is not None
        return self.groups[found[0]]

    def _check(self, quantity: str, optimizer: str) -> None:
        if quantity not in degrees(optimizer).shifts:
            raise ParamsearchError(
                f"space '{self.name}' states {quantity}, which {optimizer} does not have; "
                f"allowed: {', '.join(degrees(optimizer).shifts)}"
            )
