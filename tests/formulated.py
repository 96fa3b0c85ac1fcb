"""What the tests of the formulations share: numbers in float64, and their use at any size."""

import torch

from paramsearch.train.backend import batched
from paramsearch.train.formulations import Formulations

MEMBERS = 3
DRAWS = torch.Generator().manual_seed(0)


def drawn(*shape):
    """Normal numbers."""
    return torch.randn(*shape, generator=DRAWS, dtype=torch.float64)


def formulated(function, in_dims):
    """The function of all members at once, computed in our way however small it is."""

    def call(*args):
        with Formulations(least=0):
            return batched(function, in_dims)(*args)

    return call
