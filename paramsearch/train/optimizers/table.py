"""The table of optimizers: name -> engine's pair of functions and the same in ``torch.optim``."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from paramsearch.rules.torch_class import unknown_optimizer
from paramsearch.tracing.tensor import TensorInfo
from paramsearch.train.optimizers.adafactor import adafactor
from paramsearch.train.optimizers.adam import BETAS, adam
from paramsearch.train.optimizers.foreign import foreign, foreign_reference
from paramsearch.train.optimizers.gi_adam import gi_adam
from paramsearch.train.optimizers.interface import Optimizer
from paramsearch.train.optimizers.lion import lion
from paramsearch.train.optimizers.muon import muon
from paramsearch.train.optimizers.sgd import sgd
from paramsearch.train.optimizers.slim_adam import slim_adam
from paramsearch.train.optimizers.soap import soap

MOMENTUM = 0.9
EPS = 1e-8


@dataclass(frozen=True, slots=True)
class Entry:
    """One optimizer: how the engine makes it, and the same thing as a plain torch optimizer.

    Attributes:
        make: Makes the pair (init, update) on stacked tensors, told what the tensors are.
        reference: Makes the ``torch.optim`` optimizer from param groups; None where torch has none.
    """

    make: Callable[[Sequence[TensorInfo]], Optimizer]
    reference: Callable[[list[dict[str, Any]]], torch.optim.Optimizer] | None


OPTIMIZERS: dict[str, Entry] = {
    "sgd": Entry(lambda _: sgd(MOMENTUM), lambda g: torch.optim.SGD(g, momentum=MOMENTUM)),
    "sgd-nesterov": Entry(
        lambda _: sgd(MOMENTUM, nesterov=True),
        lambda g: torch.optim.SGD(g, momentum=MOMENTUM, nesterov=True),
    ),
    "gd": Entry(lambda _: sgd(0.0), lambda g: torch.optim.SGD(g)),
    "adam": Entry(lambda _: adam(BETAS), lambda g: torch.optim.Adam(g, betas=BETAS)),
    "adamw": Entry(lambda _: adam(BETAS, "decoupled"), lambda g: torch.optim.AdamW(g, betas=BETAS)),
    "adamw-independent": Entry(lambda _: adam(BETAS, "independent"), None),
    "gi-adam": Entry(lambda _: gi_adam(BETAS), None),
    "slim-adam": Entry(slim_adam, None),
    "lion": Entry(lambda _: lion(), None),
    "muon": Entry(muon, None),
    "soap": Entry(soap, None),
    "adafactor": Entry(lambda _: adafactor(), lambda g: torch.optim.Adafactor(g)),
}


def optimizer_entry(name: str) -> Entry:
    """Look an optimizer up.

    Args:
        name: A row of the table ("adam"), or any optimizer class as ``module:Class``
            ("torch.optim:RMSprop").

    Returns:
        Its row of the table.

    Raises:
        ParamsearchError: No such optimizer, or a class that the engine cannot use.

    Example:
        >>> optimizer_entry("adam").make([]).init({}).step.item()
        0.0
    """
    if ":" in name:
        return Entry(foreign(name), foreign_reference(name))
    if name not in OPTIMIZERS:
        raise unknown_optimizer(name, OPTIMIZERS)
    return OPTIMIZERS[name]
