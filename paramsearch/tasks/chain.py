"""Markov chains on tokens, with their stationary distribution and exact entropy rate."""

from dataclasses import dataclass

import torch
from torch import Tensor

from paramsearch.errors import ParamsearchError

ROUNDS = 100_000
TOLERANCE = 1e-13


@dataclass(frozen=True, slots=True)
class Chain:
    """A Markov chain by its possible transitions, sorted by the state that they leave.

    Attributes:
        source: State that each transition leaves, (transitions,) in int64, ascending.
        target: State that it enters, (transitions,) in int64.
        probability: P(target | source), (transitions,) in float64; sums to 1 for each source.
        stationary: Distribution pi with ``pi P = pi``, (states,) in float64.
    """

    source: Tensor
    target: Tensor
    probability: Tensor
    stationary: Tensor

    @property
    def states(self) -> int:
        """The number of states."""
        return len(self.stationary)

    def entropy_rate(self) -> float:
        r"""Give the entropy rate in nats: the lowest loss of next-state prediction.

        .. math:: H = -\sum_i \pi_i \sum_j P_{ij} \log P_{ij}

        Since walks start from the stationary distribution, it is the floor at every position.

        Example:
            >>> chain = make_chain(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1]),
            ...     torch.ones(4))
            >>> round(chain.entropy_rate(), 4)
            0.6931
        """
        p = self.probability
        return -float((self.stationary[self.source] * p * p.log()).sum())


def make_chain(source: Tensor, target: Tensor, weight: Tensor) -> Chain:
    """Make the chain whose transition probabilities are proportional to weights.

    Args:
        source: State that each transition leaves, (transitions,) in int64, in any order.
        target: State that it enters; every state must reach every other.
        weight: Positive weights, (transitions,).

    Returns:
        The chain, with the stationary distribution by power iteration.

    Raises:
        ParamsearchError: The iteration does not converge: the chain mixes too slowly.

    Example:
        >>> chain = make_chain(torch.tensor([0, 1, 1, 2]), torch.tensor([1, 0, 2, 1]),
        ...     torch.ones(4))
        >>> chain.stationary.tolist()
        [0.25, 0.5, 0.25]
    """
    order = source.argsort(stable=True)
    source, target, weight = source[order], target[order], weight[order].double()
    states = int(torch.maximum(source.max(), target.max())) + 1
    sums = torch.zeros(states, dtype=torch.float64).index_add_(0, source, weight)
    probability = weight / sums[source]
    return Chain(source, target, probability, _stationary(source, target, probability, sums))


def _stationary(source: Tensor, target: Tensor, probability: Tensor, start: Tensor) -> Tensor:
    """Iterate ``pi <- pi (1 + P) / 2``; the half that stays put makes periodic chains converge.

    The sums of symmetric weights are the exact answer, so the iteration starts from them.
    """
    pi = start / start.sum()
    for _ in range(ROUNDS):
        entered = torch.zeros_like(pi).index_add_(0, target, pi[source] * probability)
        following = (pi + entered) / 2
        following /= following.sum()
        change = float((following - pi).abs().sum())
        pi = following
        if change < TOLERANCE:
            return pi
    raise ParamsearchError(
        f"the stationary distribution of a chain of {len(start)} states is not found within "
        f"{ROUNDS} iterations: the chain mixes too slowly"
    )
