"""At which fidelity a rule is tried: scales, steps, seeds and learning rates."""

from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from paramsearch.train.schedule import Schedule

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]

MOST_RATES = 1000
"""Learning rates that a grid may have; more is a slip of the pen."""


class Strict(BaseModel):
    """A part of an objective file: no key that is not known, no change once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LrGrid(Strict):
    """Learning rates: a grid at the base scale, and a window around its optimum elsewhere.

    Attributes:
        low: Lowest learning rate tried at the base scale.
        high: Highest.
        step: Distance of neighbours, in octaves.
        window: How far the grid at other scales reaches on either side of the base optimum, in
            octaves.
        window_step: Distance of neighbours in the window, in octaves; by default ``step``.
        mode: ``dense`` measures all of the window for every rule and scale, as ``lr_collapse``
            needs, which compares curves point by point; ``track`` only points around each curve's
            optimum; ``center`` only the base's optimum, which is all that loss and probes need.
        base: ``track`` measures the grid at the base scale in coarse steps and around the optimum,
            all that counts of it; ``dense`` all of it.
    """

    low: Positive
    high: Positive
    step: Positive = 0.5
    window: Positive = 2.0
    window_step: Positive | None = None
    mode: Literal["dense", "track", "center"] = "dense"
    base: Literal["dense", "track"] = "track"

    @model_validator(mode="after")
    def _ordered(self) -> "LrGrid":
        counts = {"base grid": self._count(), "window": 2 * int(self.window / self._spacing) + 1}
        if self._count() < 3:
            raise ValueError(
                f"the learning-rate grid needs at least 3 values; low {self.low}, high {self.high} "
                f"and step {self.step} octaves give {self._count()}"
            )
        steps = {"base grid": f"step {self.step}", "window": f"window step {self._spacing}"}
        for name, count in counts.items():
            if count > MOST_RATES:
                raise ValueError(
                    f"{steps[name]} octaves gives the {name} {count} learning rates; "
                    f"at most {MOST_RATES} are allowed"
                )
        return self

    @property
    def _spacing(self) -> float:
        return self.window_step or self.step

    def _count(self) -> int:
        octaves = float(np.log2(self.high) - np.log2(self.low))
        return max(0, int(np.floor(octaves / self.step + 1e-9)) + 1)

    def values(self) -> list[float]:
        """List the learning rates of the base scale, lowest first."""
        return [self.low * 2.0 ** (self.step * k) for k in range(self._count())]

    def around(self, lr: float) -> list[float]:
        """List the learning rates within the window around one of them."""
        reach = max(1, int(self.window / self._spacing + 1e-9))
        return [lr * 2.0 ** (self._spacing * k) for k in range(-reach, reach + 1)]


class ScheduleForm(Strict):
    """A learning rate schedule as an objective file states it; see ``Schedule``.

    Attributes:
        name: ``constant``, ``linear``, ``cosine`` or ``wsd``.
        warmup: Share of the steps that warm up.
        decay: Share of the steps over which ``wsd`` falls.
        final: Where the fall leads.
    """

    name: str = "constant"
    warmup: float = 0.0
    decay: float = 0.0
    final: float = 0.0

    @model_validator(mode="after")
    def _fits(self) -> "ScheduleForm":
        self.made()
        return self

    def made(self) -> Schedule:
        """Give the schedule."""
        return Schedule(self.name, self.warmup, self.decay, self.final)


class Fidelity(Strict):
    """What is trained to score a rule.

    Attributes:
        ratios: Scales relative to the base, which comes first as 1.
        steps: Updates per run.
        seeds: Initial parameters per rule.
        lr: The learning-rate grids.
        sharpness: How often critical sharpness is measured, evenly over the run.
        weight_decay: Weight decay at the base scale, as in ``torch.optim``.
        eps: Adam's epsilon at the base scale.
        schedule: The learning rate over the run.
        clip: Largest norm of a run's whole gradient; None for no limit.
    """

    ratios: tuple[Annotated[int, Field(ge=1)], ...]
    steps: Annotated[int, Field(ge=2)]
    seeds: Annotated[int, Field(ge=1)]
    lr: LrGrid
    sharpness: Annotated[int, Field(ge=1)] = 12
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    eps: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1e-8
    schedule: ScheduleForm = ScheduleForm()
    clip: Positive | None = None

    @model_validator(mode="after")
    def _growing(self) -> "Fidelity":
        growing = all(a < b for a, b in zip(self.ratios, self.ratios[1:], strict=False))
        if self.ratios[:1] != (1,) or len(self.ratios) < 2 or not growing:
            raise ValueError(f"ratios must start at 1 and grow; received {list(self.ratios)}")
        return self

    def sharpness_steps(self) -> list[int]:
        """List the steps at which critical sharpness is measured."""
        middles = (np.arange(self.sharpness) + 0.5) / self.sharpness
        return sorted({int(middle * self.steps) for middle in middles})
