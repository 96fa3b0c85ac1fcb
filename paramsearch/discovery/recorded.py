"""The curves of an evaluation, read back from the plain data in which it keeps them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paramsearch.discovery.evaluation import Evaluation
from paramsearch.score.measured import Measured

Array = NDArray[np.float64]


def recorded(evaluation: Evaluation) -> list[Measured]:
    """Give what was measured at each scale, base first.

    Args:
        evaluation: Of a rule.

    Returns:
        The inverse of ``Measured.to_json`` for every scale: losses that are null are inf, other
        values NaN.

    Example:
        >>> curve = {"scale": 32, "ratio": 1.0, "lrs": [0.1], "losses": [[None]], "center": 0}
        >>> curve |= {"survived": [[0.5]], "sharpness_steps": [], "sharpness": [], "probes": {}}
        >>> recorded(Evaluation(0.0, 0.0, (0.0,), {}, [curve]))[0].losses
        array([[inf]])
    """
    return [_measured(curve) for curve in evaluation.curves]


def _measured(curve: Mapping[str, Any]) -> Measured:
    losses = _array(curve["losses"])
    return Measured(
        scale=curve["scale"],
        ratio=curve["ratio"],
        lrs=_array(curve["lrs"]),
        losses=np.where(np.isfinite(losses), losses, np.inf),
        survived=_array(curve["survived"]),
        center=curve["center"],
        steps=_array(curve["sharpness_steps"]),
        sharpness=_array(curve["sharpness"]),
        probes={name: _array(values) for name, values in curve["probes"].items()},
    )


def _array(values: Any) -> Array:
    return np.asarray(values, dtype=np.float64)  # None becomes nan
