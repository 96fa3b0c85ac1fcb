"""Describe a model without running it: from the types of its modules and a smaller build of it."""

import re
from collections.abc import Mapping, Sequence
from math import log
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from paramsearch.errors import ParamsearchError
from paramsearch.tracing.assemble import assemble, owners, shapes_of, tied_names
from paramsearch.tracing.modules import module_use, use_of
from paramsearch.tracing.recording import Recording, Use
from paramsearch.tracing.run import depends_on, run_recorded
from paramsearch.tracing.source import raised_at
from paramsearch.tracing.tensor import TensorInfo
from paramsearch.tracing.unseen import with_unseen

_GAIN = re.compile(r"weight|gain|scale|gamma|alpha")
_AXIS = "width"


def describe(
    model: nn.Module,
    base: nn.Module | Mapping[str, tuple[int, ...]],
    inputs: Any | None = None,
) -> tuple[TensorInfo, ...]:
    """Describe every parameter tensor of a model relative to a base model.

    A dimension grows along ``width`` with power ``log(size / base size) / log(m)``, where m is the
    largest ratio of any dimension; if no dimension differs, nothing grows and every role is
    ``scalar``. A tensor that only the deeper model has is compared with one of the base whose name
    is the same up to block numbers. Without ``inputs``, roles and ops come from module types, and
    ``residual`` is always false, since only a run shows it.

    Args:
        model: The model.
        base: The same model, smaller, or the shapes of its tensors by name.
        inputs: The model's input (a tensor, a tuple of arguments or a dict of keyword arguments):
            the model is run on it once in evaluation mode, and its operations decide instead. Of a
            tensor that the run leaves out, such as that of an expert to which no token is sent,
            the type of its module decides, or a tensor like it in another block.

    Returns:
        One entry per tensor, in the order of ``model.named_parameters()``.

    Raises:
        ParamsearchError: Without ``inputs``, a matrix is held by a module that torch does not
            define; or a tensor has no counterpart in the base.

    Example:
        >>> small, large = nn.Linear(10, 32), nn.Linear(10, 64)
        >>> [(tensor.name, tensor.role) for tensor in describe(large, small)]
        [('weight', 'input'), ('bias', 'vector')]
    """
    growth = {name: {_AXIS: powers} for name, powers in _growth(model, base).items()}
    if inputs is None:
        return assemble(model, _uses(model), growth)
    recording, reached = _run(model, inputs)
    uses = with_unseen(model, recording.uses, owners(model))
    unused = [
        name for name, p in model.named_parameters() if name not in uses and id(p) not in reached
    ]
    return assemble(model, uses, growth, recording, unused)


def _uses(model: nn.Module) -> dict[str, list[Use]]:
    """Derive the uses of every tensor from the modules that hold it."""
    owner = owners(model)
    result: dict[str, list[Use]] = {}
    undecided: list[str] = []
    for name, others in tied_names(model).items():
        shape = shapes_of(model)[name]
        found = [module_use(owner[held], shape) for held in (name, *others)]
        known = [use for use in found if use is not None]
        if not known and sum(size > 1 for size in shape) < 2:
            gain = _GAIN.search(name.rpartition(".")[2])
            known = [use_of("mul" if gain else "add", shape, frozenset())]
        if not known:
            undecided.append(f"{name} {shape} in {type(owner[name]).__name__}")
        result[name] = known
    if undecided:
        raise ParamsearchError(
            f"module types do not tell what the model does with {', '.join(undecided)}; "
            "pass inputs=..., a batch of the model's inputs, to find out by running it"
        )
    return result


def _growth(
    model: nn.Module, base: nn.Module | Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[float, ...]]:
    """Compare shapes with the base."""
    shapes = shapes_of(model)
    small = shapes_of(base) if isinstance(base, nn.Module) else dict(base)
    places = {_place(name): shape for name, shape in reversed(small.items())}
    known = {name: small.get(name, places.get(_place(name))) for name in shapes}
    own = {_place(name) for name in shapes}
    _same_architecture(shapes, known, [name for name in small if _place(name) not in own])
    logs = {
        name: tuple(
            log(b / a) if a and b else 0.0 for a, b in zip(known[name] or (), shape, strict=True)
        )
        for name, shape in shapes.items()
    }
    unit = max((value for row in logs.values() for value in row), key=abs, default=0.0) or 1.0
    return {name: tuple(round(value / unit, 3) for value in row) for name, row in logs.items()}


def _same_architecture(
    shapes: Mapping[str, tuple[int, ...]],
    known: Mapping[str, tuple[int, ...] | None],
    more: Sequence[str],
) -> None:
    """Refuse a base that is no smaller build of the model.

    Args:
        shapes: Tensor name -> shape in the model.
        known: Tensor name -> shape in the base.
        more: Tensors that only the base has.
    """
    lost = [name for name, shape in shapes.items() if len(known[name] or ()) != len(shape)]
    lost += [name for name in shapes if known[name] is None and name not in lost]
    need = "; base must be a smaller build of the same architecture"
    if lost:
        name, others = lost[0], f", and {len(lost) - 1} others too" if len(lost) > 1 else ""
        there = "" if known[name] is None else f", where its shape is {known[name]}"
        raise ParamsearchError(
            f"tensor '{name}' with shape {shapes[name]} has no counterpart in the base model"
            f"{there}{others}{need}"
        )
    if more:
        raise ParamsearchError(f"tensor '{more[0]}' of the base model is not in the model{need}")


def _place(name: str) -> str:
    """Give a tensor's name with block numbers removed."""
    return re.sub(r"\.\d+(?=\.|$)", ".#", f".{name}")


def _run(model: nn.Module, inputs: Any) -> tuple[Recording, set[int]]:
    """Record one forward pass in evaluation mode, with the model left as it was.

    Returns:
        The recording, and the ids of the parameters that autograd reaches.
    """

    def forward() -> Any:
        if isinstance(inputs, Mapping):
            return model(**inputs)
        return model(*inputs) if isinstance(inputs, tuple) else model(inputs)

    def total(output: Any) -> Tensor:
        values = [v for v in tree_leaves(output) if isinstance(v, Tensor) and v.is_floating_point()]
        if not values:
            raise ParamsearchError("the model's output holds no floating-point tensor")
        return sum((value.sum() for value in values[1:]), values[0].sum())

    training = {module: module.training for module in model.modules()}
    for module in training:
        module.training = False  # not by eval(), which an exported model refuses
    try:
        with torch.enable_grad():
            recording, value = run_recorded(model, inputs, forward, total)
        return recording, depends_on(value)
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        place = raised_at(error)
        where = f" (at {place})" if place else ""
        raise ParamsearchError(f"the model fails on the given inputs: {reason}{where}") from error
    finally:
        for module, mode in training.items():
            module.training = mode
