"""A step recorded as a CUDA graph, so that small models do not wait for kernel launches."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from paramsearch.tasks.task import Batch

_WARM_UP = 3  # steps on a side stream before recording, as torch's documentation asks


def capture(
    step: Callable[[Batch, Tensor], Tensor],
    changed: Sequence[Tensor],
    batch: Batch,
    factor: Tensor,
) -> Callable[[Batch, Tensor], Tensor]:
    """Record a step on a GPU, to be played back with other batches.

    Args:
        step: Makes a step in place and gives the losses before it.
        changed: What it changes; afterwards as before, and changed by every call of the result.
        batch: A batch like those to come.
        factor: The schedule's factor, a tensor without dimensions on the GPU.

    Returns:
        Makes a step with a batch and a factor; gives the losses in memory of their own.
    """
    device = factor.device
    saved = [tensor.clone() for tensor in changed]
    inputs = (batch[0].clone(), batch[1].clone(), factor.clone())
    side = torch.cuda.Stream(device)
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):
        for _ in range(_WARM_UP):
            step(inputs[:2], inputs[2])
    torch.cuda.current_stream(device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        losses = step(inputs[:2], inputs[2])
    for tensor, value in zip(changed, saved, strict=True):
        tensor.copy_(value)

    def replay(batch: Batch, factor: Tensor) -> Tensor:
        for place, value in zip(inputs, (*batch, factor), strict=True):
            place.copy_(value, non_blocking=True)
        graph.replay()
        return losses.clone()

    return replay
