"""What is known about one parameter tensor of a traced model."""

from collections.abc import Mapping
from dataclasses import dataclass, field

ROLES = ("input", "hidden", "output", "vector", "scalar")
SITES = ("branch", "logits", "readout")
"""Kinds of sites: where a residual branch joins its stream; products q.k before their softmax;
products with a tensor that is also the embedding."""


@dataclass(frozen=True, slots=True)
class Fold:
    """How the multiplier of a site reaches a tensor through which the site's value passes linearly.

    A rule states how the site's own factor goes with the ratio: of a branch, the factor before the
    sum; of a tied readout, the factor on its product, apart from the embedding; of attention
    logits, the factor beyond ``1 / sqrt(d)``, as a power of the size d of a head. With the factor
    that the model's own code has, as a power of the ratio, the tensor takes

        stated - own                          of a branch or a readout
        growth * (stated - 1 / 2) - own       of logits, where d grows as ``ratio ** growth``.

    and nothing where d does not grow. So a rule means the same for code that computes
    ``q.k / sqrt(d)`` and for code that computes ``q.k / d``.

    Attributes:
        kind: One of ``SITES``.
        module: Path of the module in which the site lies; empty for the model itself.
        growth: Axis -> power with which the size of a head grows; empty but for logits.
        own: Axis -> power of the ratio that the model's own factor has there; 0 if left out.
        refusal: Why the multiplier cannot be folded, where it cannot; else empty.

    Example:
        >>> standard = Fold("logits", "attention", {"width": 1.0}, {"width": -0.5})
        >>> standard.exponent(-0.5, "width"), standard.unstated("width")
        (-0.5, 0.0)
    """

    kind: str
    module: str = ""
    growth: Mapping[str, float] = field(default_factory=dict[str, float])
    own: Mapping[str, float] = field(default_factory=dict[str, float])
    refusal: str = ""

    def reach(self, axis: str) -> float:
        """Give the power of the ratio in the tensor's multiplier per unit of what a rule states."""
        return self.growth.get(axis, 0.0) if self.kind == "logits" else 1.0

    def exponent(self, stated: float, axis: str) -> float:
        """Give the power of the ratio that the tensor's multiplier takes.

        Args:
            stated: Exponent of the site in a rule.
            axis: The axis whose power it is.
        """
        reach = self.reach(axis)
        if not reach:
            return 0.0
        usual = -0.5 if self.kind == "logits" else 0.0
        return reach * (stated + usual) - self.own.get(axis, 0.0) + 0.0

    def unstated(self, axis: str) -> float:
        """Give the exponent which, if stated, would leave the model as its code is."""
        return -self.exponent(0.0, axis) / (self.reach(axis) or 1.0) + 0.0


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One parameter tensor: its shape, how it grows, and where it stands in the graph.

    Attributes:
        name: Name in ``model.named_parameters()``.
        shape: Shape at the traced scale.
        op: What consumes it: ``linear``, ``embedding``, ``conv``, ``norm``, ``add``, ``mul``, ...
        role: ``input`` (only fan-out grows), ``hidden`` (both), ``output`` (only fan-in),
            ``vector`` (a bias or gain that grows), ``scalar`` (nothing grows).
        fan_in: Summed-over size of the consuming op at the traced scale; 1 for biases and gains.
        fan_out: Size of the op's output dimension.
        growth: Axis -> for each dimension of the shape, the power of the axis with which it grows.
        residual: Whether it sits in a branch that is added back to the stream it came from.
        group: Name of its group, the same at every scale.
        tied: Other names of the same tensor.
        sites: The sites whose multiplier folds onto it, one of a kind at most.
    """

    name: str
    shape: tuple[int, ...]
    op: str
    role: str
    fan_in: int
    fan_out: int
    growth: Mapping[str, tuple[float, ...]]
    residual: bool
    group: str
    tied: tuple[str, ...] = ()
    sites: tuple[Fold, ...] = ()
