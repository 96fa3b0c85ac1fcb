"""Remember what every tensor of a running step is, across views and in-place writes."""

from typing import Generic, TypeVar

import torch
from torch import Tensor

V = TypeVar("V")


class Memory(Generic[V]):
    """A map from live tensors to values; it keeps every tensor alive, so that no id comes back."""

    def __init__(self) -> None:
        """Start empty."""
        self._keep: list[Tensor] = []
        self._values: dict[object, tuple[int, V]] = {}
        self._written: dict[object, tuple[int, V]] = {}
        self._first: dict[object, V] = {}

    def get(self, tensor: Tensor) -> V | None:
        """Give the value of a tensor, or of the latest write into its storage; None if unknown."""
        found = self._values.get(id(tensor)) or self._values.get(_view(tensor))
        written = self._written.get(_storage(tensor))
        if written and (found is None or written[0] > found[0]):
            found = written
        return found[1] if found else None

    def set(self, tensor: Tensor, value: V) -> None:
        """Store the value of a new tensor."""
        entry = (len(self._keep), value)
        self._keep.append(tensor)
        self._values[id(tensor)] = entry
        view = _view(tensor)
        if view is not None:
            self._values[view] = entry
            self._first.setdefault(_storage(tensor), value)

    def write(self, tensor: Tensor, value: V) -> None:
        """Store the value of a tensor written in place: everything that shares memory has it."""
        self.set(tensor, value)
        storage = _storage(tensor)
        if storage is not None:
            self._written[storage] = (len(self._keep) - 1, value)

    def beneath(self, tensor: Tensor) -> V | None:
        """Give the value of the memory under a tensor that covers part of it; None if it is all."""
        storage = _storage(tensor)
        whole = storage is not None and (
            tensor.untyped_storage().nbytes() <= tensor.numel() * tensor.element_size()
        )
        if whole:
            return None
        written = self._written.get(storage)
        return written[1] if written else self._first.get(storage)


def _storage(tensor: Tensor) -> object:
    if tensor.layout != torch.strided:
        return None
    return ("storage", tensor.untyped_storage().data_ptr() or id(tensor))


def _view(tensor: Tensor) -> object:
    if tensor.layout != torch.strided:
        return None
    return (_storage(tensor), tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.dtype)
