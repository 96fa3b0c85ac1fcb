"""Trace a model: run one training step, find what each parameter tensor is and how it grows."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import networkx as nx
import torch
from torch import Tensor, nn

from paramsearch.errors import FAILURES, ParamsearchError, said, unknown_name
from paramsearch.scale import Scale
from paramsearch.tasks.catalog import load_task
from paramsearch.tasks.rebatched import batch_size
from paramsearch.tasks.task import Task
from paramsearch.tracing.ambiguous import check_axes, check_trained
from paramsearch.tracing.arch import Arch, load_arch
from paramsearch.tracing.assemble import assemble, shapes_of
from paramsearch.tracing.axes import BATCH, VOCABULARY, declared
from paramsearch.tracing.blocks import Series, series
from paramsearch.tracing.fit import explained
from paramsearch.tracing.flow import tensor_graph
from paramsearch.tracing.groups import module_groups
from paramsearch.tracing.growth import Shapes, alone, growth, scales
from paramsearch.tracing.output import total_loss
from paramsearch.tracing.recording import Recording
from paramsearch.tracing.run import run_recorded, seeded
from paramsearch.tracing.sites.folds import located
from paramsearch.tracing.source import raised_at
from paramsearch.tracing.tensor import TensorInfo
from paramsearch.tracing.undecided import undecided

GRANULARITIES = ("role", "module", "tensor")
"""How finely tensors can be grouped."""

_BATCHES = 4  # tried while a tensor without gradient remains: routed tensors need the right batch


@dataclass(frozen=True, slots=True)
class Trace:
    """What is known about a model from one recorded training step and two builds per axis.

    Attributes:
        arch: Name of the architecture.
        task: Name of the task.
        scale: Axis -> size at which the model was traced.
        tensors: One entry per parameter tensor, in the order of ``named_parameters()``.
        graph: Parameters, merges (``add:1``, ``mul:1``, ...), ``input`` and ``loss``; node
            attributes ``kind``, ``op``, ``module``, ``source``, ``stream``, ``branch``.
        unused: Names of the tensors that received no gradient.
        roles: Tensor name -> axis -> role along that axis alone.
        series: Tensor name -> where it stands in depth.
    """

    arch: str
    task: str
    scale: Mapping[str, int]
    tensors: tuple[TensorInfo, ...]
    graph: "nx.DiGraph[str]"
    unused: tuple[str, ...]
    roles: Mapping[str, Mapping[str, str]]
    series: Mapping[str, Series]

    def groups(self, by: str = "role") -> dict[str, tuple[TensorInfo, ...]]:
        """Give the groups of tensors that share exponents.

        Args:
            by: ``"role"`` for one group per role (and op where needed); ``"module"`` for one per
                module of a block (query, key, value, ... apart), the same in every repeated block;
                ``"tensor"`` for one per tensor.

        Returns:
            Name of the group -> its tensors, in the order of the tensors.

        Raises:
            ParamsearchError: ``by`` is none of them.
        """
        if by not in GRANULARITIES:
            raise unknown_name("grouping", by, GRANULARITIES)
        names = {tensor.name: tensor.group for tensor in self.tensors}
        if by == "module":
            names = module_groups(names, self.graph)
        elif by == "tensor":
            names = {name: name for name in names}
        result: dict[str, tuple[TensorInfo, ...]] = {}
        for tensor in self.tensors:
            tensor = replace(tensor, group=names[tensor.name])
            result[tensor.group] = (*result.get(tensor.group, ()), tensor)
        return result

    def to_json(self) -> dict[str, Any]:
        """Give the trace as JSON-able values; ``axes`` holds the power of each dimension."""
        return {
            "arch": self.arch,
            "task": self.task,
            "scale": dict(self.scale),
            "tensors": [self._tensor_json(tensor) for tensor in self.tensors],
            "groups": {name: [t.name for t in ts] for name, ts in self.groups().items()},
            "modules": {name: [t.name for t in ts] for name, ts in self.groups("module").items()},
            "unused": list(self.unused),
            "undecided": list(self.undecided),
            "nodes": [{"name": name, **self.graph.nodes[name]} for name in self.graph],
            "edges": [list(edge) for edge in self.graph.edges],
        }

    def _tensor_json(self, tensor: TensorInfo) -> dict[str, Any]:
        axes = {axis: list(powers) for axis, powers in tensor.growth.items() if any(powers)}
        return {
            "name": tensor.name,
            "shape": list(tensor.shape),
            "op": tensor.op,
            "role": tensor.role,
            "roles": {axis: self.roles[tensor.name][axis] for axis in axes},
            "fan_in": tensor.fan_in,
            "fan_out": tensor.fan_out,
            "axes": axes,
            "group": tensor.group,
            "residual": tensor.residual,
            "branches": self.series[tensor.name].branches,
            "block": self.series[tensor.name].block,
            "stack": self.series[tensor.name].stack,
            "tied": list(tensor.tied),
            "sites": [asdict(fold) for fold in tensor.sites],
        }

    @property
    def undecided(self) -> tuple[str, ...]:
        """What tracing could not decide, a sentence each."""
        modules = {t.name: name for name, ts in self.groups("module").items() for t in ts}
        return undecided(self.tensors, self.graph, modules, list(self.scale))


def trace(
    arch: Arch | str,
    *,
    axis: str | None = None,
    task: Task | None = None,
    scale: Scale | None = None,
) -> Trace:
    """Trace an architecture at one scale.

    Runs one real training step (forward, loss, backward) and builds the model once more per axis,
    doubled along it. A dimension that doubles grows with power 1; one that quadruples, 2. The
    vocabulary of the task grows dimensions too, but where the model has axes of its own these
    alone decide the role of a tensor. Along the axes of training, ``batch`` and ``steps``, nothing
    grows, and every role is that of the model's own axes.

    Args:
        arch: The architecture, or its name or path.
        axis: An axis that must scale something, or the declaration of one, see `Arch.along`.
        task: Gives batches and the loss; by default the architecture's own task.
        scale: Where to trace; axes left out stand at their base.

    Returns:
        The trace.

    Raises:
        ParamsearchError: The model fails to build or to train (says at which stage), the axis does
            not exist, or it scales nothing.

    Example:
        >>> [tensor.role for tensor in trace("mlp").tensors if tensor.name.endswith("weight")]
        ['input', 'hidden', 'output']
    """
    arch = load_arch(arch) if isinstance(arch, str) else arch
    task = load_task(arch.task) if task is None else task
    for name in (*(scale or {}), *([axis] if axis else [])):
        arch = arch.along(name, batch_size(task) if name == BATCH else 1)
    axis = declared(axis)[0] if axis else None
    at = {**arch.axes, **(scale or {})}
    here = arch.task_at(task, at)
    model = _build(arch, here, at)
    base = shapes_of(model)
    of_model = {name: size for name, size in arch.axes.items() if name not in arch.training}
    grown = {name: _shapes_doubled(arch, task, at, name) for name in of_model}
    if axis in grown and not (scales(base, grown[axis]) or _matters(arch, here, at, axis)):
        raise ParamsearchError(
            f"axis '{axis}' of architecture '{arch.name}' scales nothing: doubling it from "
            f"{at[axis]} to {2 * at[axis]} changes no shape, not the set of tensors, and not the "
            "loss"
        )
    check_axes(arch.name, base, grown, partial(_shapes_of_both, arch, task, at))
    check_trained(arch.name, model)
    recording = _train_step(arch, here, model)
    unused = tuple(name for name, p in model.named_parameters() if p.grad is None)
    powers = growth(base, {**dict.fromkeys(arch.training, base), **grown})

    def described(axes: Collection[str], seen: Recording | None = None) -> tuple[TensorInfo, ...]:
        return assemble(model, recording.uses, alone(powers, axes), seen, unused)

    own = [name for name in of_model if name != VOCABULARY] or list(of_model)
    tensors = tuple(replace(t, growth=powers[t.name]) for t in described(own, recording))
    by_axis = {name: {t.name: t.role for t in described([name])} for name in of_model}
    by_axis |= {name: {t.name: t.role for t in tensors} for name in arch.training}
    roles = {t.name: {name: found[t.name] for name, found in by_axis.items()} for t in tensors}
    inputs = here.batch(0)[0].cpu()
    built = partial(_with_inputs, arch, task)
    tensors = _stage(
        arch, "replaced parameters", lambda: located(tensors, model, inputs, built, of_model)
    )
    graph = tensor_graph(recording)
    modules = module_groups({t.name: t.group for t in tensors}, graph)
    depth = series(recording, modules)
    return Trace(arch.name, task.name, at, tensors, graph, unused, roles, depth)


def _stage(arch: Arch, stage: str, run: Callable[[], Any]) -> Any:
    """Run the user's code; say whose it is and what it was doing when it fails."""
    try:
        return run()
    except FAILURES as error:
        kind = "" if isinstance(error, ParamsearchError) else f"{type(error).__name__}: "
        place = "" if isinstance(error, ParamsearchError) else raised_at(error)
        reason = f"{kind}{said(error)}{f' (at {place})' if place else ''}"
        raise ParamsearchError(f"architecture '{arch.name}' fails at {stage}: {reason}") from error


