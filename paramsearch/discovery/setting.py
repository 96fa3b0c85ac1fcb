"""What a search is about: model, task, axis, optimizer, objective, and where it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from paramsearch.score.objective import Objective
from paramsearch.tasks.task import Task
from paramsearch.tracing.arch import Arch
from paramsearch.train.command import Command
from paramsearch.train.recipe import Engine


@dataclass(frozen=True, slots=True)
class Setting:
    """The setting of a search or a verification.

    Attributes:
        arch: The architecture.
        task: What it is trained on.
        axis: The axis of scaling.
        optimizer: Name of the optimizer.
        objective: Fidelity and weights.
        device: Where populations train, for instance "cpu" or "cuda".
        seed: From which all others are derived.
        engine: How models are trained.
        command: The user's program that trains them instead; None for the engine.
        held: Sizes of other axes at every scale beyond the base.
        places: Workloads that were prepared, shared with settings made from this one.
    """

    arch: Arch
    task: Task
    axis: str
    optimizer: str
    objective: Objective
    device: str
    seed: int
    engine: Engine = Engine()  # noqa: RUF009 - frozen
    command: Command | None = None
    held: Mapping[str, int] = field(default_factory=dict[str, int])
    places: dict[Any, Any] = field(default_factory=dict[Any, Any], compare=False, repr=False)

    @property
    def base_scale(self) -> int:
        """Size of the base along the axis."""
        return self.arch.axes[self.axis]

    def sizes(self, scale: int) -> dict[str, int]:
        """Give the sizes of a model at a scale: along the axis, and of the axes that are held."""
        return {self.axis: scale} | (dict(self.held) if scale != self.base_scale else {})
