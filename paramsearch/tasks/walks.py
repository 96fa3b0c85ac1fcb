"""Walks on a Markov chain, all of a batch at once."""

import torch
from torch import Tensor

from paramsearch.tasks.chain import Chain
from paramsearch.tasks.sequences import Sampler


def walks(chain: Chain, length: int, device: str | torch.device = "cpu") -> Sampler:
    """Make a sampler of walks that start from the stationary distribution.

    Uniform numbers are drawn on the CPU and compared with exact tables on the device, so that
    every device sees the same walks.

    Args:
        chain: The chain.
        length: States in a walk.
        device: Where walks are made.

    Returns:
        ``sample(count, draws) -> (count, length)`` in int64, on the device.

    Example:
        >>> from paramsearch.tasks.chain import make_chain
        >>> ring = make_chain(torch.arange(4), (torch.arange(4) + 1) % 4, torch.ones(4))
        >>> walk = walks(ring, 5)(1, torch.Generator().manual_seed(0))
        >>> ((walk[:, 1:] - walk[:, :-1]) % 4).tolist()
        [[1, 1, 1, 1]]
    """
    first = torch.searchsorted(chain.source, torch.arange(chain.states)).to(device)
    last = torch.searchsorted(chain.source, torch.arange(chain.states), right=True).to(device) - 1
    target, source = chain.target.to(device), chain.source.to(device)
    # Within the transitions of state i, `steps` climbs from i to i + 1: one search serves all.
    total = torch.cat([torch.zeros(1, dtype=torch.float64), chain.probability.cumsum(0)]).to(device)
    steps = source + (total[1:] - total[first[source]])
    start = chain.stationary.cumsum(0).to(device)
    start = start / start[-1]

    def sample(count: int, draws: torch.Generator) -> Tensor:
        uniform = torch.rand(length, count, generator=draws, dtype=torch.float64).to(device)
        path = [torch.searchsorted(start, uniform[0], right=True)]
        for row in uniform[1:]:
            at = path[-1]
            chosen = torch.searchsorted(steps, at + row, right=True)
            # Rounding may put the ends of a state's steps a little beside i and i + 1.
            path.append(target[chosen.clamp(first[at], last[at])])
        return torch.stack(path, dim=1)

    return sample
