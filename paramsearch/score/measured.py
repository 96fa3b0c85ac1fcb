"""What was measured of one rule at one scale: the curves that are scored and drawn."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paramsearch.train.runs import Runs

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """Curves of one rule at one scale; seeds are the last dimension throughout.

    Attributes:
        scale: Size along the axis.
        ratio: Scale / base.
        lrs: Base learning rates, increasing, shape (K,).
        losses: Final losses, inf where diverged, (K, seeds).
        survived: Share of the steps made before divergence, (K, seeds).
        center: Index of the base optimum in ``lrs``; probes were taken there.
        steps: Steps at which sharpness was measured, (T,).
        sharpness: Critical sharpness, NaN where undetermined, (T, seeds).
        probes: "<probe>/<group>" -> values, (seeds,).
        runs: Made for it; those that an earlier stage had made are not.
    """

    scale: int
    ratio: float
    lrs: Array
    losses: Array
    survived: Array
    center: int
    steps: Array
    sharpness: Array
    probes: dict[str, Array]
    runs: Runs = field(default_factory=Runs)

    def to_json(self) -> dict[str, Any]:
        """Give plain lists, with null for what is not finite."""
        return {
            "scale": self.scale,
            "ratio": self.ratio,
            "lrs": self.lrs.tolist(),
            "losses": _plain(self.losses),
            "survived": self.survived.tolist(),
            "center": self.center,
            "sharpness_steps": self.steps.tolist(),
            "sharpness": _plain(self.sharpness),
            "probes": {name: _plain(values) for name, values in self.probes.items()},
            **self.runs.to_json(),
        }


def _plain(values: Array) -> Any:
    """Turn an array into nested lists whose non-finite entries are None, as JSON needs."""
    if values.ndim == 0:
        return float(values) if np.isfinite(values) else None
    return [_plain(part) for part in values]
