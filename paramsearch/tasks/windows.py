"""Windows cut at random places out of one long row of tokens that lies on the device."""

import torch
from torch import Tensor

from paramsearch.tasks.sequences import Sampler


def windows(tokens: Tensor, length: int) -> Sampler:
    """Make a sampler of windows; every place is equally likely.

    Args:
        tokens: The row, (tokens,) in any integer type, at least ``length`` long.
        length: Tokens in a window.

    Returns:
        ``sample(count, draws) -> (count, length)`` in int64, on the device of the tokens.

    Example:
        >>> sample = windows(torch.arange(10), 3)
        >>> found = sample(4, torch.Generator().manual_seed(0))
        >>> tuple(found.shape), bool((found.diff(dim=1) == 1).all())
        ((4, 3), True)
    """
    offsets = torch.arange(length)

    def sample(count: int, draws: torch.Generator) -> Tensor:
        starts = torch.randint(len(tokens) - length + 1, (count,), generator=draws)
        return tokens[(starts[:, None] + offsets).to(tokens.device)].long()

    return sample
