"""A cheap stage of an objective: what is measured of a candidate before all of it is."""

from typing import Annotated

from pydantic import Field

from paramsearch.score.fidelity import Strict
from paramsearch.score.weights import Term

WHOLE = "whole"
"""Name of the last stage, at which everything is measured."""

ANSWERS = "answers"
"""Name of the stage at which a search compares rules by loss and limit behaviour in the end."""


class Stage(Strict):
    """What is measured of a candidate at a stage, and thereby how much its score is at least.

    Losses, probes and sharpness at the base's best learning rate are always measured at every
    scale, as far as their terms are named; ``ratios`` bounds the whole learning-rate curves, which
    are most of the work. What is not measured counts as perfect: as no term but the loss can be
    negative, and the loss is measured wherever it counts, a stage's score is a lower bound of the
    whole one on the same seeds.

    Attributes:
        name: Of the stage.
        terms: Measured terms, the loss among them if it counts.
        ratios: Scales at which learning-rate curves are measured; all by default. The base always
            is.
        seeds: Initial parameters per rule, the first of those of the fidelity; all by default.

    Example:
        >>> Stage(name="probes", terms=("loss", "probe_slopes")).measures_curve(2)
        False
        >>> Stage(name="curves", terms=("loss", "lr_collapse"), ratios=(1, 2)).measures_curve(2)
        True
    """

    name: Annotated[str, Field(min_length=1)]
    terms: Annotated[tuple[Term, ...], Field(min_length=1)]
    ratios: tuple[Annotated[int, Field(ge=1)], ...] | None = None
    seeds: Annotated[int, Field(ge=1)] | None = None

    def measures_curve(self, ratio: int) -> bool:
        """Say whether the whole learning-rate curve is measured at a scale."""
        everywhere = self.ratios is None or ratio == 1 or ratio in self.ratios
        return "lr_collapse" in self.terms and everywhere
