"""A rule laid over an architecture: what every tensor starts at and by what it is scaled."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from paramsearch.errors import ParamsearchError
from paramsearch.rules.degrees import degrees
from paramsearch.rules.draws import InitLaw, base_builds, base_init
from paramsearch.rules.gauge import Exponents, shift, tidy
from paramsearch.rules.group import Group
from paramsearch.rules.resolve import resolve
from paramsearch.rules.rule import Rule
from paramsearch.tasks.catalog import load_task
from paramsearch.tasks.task import Task
from paramsearch.tracing.arch import Arch
from paramsearch.tracing.tensor import TensorInfo
from paramsearch.tracing.trace import trace

_NOISE = 5.0  # standard errors by which measured standard deviations of one law may differ


@dataclass(frozen=True, slots=True)
class Row:
    """Tensors that start alike and are scaled alike.

    Attributes:
        pattern: Their names; ``*`` is the number of a block.
        label: Name of the tensors that share these exponents.
        law: How they start at the base.
        shape: At the base.
        growth: Axis -> power with which each dimension grows.
        exponents: Quantity -> axis -> exponent, without multipliers; zeros are left out.
    """

    pattern: str
    label: str
    law: InitLaw
    shape: tuple[int, ...]
    growth: Mapping[str, tuple[float, ...]]
    exponents: Exponents

    @property
    def alike(self) -> tuple[object, ...]:
        """Give what tensors of one row have in common, beside their law."""
        return self.label, self.shape, dict(self.growth)


@dataclass(frozen=True, slots=True)
class Layout:
    """A rule on an architecture, in the gauge without multipliers.

    Attributes:
        rule: The rule, as it was written.
        arch: Name of the architecture.
        base: Axis -> size of the base, for the axes along which exponents are given.
        rows: One per pattern of names, in the order of the tensors.
        tensors: As traced at the base.
    """

    rule: Rule
    arch: str
    base: Mapping[str, int]
    rows: tuple[Row, ...]
    tensors: tuple[TensorInfo, ...]

    @property
    def settings(self) -> tuple[str, ...]:
        """Give what a group of parameters is told: learning rate, decay, and epsilon if any."""
        known = ("lr", "weight_decay", "eps")
        return known if degrees(self.rule.optimizer).eps else known[:2]


def lay(rule: Rule, arch: Arch, axis: str | None = None, task: Task | None = None) -> Layout:
    """Lay a rule over an architecture: trace it at its base and measure how it starts there.

    Args:
        rule: In any gauge.
        arch: The architecture.
        axis: The one axis to speak of; all axes of the rule if left out.
        task: Gives the model's inputs and outputs; by default the architecture's own.

    Returns:
        The layout.

    Raises:
        ParamsearchError: The architecture lacks an axis of the rule, or has tensors that the rule
            does not match.

    Example:
        >>> from paramsearch.tracing.arch import load_arch
        >>> for row in lay(Rule.load("mup"), load_arch("mlp")).rows[2:5]:
        ...     print(row.pattern, row.label, row.exponents)
        hidden.*.weight hidden {'init': {'width': -0.5}, 'lr': {'width': -1.0}}
        hidden.*.bias vector {}
        readout.weight output {'init': {'width': -1.0}, 'lr': {'width': -1.0}}
    """
    axes = _axes(rule, arch, axis)
    for each in axes:
        arch = arch.along(each)
    task = task or load_task(arch.task)
    tensors = trace(arch, task=task).tensors
    builds = base_builds(lambda: arch.model(task.dims))
    laws = base_init(builds)
    exponents = bare_exponents(rule, tensors, axes)
    labels = _labels(tensors, exponents)
    rows = [
        Row(
            pattern=tensor.name,
            label=labels[tensor.name],
            law=laws[tensor.name],
            shape=tensor.shape,
            growth={a: tensor.growth[a] for a in axes if any(tensor.growth.get(a, ()))},
            exponents=exponents[tensor.name],
        )
        for tensor in tensors
    ]
    base = {each: arch.axes[each] for each in axes}
    return Layout(rule, arch.name, base, tuple(_merged(rows, len(builds))), tensors)


def bare_exponents(
    rule: Rule, tensors: Sequence[TensorInfo], axes: Sequence[str]
) -> dict[str, Exponents]:
    """Give every tensor's exponents in the gauge without multipliers.

    Multipliers, also those of sites that fold onto a tensor, go into its init, learning rate,
    decay and eps.

    Args:
        rule: In any gauge.
        tensors: Each must be matched.
        axes: Of the rule; its others stay at the base.

    Returns:
        Tensor name -> quantity -> axis -> exponent; zeros are left out.

    Raises:
        ParamsearchError: Tensors that the rule does not match, or a multiplier of a site that no
            tensor can take.

    Example:
        >>> weight = TensorInfo("w", (8, 8), "linear", "hidden", 8, 8, {}, False, "hidden")
        >>> bare_exponents(Rule.load("ntk", "sgd"), [weight], ["width"])["w"]["lr"]
        {'width': -0.5}
    """
    resolve(rule, tensors, dict.fromkeys(rule.axes, 1.0))  # refuses what does not fit
    known = degrees(rule.optimizer)

    def bare(group: Group) -> Exponents:
        t = {axis: -group.exponent("multiplier", axis) for axis in axes}
        moved = shift(group.exponents(), t, known).items()
        kept = {q: {a: by_axis[a] for a in axes if tidy(by_axis.get(a, 0))} for q, by_axis in moved}
        return {quantity: by_axis for quantity, by_axis in kept.items() if by_axis}

    groups = {tensor.name: rule.effective(tensor) for tensor in tensors}
    return {name: bare(group) for name, group in groups.items() if group is not None}


def _axes(rule: Rule, arch: Arch, axis: str | None) -> tuple[str, ...]:
    if axis is not None and axis not in rule.axes:
        raise ParamsearchError(
            f"rule '{rule.name}' says nothing about axis '{axis}'; it has {', '.join(rule.axes)}"
        )
    axes = rule.axes if axis is None else (axis,)
    missing = [each for each in axes if each not in arch.sizes]
    if missing:
        raise ParamsearchError(
            f"architecture '{arch.name}' has no axis '{missing[0]}', of which rule '{rule.name}' "
            f"speaks; it has {', '.join(arch.sizes)}"
        )
    return axes


def _labels(tensors: Sequence[TensorInfo], exponents: Mapping[str, Exponents]) -> dict[str, str]:
    """Name what shares a group and exponents: ``hidden``, and ``hidden.2`` where they differ."""
    seen: dict[str, list[Exponents]] = {}
    labels: dict[str, str] = {}
    for tensor in tensors:
        kinds = seen.setdefault(tensor.group, [])
        if exponents[tensor.name] not in kinds:
            kinds.append(exponents[tensor.name])
        number = kinds.index(exponents[tensor.name]) + 1
        labels[tensor.name] = tensor.group if number == 1 else f"{tensor.group}.{number}"
    return labels


def _merged(rows: Sequence[Row], builds: int, kept: int = 0) -> list[Row]:
    """Put blocks together: numbers in names become ``*``, as far to the left as they may.

    Args:
        rows: One per tensor.
        builds: Models over which their laws were measured.
        kept: How many numbers of a name, from the left, stay numbers.
    """
    together: dict[str, list[Row]] = {}
    for row in rows:
        together.setdefault(_pattern(row.pattern, kept), []).append(row)
    merged: list[Row] = []
    for pattern, some in together.items():
        law = _pooled(some, builds)
        if law is not None:
            merged.append(replace(some[0], pattern=pattern, law=law))
        else:
            merged += _merged(some, builds, kept + 1)
    return merged


def _pattern(name: str, kept: int) -> str:
    parts = name.split(".")
    numbers = [place for place, part in enumerate(parts) if part.isdecimal()]
    for place in numbers[kept:]:
        parts[place] = "*"
    return ".".join(parts)


def _pooled(rows: Sequence[Row], builds: int) -> InitLaw | None:
    """Give the common law of rows that are alike, None where they are not."""
    first = rows[0]
    if any(row.alike != first.alike for row in rows):
        return None
    if len({(row.law.mean, row.law.std == 0) for row in rows}) > 1:
        return None
    std = math.sqrt(sum(row.law.std**2 for row in rows) / len(rows))
    noise = _NOISE / math.sqrt(2 * builds * math.prod(first.shape))
    if std and any(abs(row.law.std / std - 1) > noise for row in rows):
        return None
    return InitLaw(first.law.mean, std)
