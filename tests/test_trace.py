import io
import json
from functools import cache
from itertools import pairwise

import pytest
import torch
from nasty_cases import CASES
from nasty_models import Numbers, Raw, Recurrent, TiedReadout, Transformer
from rich.console import Console
from torch import nn

from paramsearch.cli.trace_table import render_trace
from paramsearch.errors import ParamsearchError
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import Arch
from paramsearch.tracing.trace import Trace, trace


@cache
def nasty(model: type[nn.Module]) -> Trace:
    task, axes = next((task, axes) for kind, task, axes, _ in CASES if kind is model)
    return trace(Arch(model, axes), task=task())


@pytest.mark.parametrize(("model", "expected"), [(m, e) for m, _, _, e in CASES])
def test_op_role_and_fans(model, expected):
    found = {t.name: (t.op, t.role, t.fan_in, t.fan_out) for t in nasty(model).tensors}
    assert found == expected


@pytest.mark.parametrize(
    ("name", "task", "roles"),
    [
        ("mlp", "digits", "input vector hidden vector output scalar"),
        ("mlp", "next_byte", "input hidden vector output scalar"),
        (
            "resmlp",
            "teacher",
            "input vector" + " vector vector hidden vector hidden vector" * 4
            + " vector vector output scalar",
        ),
    ],
)  # fmt: skip
def test_shipped_architectures(name, task, roles):
    assert [t.role for t in trace(name, task=load_task(task)).tensors] == roles.split()


def test_growth_by_axis():
    growth = {t.name: t.growth for t in nasty(Raw).tensors}
    assert growth["split"] == {"width": (0, 0, 1), "heads": (0, 1, 0)}
    assert growth["each"] == {"width": (0, 1, 1), "heads": (1, 0, 0)}


class Product(nn.Linear):
    """A hidden size that is the product of two axes, and one that is a square."""

    def __init__(self, inputs: int, outputs: int, width: int, heads: int):
        super().__init__(inputs, width * heads)
        self.readout = nn.Linear(width * heads, outputs)
        self.square = nn.Parameter(torch.zeros(width**2 + heads - heads))

    def forward(self, x):
        return self.readout(super().forward(x)) + self.square.sum()


def test_powers_of_products():
    found = trace(Arch(Product, {"width": 8, "heads": 2}), task=Numbers())
    growth = {t.name: t.growth for t in found.tensors}
    assert growth["weight"] == {"width": (1, 0), "heads": (1, 0)}
    assert growth["square"] == {"width": (2,), "heads": (0,)}


def test_residual_branches():
    expected = {t.name for t in nasty(Transformer).tensors if t.name.startswith("blocks")}
    assert {t.name for t in nasty(Transformer).tensors if t.residual} == expected
    assert not any(t.residual for t in nasty(Recurrent).tensors)


def test_unused_and_tied():
    assert nasty(Raw).unused == ("forgotten",)
    assert nasty(Raw).groups()["unused"][0].name == "forgotten"
    assert nasty(TiedReadout).tensors[0].tied == ("embed.weight",)


def test_graph_of_a_block():
    graph = nasty(Transformer).graph
    path = ["position", "blocks.0.norm1.gain", "blocks.0.qkv.weight", "blocks.0.out.weight"]
    path += ["blocks.0.scale", "add:1"]
    assert all(graph.has_edge(a, b) for a, b in pairwise(path))
    assert graph.has_edge("position", "add:1")
    assert graph.nodes["add:1"]["kind"] == "add"
    assert graph.nodes["blocks.0.qkv.weight"]["module"] == "blocks.0.qkv"
    assert "nasty_models.py:" in graph.nodes["blocks.0.qkv.weight"]["source"]


def test_edges_grow_linearly_with_depth():
    def edges(depth):
        return trace("resmlp", scale={"depth": depth}).graph.number_of_edges()

    assert edges(6) - edges(4) == edges(4) - edges(2)


