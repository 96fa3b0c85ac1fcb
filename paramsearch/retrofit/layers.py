"""Which layers of a donor are kept, and where each goes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from paramsearch.errors import ParamsearchError

_LAYER = re.compile(r"^(|.*\.)(layers|blocks)\.(\d+)\.")


@dataclass(frozen=True, slots=True)
class Parts:
    """How many layers become prelude, core and coda: ``(4, 8, 4)`` of TinyLlama's 22.

    The prelude takes the first layers of the donor, core and coda its last; the layers between
    are dropped.

    Attributes:
        prelude: Layers before the core.
        core: Layers that are looped, at least 1.
        coda: Layers after it.
    """

    prelude: int
    core: int
    coda: int

    def __post_init__(self) -> None:
        """Check the numbers."""
        if min(self.prelude, self.core - 1, self.coda) < 0:
            raise ParamsearchError(
                f"parts: received prelude {self.prelude}, core {self.core}, coda {self.coda}; "
                "allowed: at least 1 layer in the core, no negative number"
            )

    def kept(self, layers: int) -> tuple[int, ...]:
        """Give the donor's layers in the order in which one pass runs through them.

        Args:
            layers: How many the donor has.

        Returns:
            Their numbers, prelude first.

        Raises:
            ParamsearchError: The donor has too few.

        Example:
            >>> Parts(1, 2, 1).kept(6)
            (0, 3, 4, 5)
        """
        last = self.core + self.coda
        if self.prelude + last > layers:
            raise ParamsearchError(
                f"parts need {self.prelude} + {self.core} + {self.coda} layers; the donor has "
                f"{layers}"
            )
        return (*range(self.prelude), *range(layers - last, layers))

    def place(self, index: int) -> str:
        """Name the place of the layer that one pass runs through at an index.

        Example:
            >>> [Parts(1, 2, 1).place(index) for index in range(4)]
            ['prelude.0', 'core.0', 'core.1', 'coda.0']
        """
        if index < self.prelude:
            return f"prelude.{index}"
        if index < self.prelude + self.core:
            return f"core.{index - self.prelude}"
        return f"coda.{index - self.prelude - self.core}"


def count_layers(state: Mapping[str, Tensor]) -> int:
    """Count the layers of a state dict: the numbers after ``layers.`` or ``blocks.``."""
    found = (_LAYER.match(name) for name in state)
    return 1 + max((int(match[3]) for match in found if match), default=-1)


def drop_layers(state: Mapping[str, Tensor], kept: Sequence[int]) -> dict[str, Tensor]:
    """Give the state dict of the donor with some of its layers alone, renumbered.

    Args:
        state: Of the donor, with its own names.
        kept: Numbers of the layers that stay, in their new order.

    Returns:
        A state dict for the same model with ``len(kept)`` layers.

    Example:
        >>> import torch
        >>> drop_layers({"blocks.0.up": torch.ones(1), "blocks.2.up": torch.zeros(1)}, [2])
        {'blocks.0.up': tensor([0.])}
    """
    place = {number: index for index, number in enumerate(kept)}
    result: dict[str, Tensor] = {}
    for name, value in state.items():
        match = _LAYER.match(name)
        if match is None:
            result[name] = value
        elif int(match[3]) in place:
            head = f"{match[1]}{match[2]}.{place[int(match[3])]}."
            result[head + name[match.end() :]] = value
    return result
