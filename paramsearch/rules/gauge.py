"""Gauge: the changes of a rule that leave the training run as it is.

A tensor enters the model as ``multiplier * w``. Scale the multiplier by ``s = ratio ** t`` and the
initial value by ``1 / s``: the model computes the same. The gradient of ``w`` grows by ``s``, so an
update that is homogeneous of degree k in the gradient and j in the parameter grows by
``s ** (k - j)``; it should shrink by ``s``, hence the learning rate takes ``s ** -(1 + k - j)``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

QUANTITIES = ("multiplier", "init", "lr", "weight_decay", "eps")

Exponents = Mapping[str, Mapping[str, float]]
"""Quantity -> axis -> power of the ratio; what is left out is 0."""


@dataclass(frozen=True, slots=True)
class Degrees:
    """How an optimizer's update answers to a change of scale; this fixes the gauge.

    Attributes:
        k: Degree of the update in the gradient.
        j: Degree of the update in the parameter.
        decay: ``coupled`` where decay is added to the gradient, ``decoupled`` where it is a step
            of its own, ``lr * weight_decay * w``.
        eps: Whether the optimizer adds an epsilon to a quantity of the gradient's size.
    """

    k: int
    j: int
    decay: Literal["coupled", "decoupled"]
    eps: bool

    @property
    def shifts(self) -> dict[str, int]:
        """Give, per quantity, the change of its exponent when the multiplier's grows by 1.

        Example:
            >>> DEGREES["adamw"].shifts
            {'multiplier': 1, 'init': -1, 'lr': -1, 'weight_decay': 1, 'eps': 1}
        """
        step = 1 + self.k - self.j
        # Coupled: g s + decay' w / s must stay s (g + decay w). Decoupled: lr * decay must stay.
        decay = 2 if self.decay == "coupled" else step
        shifts = {"multiplier": 1, "init": -1, "lr": -step, "weight_decay": decay}
        return {**shifts, "eps": 1} if self.eps else shifts


DEGREES: Mapping[str, Degrees] = {
    "sgd": Degrees(k=1, j=0, decay="coupled", eps=False),
    "adam": Degrees(k=0, j=0, decay="coupled", eps=True),
    "adamw": Degrees(k=0, j=0, decay="decoupled", eps=True),
}


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
