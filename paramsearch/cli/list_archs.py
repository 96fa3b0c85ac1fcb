"""What ``paramsearch list archs`` says of every architecture."""

from collections import Counter
from collections.abc import Mapping
from math import prod
from typing import Any, cast

import torch
from torch import Tensor

from paramsearch.catalog import names
from paramsearch.cli.list_text import extra, extra_line, first_sentence, named, plain_value
from paramsearch.errors import ParamsearchError
from paramsearch.tasks.catalog import load_task
from paramsearch.tasks.facts import known_dims
from paramsearch.tasks.task import Batch, Task
from paramsearch.tracing.adapters.table import ADAPTERS
from paramsearch.tracing.arch import Arch, load_arch
from paramsearch.tracing.axes import TRAINING
from paramsearch.tracing.options import allowed, default_of
from paramsearch.tracing.tensor import ROLES
from paramsearch.tracing.trace import trace

LIBRARIES = {"hf": "transformers", "timm": "timm"}
"""Adapter, which is also the name of the extra -> what the extra installs."""


class Blank(Task):
    """Zeros of the shapes of a task, in the place of one that is slow to make.

    Enough to trace a model that does not choose its way by values.

    Example:
        >>> inputs, target = Blank("digits", {"inputs": 64, "outputs": 10}).batch(0)
        >>> tuple(inputs.shape), tuple(target.shape)
        ((2, 64), (2, 10))
    """

    def __init__(self, name: str, dims: Mapping[str, int]) -> None:
        """Take the dims of a task; see `Task` for what they mean."""
        self.name, self.dims = name, dims

    def batch(self, step: int) -> Batch:
        """Give two examples; numbers, or tokens where there is a vocabulary."""
        kind = torch.int64 if "vocabulary" in self.dims else torch.float32
        positions = [self.dims["positions"]] if "positions" in self.dims else []
        target = torch.zeros(2, *positions, self.dims["outputs"])
        return torch.zeros(2, self.dims["inputs"], dtype=kind), target

    def evaluation(self) -> Batch:
        """Give the same two."""
        return self.batch(0)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Give the mean square error."""
        return (output - target).square().mean()


def adapters() -> dict[str, str]:
    """Describe the adapters of other libraries' models.

    Returns:
        Name, with what must follow its colon, -> the sentence.

    Example:
        >>> list(adapters())
        ['hf:MODEL', 'timm:MODEL']
    """
    return {f"{prefix}:MODEL": first_sentence(make.__doc__) for prefix, make in ADAPTERS.items()}


def arch_details() -> dict[str, dict[str, Any]]:
    """Give the details of every architecture, each traced at its base on its own task.

    Returns:
        Name -> ``parameters``, ``axes`` (axis: base size), ``vocabulary`` (base size of that axis,
        None where there is none), ``task``, ``roles`` (role: number of
        tensors), ``options`` and ``presets``; ``error`` alone of one that cannot be traced;
        ``extra`` and ``installed`` of an adapter.

    Example:
        >>> mlp = arch_details()["mlp"]
        >>> mlp["roles"]
        {'input': 1, 'hidden': 1, 'output': 1, 'vector': 2, 'scalar': 1}
    """
    tasks: dict[str, Task] = {}
    found: dict[str, dict[str, Any]] = {}
    for name in names("architecture"):
        try:
            found[name] = _traced(load_arch(name), tasks)
        except ParamsearchError as error:
            found[name] = {"error": str(error)}
    for prefix, name in zip(ADAPTERS, adapters(), strict=True):
        found[name] = extra(prefix, LIBRARIES[prefix])
    return found


def _traced(arch: Arch, tasks: dict[str, Task]) -> dict[str, Any]:
    dims = known_dims(arch.task)
    if arch.task not in tasks:
        tasks[arch.task] = Blank(arch.task, dims) if dims else load_task(arch.task)
    tensors = trace(arch, task=tasks[arch.task]).tensors
    counts = Counter(tensor.role for tensor in tensors)
    return {
        "parameters": sum(prod(tensor.shape) for tensor in tensors),
        "axes": dict(arch.axes),
        "vocabulary": arch.vocabulary,
        "task": arch.task,
        "roles": {role: counts[role] for role in ROLES if counts[role]},
        "options": {key: _option(option) for key, option in arch.options.items()},
        "presets": {key: dict(settings) for key, settings in arch.presets.items()},
    }


def _option(option: object) -> dict[str, Any]:
    several = isinstance(option, tuple)
    return {
        "default": default_of(option),
        "values": list(cast(tuple[object, ...], option)) if several else None,
        "allowed": allowed(option),
    }


def arch_lines(details: Mapping[str, Any]) -> dict[str, str]:
    """Lay out the details of one architecture: label -> line."""
    if "error" in details:
        return {"error": details["error"]}
    if "extra" in details:
        return {"extra": extra_line(details)}
    roles = ", ".join(f"{count} {role}" for role, count in details["roles"].items())
    presets = (f"{name} ({_settings(values)})" for name, values in details["presets"].items())
    return {
        "axes": named(details["axes"]),
        "vocabulary": str(details["vocabulary"] or ""),
        "of training": ", ".join(t for t in TRAINING if t not in details["options"]),
        "task": details["task"],
        "tensors": f"{roles}; {details['parameters']:,} parameters",
        "options": ", ".join(_choices(key, option) for key, option in details["options"].items()),
        "presets": ", ".join(presets),
    }


def _settings(values: Mapping[str, object]) -> str:
    return named({key: plain_value(value) for key, value in values.items()})


def _choices(key: str, option: Mapping[str, Any]) -> str:
    """Write an option with its default first: ``norm layer|rms``."""
    default: object = option["default"]
    values: list[object] | None = option["values"]
    if values is None and isinstance(default, bool):
        values = [default, not default]
    elif values is None:
        values = [default] if default is not None else [None, "NUMBER"]
    return f"{key} {'|'.join(map(plain_value, values))}"
