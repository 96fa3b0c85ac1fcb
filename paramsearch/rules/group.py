"""One line of a rule: which tensors it is about, and their exponents."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from paramsearch.rules.degrees import degrees
from paramsearch.rules.gauge import QUANTITIES, Exponents, tidy
from paramsearch.tracing.tensor import TensorInfo

Exponent = Annotated[float, Field(strict=True, allow_inf_nan=False)]
ByAxis = dict[str, Exponent]


class Frozen(BaseModel):
    """What is read from a file: keys are checked, instances do not change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Match(Frozen):
    """Which tensors a group is about: all that is stated must hold.

    Attributes:
        role: ``input``, ``hidden``, ``output``, ``vector`` or ``scalar``.
        op: What consumes the tensor: ``linear``, ``embedding``, ``conv``, ``norm``, ...
        residual: Whether it sits in a residual branch.
        name: Pattern for the tensor's name, with ``*``, ``?`` and ``[...]`` as in a shell.

    Example:
        >>> Match(role="hidden", name="blocks.*").name
        'blocks.*'
    """

    role: Literal["input", "hidden", "output", "vector", "scalar"] | None = None
    op: str | None = None
    residual: bool | None = Field(default=None, strict=True)
    name: str | None = None

    @model_validator(mode="after")
    def _states_something(self) -> "Match":
        if self.role is None and self.op is None and self.residual is None and self.name is None:
            raise ValueError("received an empty match; allowed: role, op, residual or name")
        return self

    def accepts(self, role: str, op: str, residual: bool, named: Callable[[str], bool]) -> bool:
        """Say whether a tensor of this description is matched.

        Args:
            role: Its role.
            op: Its op.
            residual: Whether it sits in a residual branch.
            named: Whether its name matches a pattern.
        """
        return (
            self.role in (None, role)
            and self.op in (None, op)
            and self.residual in (None, residual)
            and (self.name is None or named(self.name))
        )

    def matches(self, tensor: TensorInfo) -> bool:
        """Say whether a traced tensor is matched."""
        return self.accepts(
            tensor.role,
            tensor.op,
            tensor.residual,
            lambda pattern: fnmatchcase(tensor.name, pattern),
        )


def check_stated(
    where: str, quantity: str, axes: Iterable[str], optimizer: str, known: Sequence[str]
) -> None:
    """Refuse exponents of a quantity that the optimizer does not have, or of an unknown axis.

    Args:
        where: The key in the file.
        quantity: What is stated there.
        axes: The axes stated.
        optimizer: Of the rule.
        known: The rule's axes.

    Raises:
        ValueError: With a sentence that goes behind the file's name.
    """
    shifts = degrees(optimizer).shifts
    if quantity not in shifts:
        raise ValueError(
            f"{where}: received exponents of a quantity that {optimizer} does not have; "
            f"allowed: {', '.join(shifts)}"
        )
    for axis in axes:
        if axis not in known:
            raise ValueError(
                f"{where}: received axis '{axis}'; allowed: the rule's axes, {', '.join(known)}"
            )


class Group(Frozen):
    """Tensors that share exponents: ``value = base value * ratio ** exponent``.

    Attributes:
        match: Which tensors.
        multiplier: Axis -> power of the ratio of the forward multiplier; left out means 0.
        init: The same for the initial standard deviation.
        lr: The same for the learning rate.
        weight_decay: The same for the weight decay, as ``torch.optim`` takes it.
        eps: The same for Adam's epsilon.

    Example:
        >>> Group(match=Match(role="hidden"), lr={"width": -1}).stated()
        {'lr': {'width': -1.0}}
    """

    match: Match
    multiplier: ByAxis = {}
    init: ByAxis = {}
    lr: ByAxis = {}
    weight_decay: ByAxis = {}
    eps: ByAxis = {}

    def exponents(self) -> Exponents:
        """Give quantity -> axis -> exponent, all quantities in their fixed order."""
        return {
            "multiplier": self.multiplier,
            "init": self.init,
            "lr": self.lr,
            "weight_decay": self.weight_decay,
            "eps": self.eps,
        }

    def stated(self) -> dict[str, dict[str, float]]:
        """Give the exponents without the quantities that are not stated."""
        return {q: dict(by_axis) for q, by_axis in self.exponents().items() if by_axis}

    def exponent(self, quantity: str, axis: str) -> float:
        """Give one exponent, 0 where it is not stated.

        Example:
            >>> Group(match=Match(role="input")).exponent("lr", "width")
            0.0
        """
        return self.exponents()[quantity].get(axis, 0.0)

    def with_exponents(self, exponents: Exponents) -> "Group":
        """Give the group with other exponents; what they leave out is 0."""
        kept: Mapping[str, dict[str, float]] = {
            quantity: {axis: tidy(value) for axis, value in exponents.get(quantity, {}).items()}
            for quantity in QUANTITIES
        }
        return Group(match=self.match, **kept)
