"""What is known about one parameter tensor of a traced model."""

from collections.abc import Mapping
from dataclasses import dataclass

ROLES = ("input", "hidden", "output", "vector", "scalar")


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
