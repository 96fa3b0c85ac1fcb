from dataclasses import replace

import networkx as nx
import pytest
from nasty_models import ConvNet, Numbers, Transformer, Words
from torch import nn

from paramsearch.errors import ParamsearchError
from paramsearch.rules.matching import separating_matches
from paramsearch.tracing.arch import Arch
from paramsearch.tracing.groups import module_groups
from paramsearch.tracing.names import patterns, telling
from paramsearch.tracing.trace import trace

TRANSFORMER = Arch(Transformer, {"width": 8, "heads": 2, "depth": 2}, name="transformer")


def members(groups):
    """Map each tensor, its block number removed, to its group."""
    return {".".join(p for p in t.name.split(".") if not p.isdigit()): name
            for name, tensors in groups.items() for t in tensors}  # fmt: skip


def test_role_groups():
    found = members(trace("mlp").groups())
    assert set(found.values()) == {"input", "hidden", "output", "vector", "scalar"}
    found = members(trace(Arch(ConvNet, {"width": 8}), task=Numbers()).groups())
    assert found["stem.bias"] == "vector.conv"
    assert found["norm.bias"] == "vector.norm"
    assert found["up.weight"] == "hidden"


def test_residual_vectors_stand_apart():
    found = members(trace("resmlp").groups())
    assert found["blocks.up.weight"] == "hidden"
    assert found["blocks.up.bias"] == "vector.linear.residual"
    assert found["input.bias"] == "vector.linear"


def test_modules_split_what_a_block_holds():
    found = members(trace(TRANSFORMER, task=Words()).groups("module"))
    assert found == {
        "position": "position",
        "embed.weight": "embed",
        "blocks.scale": "blocks.scale",
        "blocks.norm1.gain": "norm1.gain",
        "blocks.norm2.gain": "norm2.gain",
        "blocks.qkv.weight": "qkv",
        "blocks.out.weight": "out",
        "blocks.gate_up.weight": "gate_up",
        "blocks.down.weight": "down",
        "norm.weight": "norm",
        "norm.bias": "norm.bias",
        "readout.weight": "readout",
        "readout.bias": "readout.bias",
    }


def test_a_tensor_is_a_group_of_its_own():
    found = trace("resmlp")
    assert found.groups("tensor").keys() == {tensor.name for tensor in found.tensors}
    assert all([t.name for t in ts] == [name] for name, ts in found.groups("tensor").items())


class Stack(nn.Module):
    """Layers that only numbers tell apart: two in each block, and a head of three."""

    def __init__(self, inputs: int, outputs: int, width: int, depth: int):
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
            for _ in range(depth)
        )
        sizes = [(inputs, width), (width, width), (width, outputs)]
        self.net = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in sizes)

    def forward(self, x):
        x = self.net[0](x)
        for block in self.blocks:
            x = x + block(x)
        return self.net[2](self.net[1](x).relu())


STACK = Arch(Stack, {"width": 8, "depth": 2})
NAMES = ["blocks.0", "blocks.0.bias", "blocks.2", "blocks.2.bias"]


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_numbers_that_count_no_blocks_stay_in_names(depth):
    found = trace(STACK, task=Numbers(), scale={"depth": depth}).groups("module")
    assert list(found) == [*NAMES, "net.input", "net.hidden", "net.output"]
    matches = separating_matches(found)
    assert [match.name for match in matches["blocks.2"]] == ["blocks.*.2.weight"]
    assert [match.name for match in matches["blocks.2.bias"]] == ["blocks.*.2.bias"]
    assert [(m.role, m.residual, m.name) for m in matches["net.hidden"]] == [
        ("hidden", False, None)
    ]


def test_roles_tell_apart_what_names_do_not():
    tensors = trace(STACK, task=Numbers()).tensors
    net = [replace(t, residual=True) for t in tensors if t.name.startswith("net")]
    groups = {"a": [net[1]], "b": [net[2], replace(net[2], name="net.7.weight")],
              "c": [replace(net[2], name="head.weight")]}  # fmt: skip
    found = separating_matches(groups)["b"]
    assert [(match.role, match.name) for match in found] == [("output", "net.*.weight")]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["wte.weight", "head.weight"], ["wte", "head"]),
        (["m.wte.weight", "m.h.0.fc.weight", "lm.weight"], ["wte", "fc", "lm"]),
        (["a.h.0.q.weight", "b.h.0.q.weight"], ["a.q", "b.q"]),
        (["h.0.norm.weight", "norm.weight"], ["h.norm", "norm"]),
        (["h.0.scale", "h.0.q.bias"], ["h.scale", "q.bias"]),
    ],
)
def test_names_that_a_person_would_choose(names, expected):
    assert list(module_groups(dict.fromkeys(names, "hidden"), nx.DiGraph()).values()) == expected


def test_query_and_key_are_apart_though_their_place_is_the_same():
    roles = {"h.0.q.weight": "hidden", "h.1.q.weight": "hidden", "h.0.k.weight": "hidden"}
    assert list(module_groups(roles, nx.DiGraph()).values()) == ["q", "q", "k"]


def test_no_number_that_varies_can_tell():
    assert telling([("0",), ("1",)], [("2",)]) is None
    assert patterns(["net.0.w", "net.2.w"], ["net.4.w"]) is None
    assert patterns(["a[0].w"], []) == ("a[[]0].w",)


def test_unknown_grouping():
    with pytest.raises(ParamsearchError, match="unknown grouping 'roles'; did you mean 'role'"):
        trace("mlp").groups("roles")
