"""Degrees measured: how updates answer when gradients and parameters are scaled."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import log
from typing import TypeVar

import torch
from torch import Tensor

from paramsearch.errors import ParamsearchError

STEPS, SETTLED = 20, 10
"""Updates of a trial, and those at its start that do not count: RAdam's first ones are SGD's."""

LASTING = 100
"""Updates after which momentum has built up: 1 - 0.9^100 is 1 to 3e-5."""

_SCALE = 4.0
_SMALL = 1e-2


@dataclass(frozen=True, slots=True)
class Trial:
    """What an optimizer is fed: gradients at a parameter that is held where it is.

    Attributes:
        grads: One after the other, (steps, rows, columns).
        param: The parameter, (rows, columns).
        lr: Learning rate.
        weight_decay: Weight decay.
        eps: Epsilon, for those that have one.
    """

    grads: Tensor
    param: Tensor
    lr: float = 0.01
    weight_decay: float = 0.0
    eps: float = 1e-12


Name = TypeVar("Name", bound=str)

Run = Callable[[Trial], Tensor]
"""Gives the updates of a trial, (steps, rows, columns): what would be added to the parameter."""


def trial() -> Trial:
    """Give the trial that degrees are measured on: unit normal numbers in float64."""
    generator = torch.Generator().manual_seed(0)
    grads = torch.randn(STEPS, 3, 4, generator=generator, dtype=torch.float64)
    return Trial(grads, torch.randn(3, 4, generator=generator, dtype=torch.float64))


def measured_degrees(run: Run, name: str = "the optimizer") -> tuple[float, float]:
    """Measure the degrees k and j of an update in the gradient and in the parameter.

    All gradients of a run times s give ``s^k`` times the updates, the parameter times s gives
    ``s^j`` times; k and j are taken to the nearest half, which must fit to 1 %. The first ten
    updates do not count.

    Args:
        run: The optimizer; called three times.
        name: What to call it in an error.

    Returns:
        k and j.

    Raises:
        ParamsearchError: The updates vanish, are not finite, or are no power of the scale.

    Example:
        >>> measured_degrees(lambda trial: trial.grads * trial.param.norm().sqrt())
        (1, 0.5)
    """
    base = trial()
    settled = run(base)[SETTLED:]
    if not (settled.isfinite().all() and settled.any()):
        raise ParamsearchError(
            f"{name} has no degrees: its updates are {'zero' if not settled.any() else 'infinite'} "
            "for gradients and parameters of size 1"
        )
    louder = run(replace(base, grads=base.grads * _SCALE))[SETTLED:]
    larger = run(replace(base, param=base.param * _SCALE))[SETTLED:]
    return (
        _power(settled, louder, f"{name}: gradients"),
        _power(settled, larger, f"{name}: a parameter"),
    )


def measured_shift(
    run: Run, degrees: tuple[float, float], quantity: str, shifts: Mapping[Name, float]
) -> Name | None:
    """Find how a quantity must move along for a scaled parameter to get scaled updates.

    Gradients times s and the parameter divided by s, with the learning rate times ``s^-(1+k-j)``
    and the quantity times ``s^shift``, must give the updates divided by s.

    Args:
        run: The optimizer.
        degrees: Its k and j.
        quantity: ``weight_decay`` or ``eps``; large in the trial.
        shifts: Candidates by name.

    Returns:
        The name of the first shift that fits; None if none does.

    Example:
        >>> def decoupled(t):
        ...     return -t.lr * (t.grads.sign() + t.weight_decay * t.param)
        >>> measured_shift(decoupled, (0, 0), "weight_decay", {"coupled": 2, "decoupled": 1})
        'decoupled'
    """
    k, j = degrees
    base = replace(trial(), **{quantity: 0.5})
    wanted = run(base)[SETTLED:] / _SCALE
    for name, shift in shifts.items():
        scaled = replace(
            base,
            grads=base.grads * _SCALE,
            param=base.param / _SCALE,
            lr=base.lr * _SCALE ** -(1 + k - j),
            **{quantity: 0.5 * _SCALE**shift},
        )
        if _close(run(scaled)[SETTLED:], wanted):
            return name
    return None


def _power(before: Tensor, after: Tensor, what: str) -> float:
    """Give the power p with ``after = s^p before``."""
    power = log(_norm(after) / _norm(before)) / log(_SCALE) if after.any() else 0.0
    power = round(2 * power) / 2
    if not _close(after, _SCALE**power * before):
        raise ParamsearchError(
            f"{what} {_SCALE:g} times as large give updates that are no power of {_SCALE:g} times "
            "as large, so rules for this optimizer have no gauge; allowed: homogeneous updates"
        )
    return int(power) if power.is_integer() else power


def measured_gain(run: Run) -> float:
    """Measure how much larger updates become, under a gradient that stays, than the first one.

    Args:
        run: The optimizer; called once.

    Returns:
        The size of the hundredth over that of the first, 1 at least.
    """
    one = trial()
    updates = run(replace(one, grads=one.grads[:1].expand(LASTING, -1, -1)))
    first, last = _norm(updates[0]), _norm(updates[-1])
    return max(1.0, last / first) if first > 0 else 1.0


def _close(values: Tensor, wanted: Tensor) -> bool:
    return _norm(values - wanted) <= _SMALL * _norm(wanted)


def _norm(values: Tensor) -> float:
    return values.square().sum().sqrt().item()
