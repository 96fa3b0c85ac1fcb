"""Branches in series, and positions among repeated blocks."""

import pytest
import torch
from nasty_models import Numbers
from torch import nn

from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import Arch, load_arch
from paramsearch.tracing.trace import trace

BYTES = "bytes:context=4,batch=2"


def found(name: str, **scale: int):
    arch = load_arch(name)
    task = load_task(BYTES if arch.task == "bytes" else arch.task)
    return trace(arch, task=task, scale=scale).series


@pytest.mark.parametrize(
    ("name", "scale", "tensor", "branches"),
    [
        ("gpt", {"depth": 2}, "blocks.1.mlp.up.weight", 4),
        ("resmlp", {"depth": 8}, "blocks.0.up.weight", 8),
        ("gnn", {"depth": 3}, "blocks.2.own.weight", 3),
        ("ssm", {"depth": 2}, "mixers.0.gate.weight", 2),
        # a prelude and a coda of one block, a core of two that is applied three times
        ("looped_gpt", {"depth": 2, "loops": 3}, "core.1.query.weight", 2 * (1 + 2 * 3 + 1)),
        ("mlp", {"depth": 5}, "hidden.1.weight", 0),
        ("gpt", {"depth": 2}, "readout.weight", 0),
    ],
)
def test_branches_in_series(name, scale, tensor, branches):
    assert found(name, **scale)[tensor].branches == branches


@pytest.mark.parametrize(
    ("name", "tensor", "block", "stack"),
    [
        ("gpt", "blocks.1.mlp.up.weight", 1, "blocks.*"),
        ("gpt", "norm.weight", None, ""),
        ("mlp", "hidden.0.weight", 0, "hidden.*"),
        ("ssm", "norms.1.weight", 1, "norms.*"),
        ("looped_gpt", "coda.0.up.weight", 0, "coda.*"),
    ],
)
def test_blocks(name, tensor, block, stack):
    series = found(name)[tensor]
    assert (series.block, series.stack) == (block, stack)


class Branches(nn.Module):
    """Blocks whose two branches stand in one of several ways."""

    def __init__(self, inputs: int, outputs: int, width: int, way: str):
        super().__init__()
        self.way = way
        self.enter, self.norm = nn.Linear(inputs, width), nn.LayerNorm(width)
        self.blocks = nn.ModuleList(
            nn.ModuleDict({"f": nn.Linear(width, width), "g": nn.Linear(width, width)})
            for _ in range(2)
        )
        self.readout = nn.Linear(width, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.enter(x)
        for block in self.blocks:
            f, g = block["f"], block["g"]
            match self.way:
                case "series":
                    x = x + f(x)
                    x = x + g(x)
                case "stream first":
                    x = (x + f(x)) + g(x)
                case "branches first":
                    x = (f(x) + g(x)) + x
                case "norm between":
                    x = self.norm(x + f(x))
                    x = self.norm(x + g(x))
                case _:
                    h = f(x)
                    x = x + (h + g(h).tanh())
        return self.readout(x)


@pytest.mark.parametrize(
    ("way", "f", "g"),
    [
        ("series", 4, 4),
        ("stream first", 2, 2),
        ("branches first", 2, 2),
        ("norm between", 4, 4),
        ("nested", 2, 1),
    ],
)
def test_ways_of_two_branches(way, f, g):
    arch = Arch(Branches, {"width": 8}, options={"way": way})
    series = trace(arch, task=Numbers()).series
    assert [series[f"blocks.{i}.f.weight"].branches for i in (0, 1)] == [f, f]
    assert [series[f"blocks.{i}.g.weight"].branches for i in (0, 1)] == [g, g]


def test_parallel_branches_are_residual_whatever_is_added_first():
    for way in ("stream first", "branches first"):
        tensors = trace(Arch(Branches, {"width": 8}, options={"way": way}), task=Numbers()).tensors
        residual = {t.name for t in tensors if t.residual}
        assert residual == {t.name for t in tensors if t.name.startswith("blocks")}


class Experts(nn.Module):
    """Blocks of numbered experts, which are beside each other."""

    def __init__(self, inputs: int, outputs: int, width: int, depth: int):
        super().__init__()
        self.enter, self.readout = nn.Linear(inputs, width), nn.Linear(width, outputs)
        self.blocks = nn.ModuleList(
            nn.ModuleList(nn.Linear(width, width) for _ in range(3)) for _ in range(depth)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.enter(x)
        for block in self.blocks:
            x = x + torch.stack([expert(x).tanh() for expert in block]).sum(0)
        return self.readout(x)


@pytest.mark.parametrize("depth", [1, 2])
def test_experts_are_no_blocks(depth):
    traced = trace(Arch(Experts, {"width": 8, "depth": depth}), task=Numbers())
    series = traced.series[f"blocks.{depth - 1}.2.weight"]
    assert (series.branches, series.block, series.stack) == (depth, depth - 1, "blocks.*")
    assert len(traced.groups("module")["blocks"]) == 3 * depth
