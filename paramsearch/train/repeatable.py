"""Sums in one order, whatever the threads do: equal runs then give equal bits.

Where several threads add to one element (gradients of embeddings, of indexing), torch lets them do
so in the order in which they arrive, one atomic addition at a time. On the CPU its way in one order
is the faster one, too: 0.03 to 0.05 ms in place of 0.34 for the tokens of a small transformer.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import torch

_torch: Any = torch


@contextmanager
def repeatable(device: torch.device) -> Generator[None, None, None]:
    """Have torch's operations add up in one order meanwhile, on the CPU; one that cannot warns.

    Args:
        device: Where tensors are.

    Example:
        >>> with repeatable(torch.device("cpu")):
        ...     torch.are_deterministic_algorithms_enabled()
        True
    """
    if device.type != "cpu" or torch.are_deterministic_algorithms_enabled():
        yield
        return
    memory: Any = torch.utils.deterministic
    fills = memory.fill_uninitialized_memory
    # By torch.use_deterministic_algorithms its compiler would be loaded, which takes a second.
    _torch._C._set_deterministic_algorithms(True, warn_only=True)
    memory.fill_uninitialized_memory = False
    try:
        yield
    finally:
        _torch._C._set_deterministic_algorithms(False, warn_only=False)
        memory.fill_uninitialized_memory = fills


def undivided(device: torch.device) -> dict[Any, Callable[..., Any]]:
    """Give operations that a trace should not take apart, for torch's compiler adds up atomically.

    Args:
        device: Of the tensors of the trace.

    Returns:
        By operation of torch, in the form of decompositions.
    """
    if device.type != "cpu":
        return {}
    return dict.fromkeys(_embeddings(), lambda *_, **__: NotImplemented)


@contextmanager
def compiled_in_order(device: torch.device) -> Generator[None, None, None]:
    """Have torch's compiler leave such sums on the CPU to torch's operations meanwhile.

    Args:
        device: Of the tensors of what is compiled.
    """
    if device.type != "cpu":
        yield
        return
    from torch._inductor import lowering  # takes a second

    def always(_: torch.dtype) -> bool:
        return True

    module: Any = lowering
    atomic = "needs_fallback_due_to_atomic_add_limitations"
    before, table = getattr(module, atomic, always), dict[Any, Any](module.lowerings)
    module.lowerings.update((each, module.fallback_handler(each)) for each in _embeddings())
    setattr(module, atomic, always)
    try:
        yield
    finally:
        setattr(module, atomic, before)
        module.lowerings.clear()
        module.lowerings.update(table)


def _embeddings() -> list[Any]:
    return [_torch.ops.aten.embedding_dense_backward.default]
