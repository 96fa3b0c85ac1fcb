"""Task ``bigram``: the order-1 Markov chain whose statistics are those of task ``bytes``."""

import torch
from torch import Tensor

from paramsearch.tasks.chain import Chain, make_chain
from paramsearch.tasks.sequences import BATCH, CONTEXT, EVALUATION, Sequences
from paramsearch.tasks.streams import generator
from paramsearch.tasks.text import standard_library
from paramsearch.tasks.walks import walks

VOCABULARY = 256


def bigram(
    device: str | torch.device = "cpu",
    seed: int = 0,
    *,
    context: int = CONTEXT,
    batch: int = BATCH,
    folder: str = "",
) -> Sequences:
    """Predict the next byte of text from an order-1 chain, estimated from Python source.

    Same dims as ``bytes``, and the same frequencies of bytes and of pairs of bytes; nothing
    beyond them can be learned, and the loss floor is the chain's exact entropy rate.

    Args:
        device: Where text is made.
        seed: Chooses the training sequences.
        context: Bytes that enter the model.
        batch: Sequences in a batch.
        folder: Estimate from the ``*.py`` files of another folder.

    Returns:
        The task.

    Raises:
        ParamsearchError: The folder holds too little text.

    Example:
        >>> 1.5 < bigram().loss_floor < 3.0
        True
    """
    chain = bigram_chain(standard_library(2, folder)[0])
    sample = walks(chain, context + 1, device)
    return Sequences(
        "bigram",
        seed,
        sample,
        sample(EVALUATION, generator("bigram", "evaluation")),
        VOCABULARY,
        batch=batch,
        loss_floor=chain.entropy_rate(),
    )


def bigram_chain(text: Tensor) -> Chain:
    """Estimate the chain of a text by counting pairs of neighbours.

    The text is closed to a ring, so that every byte that occurs also has a follower, and the
    stationary distribution is the frequency of bytes.

    Args:
        text: Bytes (bytes,) in uint8.

    Returns:
        The chain on the values of a byte up to the largest that occurs.

    Example:
        >>> chain = bigram_chain(torch.tensor([0, 1, 1, 0], dtype=torch.uint8))
        >>> chain.stationary.tolist(), chain.probability.tolist()
        ([0.5, 0.5], [0.5, 0.5, 0.5, 0.5])
    """
    text = text.long()
    counts = torch.bincount(VOCABULARY * text + text.roll(-1), minlength=VOCABULARY**2)
    pairs = counts.nonzero().squeeze(1)
    return make_chain(pairs // VOCABULARY, pairs % VOCABULARY, counts[pairs])
