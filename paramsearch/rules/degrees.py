"""How an optimizer's update answers to a change of scale, and to a gradient that stays.

Shipped optimizers are rows of tables, classes are measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Literal

import torch
from torch import Tensor, nn

from paramsearch.errors import ParamsearchError
from paramsearch.rules.homogeneity import Trial, measured_degrees, measured_gain, measured_shift
from paramsearch.rules.torch_class import construct, load_class, step_once, takes, unknown_optimizer

Decay = Literal["coupled", "decoupled", "independent"]


@dataclass(frozen=True, slots=True)
class Degrees:
    """How an optimizer's update answers to a change of scale; this fixes the gauge.

    Attributes:
        k: Degree of the update in the gradient.
        j: Degree of the update in the parameter.
        decay: ``coupled`` where decay is added to the gradient, ``decoupled`` where it is a step
            of its own, ``lr * weight_decay * w``, ``independent`` where that step is
            ``weight_decay * w``; None where the optimizer knows no decay.
        eps: Whether the optimizer adds an epsilon to a quantity of the gradient's size.
    """

    k: float
    j: float
    decay: Decay | None
    eps: bool

    @property
    def shifts(self) -> dict[str, float]:
        """Give, per quantity, the change of its exponent when the multiplier's grows by 1.

        The parameter becomes w / s and its gradient g s. So must the steps on it become 1 / s of
        what they were:

        - the update, of size ``lr g^k w^j``: ``lr`` takes ``s^-(1 + k - j)``;
        - coupled decay, ``g + decay w``: that sum must grow by s like g, ``decay`` takes ``s^2``;
        - decoupled decay, ``lr decay w``: ``lr decay`` must stay, ``decay`` takes the inverse of
          what lr takes;
        - independent decay, ``decay w``: it shrinks with w by itself, ``decay`` stays.

        Example:
            >>> DEGREES["adamw"].shifts
            {'multiplier': 1, 'init': -1, 'lr': -1, 'weight_decay': 1, 'eps': 1}
        """
        step = 1 + self.k - self.j
        shifts = {"multiplier": 1, "init": -1, "lr": -step}
        if self.decay is not None:
            by_decay = {"coupled": 2, "decoupled": step, "independent": 0}
            shifts["weight_decay"] = by_decay[self.decay]
        return {**shifts, "eps": 1} if self.eps else shifts


DEGREES: Mapping[str, Degrees] = {
    "sgd": Degrees(k=1, j=0, decay="coupled", eps=False),
    "sgd-nesterov": Degrees(k=1, j=0, decay="coupled", eps=False),
    "gd": Degrees(k=1, j=0, decay="coupled", eps=False),
    "adam": Degrees(k=0, j=0, decay="coupled", eps=True),
    "adamw": Degrees(k=0, j=0, decay="decoupled", eps=True),
    "adamw-independent": Degrees(k=0, j=0, decay="independent", eps=True),
    "gi-adam": Degrees(k=0, j=0, decay="decoupled", eps=True),
    "slim-adam": Degrees(k=0, j=0, decay="decoupled", eps=True),
    "lion": Degrees(k=0, j=0, decay="decoupled", eps=False),
    "muon": Degrees(k=0, j=0, decay="decoupled", eps=True),
    "soap": Degrees(k=0, j=0, decay="decoupled", eps=True),
    "adafactor": Degrees(k=0, j=1, decay="decoupled", eps=False),
}
"""Optimizer -> degrees. Muon's eps is that of the Adam beside it."""


FORMS: Mapping[str, str] = {
    "adamw": "adam",
    "adamw-independent": "adam",
    "gi-adam": "adam",
    "slim-adam": "adam",
    "lion": "adam",
    "sgd-nesterov": "sgd",
    "gd": "sgd",
}
"""Optimizer -> the one whose published rules are its own, because their updates scale alike."""


def degrees(name: str) -> Degrees:
    """Give the degrees of an optimizer: from the table, or measured on a class.

    Args:
        name: A row of the table, or ``module:Class``.

    Returns:
        Its degrees. A class has ``decay`` and ``eps`` only where its constructor takes
        ``weight_decay`` and ``eps``, and they answer to a change of scale as some power.

    Raises:
        ParamsearchError: No such optimizer, or a class whose updates are no power of the scale
            of the gradient and of the parameter.

    Example:
        >>> degrees("torch.optim:RMSprop")
        Degrees(k=0, j=0, decay='coupled', eps=True)
    """
    if ":" in name:
        return _measured(name)
    if name not in DEGREES:
        raise unknown_optimizer(name, DEGREES)
    return DEGREES[name]


@cache
def _measured(name: str) -> Degrees:
    found, run = load_class(name), partial(_updates, name)
    k, j = measured_degrees(run, f"optimizer '{name}'")
    decay: Decay | None = None
    if takes(found, "weight_decay"):
        decays: dict[Decay, float] = {"coupled": 2, "decoupled": 1 + k - j, "independent": 0}
        decay = measured_shift(run, (k, j), "weight_decay", decays)
        if decay is None:
            raise ParamsearchError(
                f"optimizer '{name}' decays weights in a way that no scaling of weight_decay "
                f"keeps up with; allowed: {', '.join(decays)} decay"
            )
    eps = takes(found, "eps") and measured_shift(run, (k, j), "eps", {"eps": 1}) is not None
    return Degrees(k, j, decay, eps)


GAINS: Mapping[str, float] = {
    "sgd": 10.0,
    "sgd-nesterov": 10 / 1.9,
    "gi-adam": ((1 - 0.999**100) / (1 - 0.999)) ** 0.5,
}
"""Optimizer -> how much larger its hundredth update is than the first if the gradient stays:
with momentum ``1 / (1 - 0.9)``, of which Nesterov's form makes 1.9 at once; GI-Adam warms up by
itself; 1 for all others of the table."""


@cache
def gain(name: str) -> float:
    """Give how much larger the hundredth update is, under a gradient that stays, than the first.

    Args:
        name: A row of the table, or ``module:Class``.

    Raises:
        ParamsearchError: A class that cannot make a step from gradients alone.

    Example:
        >>> gain("sgd"), gain("adamw"), gain("torch.optim:RMSprop")
        (10.0, 1.0, 1.0)
    """
    return measured_gain(partial(_updates, name)) if ":" in name else GAINS.get(name, 1.0)


def _updates(name: str, trial: Trial) -> Tensor:
    """Run a trial with a class."""
    settings = {"lr": trial.lr, "weight_decay": trial.weight_decay, "eps": trial.eps}
    taken = {key: value for key, value in settings.items() if takes(load_class(name), key)}
    param = nn.Parameter(trial.param.clone())
    optimizer = construct(name, [param], **taken)
    updates: list[Tensor] = []
    for grad in trial.grads:
        param.grad = grad.clone()
        step_once(name, optimizer)
        updates.append(param.detach() - trial.param)
        param.data.copy_(trial.param)
    return torch.stack(updates)
