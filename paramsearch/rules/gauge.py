"""Gauge: the changes of a rule that leave the training run as it is.

A tensor enters the model as ``multiplier * w``. Scale the multiplier by ``s = ratio ** t`` and the
initial value by ``1 / s``: the model computes the same. The gradient of ``w`` grows by ``s``, so an
update that is homogeneous of degree k in the gradient and j in the parameter grows by
``s ** (k - j)``; it should shrink by ``s``, hence the learning rate takes ``s ** -(1 + k - j)``.
"""

from collections.abc import Mapping

from paramsearch.rules.degrees import Degrees

QUANTITIES = ("multiplier", "init", "lr", "weight_decay", "eps")

Exponents = Mapping[str, Mapping[str, float]]
"""Quantity -> axis -> power of the ratio; what is left out is 0."""


def tidy(value: float) -> float:
    """Round away float noise, so that exponents compare and print as what they mean.

    Example:
        >>> tidy(0.1 + 0.2), tidy(-0.0)
        (0.3, 0.0)
    """
    return round(value, 12) + 0.0


def shift(exponents: Exponents, t: Mapping[str, float], degrees: Degrees) -> Exponents:
    """Move exponents along the gauge: multiplier +t, init -t, lr -(1+k-j)t, and decay, eps along.

    Args:
        exponents: Quantity -> axis -> exponent.
        t: Axis -> shift of the multiplier's exponent.
        degrees: Of the optimizer.

    Returns:
        All that was stated, shifted, and what became non-zero by the shift.

    Example:
        >>> from paramsearch.rules.degrees import DEGREES
        >>> shift({"multiplier": {"width": -0.5}}, {"width": 0.5}, DEGREES["sgd"])["lr"]
        {'width': -1.0}
    """
    moved = {quantity: dict(exponents.get(quantity, {})) for quantity in QUANTITIES}
    for quantity, per_unit in degrees.shifts.items():
        for axis, amount in t.items():
            if amount != 0:
                value = moved[quantity].get(axis, 0.0) + per_unit * amount
                moved[quantity][axis] = tidy(value)
    return moved


def on_axis(exponents: Exponents, axis: str) -> Exponents:
    """Give the exponents of one axis alone.

    Example:
        >>> on_axis({"lr": {"width": -1.0, "depth": -0.5}}, "depth")
        {'lr': {'depth': -0.5}}
    """
    return {
        quantity: {name: value for name, value in by_axis.items() if name == axis}
        for quantity, by_axis in exponents.items()
    }


def rounded(exponents: Exponents, step: float) -> Exponents:
    """Give the exponents rounded to multiples of a step.

    Example:
        >>> rounded({"lr": {"width": -0.93}}, 0.5)
        {'lr': {'width': -1.0}}
    """
    return {
        quantity: {axis: round(value / step) * step for axis, value in by_axis.items()}
        for quantity, by_axis in exponents.items()
    }
