"""Run a model once under the recorder."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from paramsearch.tracing.recorder import Recorder
from paramsearch.tracing.recording import Recording


@contextmanager
def seeded(seed: int = 0) -> Generator[None]:
    """Run with torch's own generator at a seed, and leave it as it was."""
    generator = torch.default_generator
    state = generator.get_state()
    generator.manual_seed(seed)
    try:
        yield
    finally:
        generator.set_state(state)


def run_recorded(
    model: nn.Module, inputs: Any, forward: Callable[[], Any], loss: Callable[[Any], Tensor]
) -> tuple[Recording, Tensor]:
    """Run forward and loss of a model and record them.

    Args:
        model: The model whose parameters are followed.
        inputs: Any nest of tensors that enter it.
        forward: Runs the model on the inputs.
        loss: Makes a tensor of its output.

    Returns:
        The recording, and the loss with its autograd graph.
    """
    recorder = Recorder(model, inputs)
    with seeded(), recorder:
        value = loss(forward())
    return recorder.finish(value), value


def depends_on(value: Tensor) -> set[int]:
    """Walk the autograd graph behind a tensor, as a check on what was recorded.

    Args:
        value: A tensor computed with gradients.

    Returns:
        The ids of the tensors it depends on that ask for a gradient.

    Example:
        >>> x = torch.ones(2, requires_grad=True)
        >>> depends_on((2 * x).sum()) == {id(x)}
        True
    """
    ahead, seen, found = [value.grad_fn], set[Any](), set[int]()
    while ahead:
        function = ahead.pop()
        if function is None or function in seen:
            continue
        seen.add(function)
        leaf = getattr(function, "variable", None)
        found |= set() if leaf is None else {id(leaf)}
        ahead += [before for before, _ in function.next_functions]
    return found
