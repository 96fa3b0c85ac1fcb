"""Task ``bytes``: next-byte prediction on Python source, at every position."""

import torch

from paramsearch.tasks.sequences import BATCH, CONTEXT, EVALUATION, Sequences
from paramsearch.tasks.streams import generator
from paramsearch.tasks.text import standard_library
from paramsearch.tasks.windows import windows


def bytes_task(
    device: str | torch.device = "cpu",
    seed: int = 0,
    *,
    context: int = CONTEXT,
    batch: int = BATCH,
    folder: str = "",
) -> Sequences:
    """Predict every next byte of Python source: 256 tokens, mean cross-entropy.

    The text is the source of the local standard library; whole files are held out.

    Args:
        device: Where the text lies.
        seed: Chooses where the training windows are cut.
        context: Bytes that enter the model.
        batch: Windows in a batch.
        folder: Read the ``*.py`` files of another folder.

    Returns:
        The task; its loss floor is not known.

    Raises:
        ParamsearchError: The folder holds too little text.

    Example:
        >>> inputs, target = bytes_task(context=8).batch(0)
        >>> tuple(inputs.shape), tuple(target.shape), bool((inputs[:, 1:] == target[:, :-1]).all())
        ((16, 8), (16, 8), True)
    """
    train, held_out = (part.to(device) for part in standard_library(context + 1, folder))
    evaluation = windows(held_out, context + 1)(EVALUATION, generator("bytes", "evaluation"))
    return Sequences("bytes", seed, windows(train, context + 1), evaluation, 256, batch=batch)
