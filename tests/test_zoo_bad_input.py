"""Models that cannot be traced as they are: one clear sentence each."""

import re
from pathlib import Path

import pytest
import torch
from nasty_models import Numbers
from torch import nn
from zoo_unusual import Hidden, Net, numbers

from paramsearch.errors import ParamsearchError
from paramsearch.rules.plug import apply
from paramsearch.rules.rule import Rule
from paramsearch.tracing.arch import Arch
from paramsearch.tracing.static import describe
from paramsearch.tracing.trace import trace
from paramsearch.train.recipe import Engine
from paramsearch.train.workload import prepare


def line(text):
    """The number of a line of this file."""
    lines = Path(__file__).read_text().splitlines()
    return lines.index(f"        {text}") + 1


def traced(build, **axes):
    return trace(Arch(build, axes, name="mine"), task=Numbers())


class Mlp(nn.Module):
    def __init__(self, inputs, outputs, width, hidden=None):
        super().__init__()
        self.up = nn.Linear(inputs, max(width, hidden or 0))
        self.down = nn.Linear(max(width, hidden or 0), outputs)

    def forward(self, x):
        return self.down(self.up(x).relu())


def test_a_factory_that_ignores_the_axis():
    def build(inputs, outputs, width):
        return Mlp(inputs, outputs, 8)

    with pytest.raises(ParamsearchError, match=r"'width' of .* 'mine' scales nothing: doubling"):
        trace(Arch(build, {"width": 8}, name="mine"), axis="width", task=Numbers())


def test_two_axes_that_set_one_size():
    with pytest.raises(
        ParamsearchError,
        match=r"axes 'width' and 'hidden' both set dimension 0 of 'up\.weight': 8 becomes 16 by "
        r"doubling 'width', 16 by 'hidden' and 16 by both; let each axis set sizes of its own",
    ):
        traced(Mlp, width=8, hidden=8)


def test_two_axes_that_multiply_one_size():
    """Heads of a size: no doubt about them."""

    def build(inputs, outputs, heads, size):
        return Mlp(inputs, outputs, heads * size)

    assert traced(build, heads=2, size=4).tensors[0].growth == {"heads": (1, 0), "size": (1, 0)}


class Asking(Mlp):
    """Asks for values of tensors, which populations trained side by side cannot give."""

    def __init__(self, inputs, outputs, width, how):
        super().__init__(inputs, outputs, width)
        self.how = how

    def forward(self, x):
        h = self.up(x)
        largest = h.abs().max().item() if self.how == "item" else 1
        return self.down(h / largest if largest > 1 or h.mean() > 0 else -h)


ASKED = {
    "item": 'largest = h.abs().max().item() if self.how == "item" else 1',
    "if": "return self.down(h / largest if largest > 1 or h.mean() > 0 else -h)",
}


@pytest.mark.parametrize("how", ASKED)
def test_data_dependent_control_flow_names_the_line(how):
    arch = Arch(lambda **dims: Asking(**dims, how=how), {"width": 8}, name="mine")
    where = f"(at tests/test_zoo_bad_input.py:{line(ASKED[how])})"
    work = prepare(arch, Numbers(), {})
    assert work.backend.name == "loop" and work.backend.reason.endswith(where)
    with pytest.raises(ParamsearchError, match=re.escape(f"{where}; choose backend loop")):
        prepare(arch, Numbers(), {}, engine=Engine(backend="stacked"))


def test_data_dependent_control_flow_is_traced():
    found = traced(lambda **dims: Asking(**dims, how="if"), width=8)
    assert [t.role for t in found.tensors] == ["input", "vector", "output", "scalar"]


class Failing(Mlp):
    def forward(self, x):
        return self.down(x.neg())


@pytest.mark.parametrize("look", [
    lambda: traced(Failing, width=8),
    lambda: describe(Failing(6, 5, 16), Failing(6, 5, 8), inputs=torch.zeros(2, 6)),
])  # fmt: skip
def test_a_forward_that_fails_names_the_line(look):
    where = line("return self.down(x.neg())")
    with pytest.raises(ParamsearchError, match=rf"fails .*mat1 .*test_zoo_bad_input\.py:{where}\)"):
        look()


class Buffered(nn.Module):
    """Its weights are buffers by mistake."""

    def __init__(self, inputs, outputs, width):
        super().__init__()
        self.register_buffer("up", torch.randn(inputs, width))
        self.register_buffer("down", torch.randn(width, outputs))

    def forward(self, x):
        return x @ self.up @ self.down


def test_buffers_mistaken_for_parameters():
    with pytest.raises(
        ParamsearchError, match=r"nothing to train: it holds buffers \('up', 'down'\), which are"
    ):
        traced(Buffered, width=8)


def test_parameters_that_are_frozen():
    with pytest.raises(ParamsearchError, match=r"parameters that ask for no gradient \('up\.wei"):
        traced(lambda **dims: Mlp(**dims).requires_grad_(False), width=8)


class Extra(Mlp):
    def __init__(self, inputs, outputs, width):
        super().__init__(inputs, outputs, width)
        self.spare = nn.Linear(width, width)


def test_unused_parameters_are_told():
    found = traced(Extra, width=8)
    assert found.unused == ("spare.weight", "spare.bias")
    assert [t.role for t in found.tensors if t.op == "unused"] == ["hidden", "vector"]
    assert any("spare.weight, spare.bias: no gradient was seen" in s for s in found.undecided)


def test_what_was_not_seen_is_told():
    found = trace(Arch(lambda width, **_: Hidden(width), {"width": 8}), task=Positions())
    told = "inner.*.weight, inner.*.bias: no op was seen to use it, so the type of its module"
    assert any(sentence.startswith(told) for sentence in found.undecided)


class Positions(Numbers):
    def batch(self, step):
        return numbers(), torch.zeros(2, dtype=torch.int64)


@pytest.mark.parametrize(
    ("model", "base", "message"),
    [
        (Net(16), Mlp(6, 5, 8), r"'first\.weight' with shape \(16, 6\) has no counterpart in the "
                                r"base model, and 3 others too; base must be a smaller build of"),
        (nn.Linear(6, 8), nn.Conv1d(6, 8, 1), r"'weight' with shape \(8, 6\) .* its shape is \(8"),
        (Mlp(6, 5, 16), Extra(6, 5, 8), r"'spare\.weight' of the base model is not in the model"),
    ],
)  # fmt: skip
def test_a_base_of_another_architecture(model, base, message):
    with pytest.raises(ParamsearchError, match=message):
        describe(model, base)


def test_a_rule_that_names_a_buffer(tmp_path):
    group = 'groups:\n  - match: {name: "*running_mean"}\n    lr: {width: -1}\n'
    path = tmp_path / "rule.yaml"
    path.write_text("paramsearch: 1\nname: odd\noptimizer: adam\naxes: [width]\n" + group)

    def build(width):
        return nn.Sequential(nn.Linear(6, width), nn.BatchNorm1d(width), nn.Linear(width, 5))

    with pytest.raises(
        ParamsearchError,
        match=r"received '\*running_mean', which matches only buffer '1\.running_mean', which is",
    ):
        apply(Rule.load(str(path)), build(16), base=build(8), lr=0.1)
