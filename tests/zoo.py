"""What a case of the zoo is, and how its table of tensors is read and checked."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from paramsearch.tasks.task import Batch, Task
from paramsearch.tracing.arch import Arch
from paramsearch.tracing.run import seeded
from paramsearch.tracing.static import describe
from paramsearch.tracing.tensor import TensorInfo
from paramsearch.tracing.trace import trace

NUMBERED = {".": r"\.", "#": r"\d+", "*": r"[\w.]*"}


@dataclass(frozen=True)
class Case:
    """A model nobody here wrote.

    Attributes:
        build: Makes it at a width.
        inputs: Makes a batch of its inputs.
        table: A line per kind of tensor: pattern, op, role. In a pattern ``#`` is a number, ``*``
            any text, and ``(q|k)`` either.
        width: The smaller of two widths; the other is its double.
    """

    build: Callable[[int], nn.Module]
    inputs: Callable[[], Any]
    table: str
    width: int = 8

    def at(self, times: int = 1) -> nn.Module:
        with seeded():
            return self.build(times * self.width)


@cache
def described(case: Case) -> tuple[TensorInfo, ...]:
    """What `apply` sees: the model beside a smaller build of it."""
    return describe(case.at(2), case.at(), inputs=case.inputs())


class Answering(nn.Module):
    """Hands the inputs of a task to a model, and gives the first tensor of what it returns."""

    def __init__(self, inner: nn.Module, inputs: Any):
        super().__init__()
        self.inner, self.inputs = inner, inputs

    def forward(self, x: Tensor) -> Tensor:
        output = run(self.inner, tree_map(lambda _: x, self.inputs))
        return next(leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor))


class Anything(Task):
    """One batch of inputs, and a loss of whatever comes out."""

    name = "anything"
    dims = {}  # noqa: RUF012

    def __init__(self, inputs: Any):
        self.inputs = tree_leaves(inputs)[0]

    def batch(self, step: int) -> Batch:
        return self.inputs, torch.zeros(len(self.inputs))

    def evaluation(self) -> Batch:
        return self.batch(0)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return output.square().mean() + 0 * target.sum()


def traced(case: Case) -> tuple[TensorInfo, ...]:
    """What a search sees: the model as an architecture, and one training step of it."""
    inputs = case.inputs()
    arch = Arch(lambda width: Answering(case.build(width), inputs), {"width": case.width})
    tensors = trace(arch, task=Anything(inputs)).tensors
    return tuple(replace(t, name=t.name.removeprefix("inner.")) for t in tensors)


def rows(table: str) -> list[tuple[re.Pattern[str], tuple[str, str]]]:
    """Read a table."""
    lines = [line.split() for line in table.splitlines() if line.strip()]
    return [(compiled(pattern), (op, role)) for pattern, op, role in lines]


def compiled(pattern: str) -> re.Pattern[str]:
    return re.compile("".join(NUMBERED.get(letter, letter) for letter in pattern))


def check(table: str, tensors: tuple[TensorInfo, ...]) -> None:
    """Assert that every tensor matches one line and is what it says; every line has a tensor."""
    read, met, wrong = rows(table), set[int](), list[str]()
    for tensor in tensors:
        found = [i for i, (pattern, _) in enumerate(read) if pattern.fullmatch(tensor.name)]
        assert len(found) == 1, f"{tensor.name} matches {len(found)} lines of the table"
        met |= set(found)
        if (tensor.op, tensor.role) != read[found[0]][1]:
            wrong.append(f"{tensor.name}: {tensor.op} {tensor.role}, not {read[found[0]][1]}")
    assert not wrong, "\n".join(wrong)
    idle = [pattern.pattern for i, (pattern, _) in enumerate(read) if i not in met]
    assert not idle, f"no tensor matches {idle}"


def run(model: nn.Module, inputs: Any) -> Any:
    if isinstance(inputs, Mapping):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, tuple) else model(inputs)


def reached(case: Case) -> set[str]:
    """Names of the tensors that autograd reaches from the outputs, walking back from each."""
    model = case.at(2).eval()
    names = {id(p): name for name, p in model.named_parameters()}
    leaves = tree_leaves(run(model, case.inputs()))
    ahead = [leaf.grad_fn for leaf in leaves if isinstance(leaf, Tensor)]
    seen, found = set[Any](), set[str]()
    while ahead:
        function = ahead.pop()
        if function is None or function in seen:
            continue
        seen.add(function)
        found |= {names[id(function.variable)]} if hasattr(function, "variable") else set()
        ahead += [before for before, _ in function.next_functions]
    return found
