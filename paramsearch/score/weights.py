"""How much each term of a score counts."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from paramsearch.score.fidelity import Strict

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]

Term = Literal["loss", "lr_collapse", "sharpness_collapse", "probe_slopes"]
"""A term of the score; none but the loss can be negative."""


class Weights(Strict):
    """How much each term counts in the score; what has weight 0 and its own probes is not measured.

    Attributes:
        loss: Log loss at the transferred learning rate over the best known, mean over scales.
        lr_collapse: Distance of the learning-rate curves, in log loss.
        sharpness_collapse: Distance of the sharpness curves, in octaves.
        probe_slopes: Mean absolute slope of the update probes.
    """

    loss: Weight = 1.0
    lr_collapse: Weight = 1.0
    sharpness_collapse: Weight = 0.25
    probe_slopes: Weight = 1.0

    @model_validator(mode="after")
    def _counts_something(self) -> "Weights":
        if not any(self.model_dump().values()):
            raise ValueError("received no weight above 0; allowed: at least one above 0")
        return self

    def of(self, terms: tuple[Term, ...]) -> "Weights":
        """Give the weights with those of all other terms at 0."""
        return self.model_copy(
            update={name: 0.0 for name in self.model_dump() if name not in terms}
        )
