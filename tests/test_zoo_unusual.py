"""Models that do unusual things: what every tensor is, seen in a run or told by something else."""

import pytest
import torch
from torch import nn
from zoo import check, described, reached, traced
from zoo_unusual import CASES, Net, numbers

from paramsearch.errors import ParamsearchError
from paramsearch.tracing.static import describe


@pytest.mark.parametrize("name", CASES)
def test_beside_a_smaller_build_every_tensor_is_what_the_table_says(name):
    check(CASES[name].table, described(CASES[name]))


@pytest.mark.parametrize("name", sorted(set(CASES) - {"chosen"}))
def test_as_an_architecture_every_tensor_is_what_the_table_says(name):
    check(CASES[name].table, traced(CASES[name]))


@pytest.mark.parametrize("name", sorted(set(CASES) - {"chosen"}))
def test_autograd_reaches_the_tensors_that_were_seen_at_work(name):
    assert reached(CASES[name]) == {t.name for t in described(CASES[name])}


def test_experts_to_which_no_token_was_sent():
    """They have roles, and no gradient."""
    assert reached(CASES["chosen"]) & {f"experts.{i}.weight" for i in range(3)} == {
        "experts.1.weight"
    }
    found = {t.name: (t.op, t.role) for t in traced(CASES["chosen"])}
    assert found["experts.1.weight"] == ("linear", "hidden")
    assert found["experts.0.weight"] == ("unused", "hidden")


def test_an_exported_model():
    def build(width):
        return torch.export.export(Net(width), (numbers(),)).module()

    found = {t.name: t.role for t in describe(build(16), build(8), inputs=numbers())}
    assert found["first.weight"] == "input" and found["readout.weight"] == "output"


def test_branches_that_torch_chooses():
    class Either(Net):
        def between(self, x):
            return torch.cond(x.sum() > 0, torch.sin, torch.cos, (x,))

    found = describe(Either(16), Either(8), inputs=numbers())
    assert [t.role for t in found] == ["input", "vector", "output", "scalar"]


class Unseen(Net):
    """A matrix of its own, used where no op is recorded."""

    def __init__(self, width):
        super().__init__(width)
        self.raw = nn.Parameter(torch.randn(width, width))

    def between(self, x):
        with torch._C._DisableTorchDispatch():
            return x @ self.raw


def test_what_nothing_tells_is_said():
    with pytest.raises(ParamsearchError, match="no op was seen to consume raw, though the loss"):
        describe(Unseen(16), Unseen(8), inputs=numbers())
