"""The table of optimizers: name -> engine's pair of functions and ``torch.optim`` class."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from paramsearch.errors import unknown_name
from paramsearch.train.adam import adam
from paramsearch.train.optimizer import Optimizer
from paramsearch.train.sgd import sgd

MOMENTUM = 0.9
BETAS = (0.9, 0.999)
EPS = 1e-8


@dataclass(frozen=True, slots=True)
class Entry:
    """One optimizer: how the engine makes it, and the same thing as a plain torch optimizer.

    Attributes:
        make: Makes the pair (init, update) on stacked tensors.
        reference: Makes the ``torch.optim`` optimizer from param groups.
    """

    make: Callable[[], Optimizer]
    reference: Callable[[list[dict[str, Any]]], torch.optim.Optimizer]


OPTIMIZERS: dict[str, Entry] = {
    "sgd": Entry(lambda: sgd(MOMENTUM), lambda g: torch.optim.SGD(g, momentum=MOMENTUM)),
    "adam": Entry(lambda: adam(BETAS), lambda g: torch.optim.Adam(g, betas=BETAS)),
    "adamw": Entry(
        lambda: adam(BETAS, decoupled=True), lambda g: torch.optim.AdamW(g, betas=BETAS)
    ),
}


def optimizer_entry(name: str) -> Entry:
    """Look an optimizer up.

    Args:
        name: "sgd", "adam" or "adamw".

    Returns:
        Its row of the table.

    Raises:
        ParamsearchError: No such optimizer.

    Example:
        >>> optimizer_entry("adam").make().init({}).step
        0
    """
    if name not in OPTIMIZERS:
        raise unknown_name("optimizer", name, OPTIMIZERS)
    return OPTIMIZERS[name]
