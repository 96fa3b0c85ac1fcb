"""Task ``copy``: repeat a random sequence, an answer that lies in the context alone."""

import torch
from torch import Tensor

from paramsearch.errors import ParamsearchError
from paramsearch.tasks.sequences import BATCH, EVALUATION, Sequences
from paramsearch.tasks.streams import generator


def copy_task(
    device: str | torch.device = "cpu",
    seed: int = 0,
    *,
    symbols: int = 15,
    context: int = 16,
    batch: int = 2 * BATCH,
) -> Sequences:
    """Repeat a random sequence after a separator: nothing in the weights, all in the context.

    A sequence is r_1 ... r_n, separator, r_1 ... r_n with independent uniform symbols r. Only the
    predictions of the second half count, n = context / 2 of them; those of the first half could
    not be better than chance.

    Args:
        device: Where batches are wanted.
        seed: Chooses the training sequences.
        symbols: Different symbols; the separator is one token more.
        context: Tokens that enter the model, an even number.
        batch: Sequences in a batch.

    Returns:
        The task; its loss floor is 0.

    Raises:
        ParamsearchError: The context is odd.

    Example:
        >>> inputs, target = copy_task(context=4).batch(0)
        >>> bool((inputs[:, 2] == 15).all() and (target[:, 2:] == inputs[:, :2]).all())
        True
    """
    if context % 2:
        raise ParamsearchError(
            f"task 'copy': received context={context}; allowed: an even number, twice the length "
            "of the sequence that is repeated"
        )
    half = context // 2

    def sample(count: int, draws: torch.Generator) -> Tensor:
        content = torch.randint(symbols, (count, half), generator=draws)
        separator = torch.full((count, 1), symbols)
        return torch.cat([content, separator, content], dim=1).to(device)

    held_out = sample(EVALUATION, generator("copy", "evaluation"))

    def resized(vocabulary: int) -> Sequences:
        if vocabulary < 2:
            raise ParamsearchError(
                f"task 'copy': received a vocabulary of {vocabulary}; allowed: at least 2, of "
                "which one separates"
            )
        return copy_task(device, seed, symbols=vocabulary - 1, context=context, batch=batch)

    return Sequences(
        "copy",
        seed,
        sample,
        held_out,
        symbols + 1,
        batch=batch,
        uncounted=half,
        loss_floor=0.0,
        resized=resized,
    )