def _build(arch: Arch, task: Task, scale: Scale) -> nn.Module:
    sizes = ", ".join(f"{axis}={size}" for axis, size in scale.items())
    with seeded(), explained(arch.name, task):
        model = _stage(arch, f"build at {sizes}", lambda: arch.model(task.dims, scale))
    if not isinstance(model, nn.Module):
        raise ParamsearchError(
            f"architecture '{arch.name}': build must return a torch.nn.Module; received {model!r}"
        )
    return model.train()


def _with_inputs(arch: Arch, task: Task, scale: Scale) -> tuple[nn.Module, Tensor]:
    """Build the model at a scale and give a batch of its inputs there."""
    here = arch.task_at(task, scale)
    return _build(arch, here, scale), here.batch(0)[0].cpu()


def _shapes_doubled(arch: Arch, task: Task, scale: Scale, axis: str) -> Shapes:
    """Build the model doubled along one axis, without memory where it allows that."""
    doubled = {**scale, axis: 2 * scale[axis]}
    task = arch.task_at(task, doubled)
    try:
        with torch.device("meta"):
            return shapes_of(arch.model(task.dims, doubled))
    except FAILURES:  # the factory computes with values: build it for real
        return shapes_of(_build(arch, task, doubled))


def _shapes_of_both(arch: Arch, task: Task, scale: Scale, one: str, other: str) -> Shapes:
    """Build the model doubled along two axes; where it does not allow that, tell nothing."""
    try:
        return _shapes_doubled(arch, task, {**scale, one: 2 * scale[one]}, other)
    except ParamsearchError:
        return {}