def test_generator_and_model_are_left_alone():
    before = torch.get_rng_state()
    first, second = trace("mlp"), trace("mlp")
    assert torch.equal(torch.get_rng_state(), before)
    assert first.tensors == second.tensors


def test_json():
    data = json.loads(json.dumps(trace("mlp").to_json()))
    keys = {"name", "shape", "op", "role", "fan_in", "fan_out", "axes", "group", "stack"}
    assert keys <= set(data["tensors"][0])
    assert data["tensors"][0]["roles"] == {"width": "input"}
    assert [(t["branches"], t["block"]) for t in data["tensors"][:3]] == [
        (0, None),
        (0, None),
        (0, 0),
    ]
    assert data["modules"]["hidden.bias"] == ["hidden.0.bias"]
    assert data["tensors"][0]["axes"] == {"width": [1.0, 0.0]}


def test_table_shows_tensors_groups_and_repeats():
    console = Console(width=140, file=io.StringIO(), record=True)
    console.print(render_trace(trace("resmlp")))
    text = console.export_text()
    assert "blocks.0-3.down.weight" in text
    assert "30 tensors in 8 groups" in text and "vector.norm.residual" in text
    assert "+ blocks.0.norm.weight,bias → blocks.0.up" in text and "(x 4)" in text
    assert "blocks.*: 4 blocks, 4 residual branches in series" in text


def test_table_shows_modules_tensors_and_what_is_open():
    console = Console(width=140, file=io.StringIO(), record=True)
    console.print(render_trace(trace("resmlp"), "module"))
    console.print(render_trace(trace("resmlp"), "tensor"))
    console.print(render_trace(nasty(Raw)))
    text = console.export_text()
    assert "30 tensors in 12 groups" in text and "30 tensors in 30 groups" in text
    assert "blocks.2.down.weight" in text and "up.bias" in text
    assert "not decided" in text and "forgotten: no gradient was seen" in text


class Broken(nn.Linear):
    def __init__(self, inputs: int, outputs: int, width: int, at: str = "forward"):
        if width > 64:
            raise RuntimeError("too\nwide")
        super().__init__(inputs, outputs)
        self.at, self.width = at, width

    def forward(self, x):
        if self.at == "forward":
            raise KeyError("lost")
        return None if self.at == "loss" else super().forward(x).detach()


@pytest.mark.parametrize(
    ("at", "width", "message"),
    [
        ("forward", 8, "architecture 'bad' fails at forward: KeyError: 'lost'"),
        ("loss", 8, "architecture 'bad' fails at loss: the model's forward must return a tensor"),
        ("backward", 8, "architecture 'bad' fails at backward: RuntimeError: element 0"),
        ("forward", 64, "architecture 'bad' fails at build at width=128: RuntimeError: too wide"),
    ],
)
def test_failures_name_the_stage(at, width, message):
    arch = Arch(lambda **dims: Broken(**dims, at=at), {"width": width}, name="bad")
    with pytest.raises(ParamsearchError, match=message):
        trace(arch, task=Numbers())


def test_axis_must_scale_something():
    def build(inputs: int, outputs: int, width: int, idle: int):
        return nn.Linear(inputs, outputs)

    arch = Arch(build, {"width": 8, "idle": 3}, name="flat")
    assert trace(arch, task=Numbers()).tensors[0].role == "scalar"
    with pytest.raises(ParamsearchError, match="axis 'idle' of architecture 'flat' scales nothing"):
        trace(arch, axis="idle", task=Numbers())
    with pytest.raises(ParamsearchError, match="unknown axis of 'flat' 'heads'"):
        trace(arch, axis="heads", task=Numbers())


def test_depth_scales_the_set_of_tensors():
    assert trace("mlp", axis="depth").tensors == trace("mlp").tensors


def test_build_must_return_a_module():
    with pytest.raises(ParamsearchError, match=r"must return a torch\.nn\.Module; received 3"):
        trace(Arch(lambda **_: 3, {"width": 8}), task=Numbers())
