"""Measure what running code takes: floating-point operations, memory traffic, peak memory."""

import weakref
from typing import Any

from torch import Tensor, UntypedStorage
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry


class Meter(TorchDispatchMode):
    """Counts, while active, what the operations on tensors take; the same on every machine.

    Attributes:
        flops: Floating-point operations of matrix products, convolutions and attention.
        traffic: Bytes that operations read and write; views cost nothing.
        operations: Operations run; views are none.
        peak: Most bytes alive at once, of tensors that were made meanwhile.

    Example:
        >>> import torch
        >>> with Meter() as meter:
        ...     y = torch.ones(2, 3) @ torch.ones(3, 4)
        >>> meter.flops, meter.peak      # 2 * 2 * 3 * 4, and 4 * (6 + 12 + 8) bytes
        (48, 104)
    """

    def __init__(self) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType]
        self.flops = 0
        self.traffic = 0
        self.operations = 0
        self.peak = 0
        self._alive = 0
        self._storages: dict[int, weakref.ref[UntypedStorage]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run one operation and count it."""
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        count = flop_registry.get(func.overloadpacket)
        if count is not None:
            self.flops += count(*args, **kwargs, out_val=out)
        entering = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        leaving = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        if not func.is_view:
            self.operations += 1
            self.traffic += sum(t.numel() * t.element_size() for t in (*entering, *leaving))
        for tensor in leaving:
            self._note(tensor.untyped_storage())
        return out

    def _note(self, storage: UntypedStorage) -> None:
        """Count a storage as alive until it is freed."""
        key, size = storage._cdata, storage.nbytes()  # pyright: ignore[reportPrivateUsage]
        if key in self._storages:
            return

        def gone(_: Any) -> None:
            self._alive -= size
            self._storages.pop(key, None)

        self._storages[key] = weakref.ref(storage, gone)
        self._alive += size
        self.peak = max(self.peak, self._alive)