def _matters(arch: Arch, task: Task, scale: Scale, axis: str) -> bool:
    """Say whether doubling an axis that changes no tensor changes what the model computes.

    So does the number of times that a block with shared weights is applied.
    """
    losses: list[Tensor] = []
    inputs, target = (part.cpu() for part in task.batch(0))
    for size in (scale[axis], 2 * scale[axis]):
        model = _build(arch, task, {**scale, axis: size})
        with seeded(), torch.no_grad():
            output = _stage(arch, "forward", partial(model, inputs))
            losses.append(_stage(arch, "loss", partial(total_loss, task, output, target)))
    return not torch.equal(*losses)


def _train_step(arch: Arch, task: Task, model: nn.Module) -> Recording:
    """Record steps until every tensor has a gradient, a few at most; the last one counts."""
    uses: dict[str, list[Any]] = {}
    recording = None
    for step in range(_BATCHES):
        inputs, target = task.batch(step)
        inputs, target = inputs.cpu(), target.cpu()

        def forward(inputs: Tensor = inputs) -> Any:
            return _stage(arch, "forward", lambda: model(inputs))

        def loss(output: Any, target: Tensor = target) -> Tensor:
            return _stage(arch, "loss", lambda: total_loss(task, output, target))

        latest, value = run_recorded(model, inputs, forward, loss)
        _stage(arch, "backward", partial(torch.autograd.backward, value))
        recording = recording or latest
        for name, found in latest.uses.items():
            known = uses.setdefault(name, [])
            known += [use for use in found if use not in known]
        if all(p.grad is not None for p in model.parameters()):
            break
    assert recording is not None
    return Recording(recording.nodes, uses)
