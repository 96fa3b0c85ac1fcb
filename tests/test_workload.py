"""Workloads of models that need care under ``vmap``."""

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from paramsearch.errors import ParamsearchError
from paramsearch.rules.rule import Rule
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import Arch
from paramsearch.train import workload as workloads
from paramsearch.train.engine import train
from paramsearch.train.population import Member, Stacker
from paramsearch.train.recipe import Execution, Recipe
from paramsearch.train.workload import prepare

MEMBERS = [Member(0, 1e-2, seed) for seed in range(3)]


class Model(nn.Module):
    """Input, something in the middle, readout."""

    def __init__(self, middle, inputs, outputs, width):
        super().__init__()
        self.input, self.readout = nn.Linear(inputs, width), nn.Linear(width, outputs)
        self.middle = middle(width)

    def forward(self, x):
        return self.readout(self.middle(self.input(x)))


class Attention(nn.Module):
    """Attention of 4 positions by torch's own function, whose CPU kernel vmap cannot batch."""

    def __init__(self, width):
        super().__init__()
        self.project = nn.Linear(width // 4, 3 * (width // 4))

    def forward(self, x):
        q, k, v = self.project(x.unflatten(-1, (4, -1))).chunk(3, dim=-1)
        mixed = functional.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])
        return mixed.flatten(1)


class Auxiliary(Model):
    """Gives a second loss."""

    def forward(self, x):
        h = self.middle(self.input(x))
        return self.readout(h), 0.5 * h.square().mean()


def arch(middle, kind=Model):
    def build(inputs, outputs, width):
        return kind(middle, inputs, outputs, width)

    return Arch(build, {"width": 16}, name="mine")


MIDDLES = {
    "attention": Attention,
    "batch norm": nn.BatchNorm1d,
    "dropout": lambda _: nn.Dropout(0.9),
    "group norm": lambda width: nn.Sequential(nn.Linear(width, width), nn.GroupNorm(2, width)),
}


@pytest.mark.parametrize("middle", MIDDLES)
def test_members_run_side_by_side_and_as_if_alone(middle):
    task = load_task("digits")
    work = prepare(arch(MIDDLES[middle]), task, {"width": 32}, dtype=torch.float64)
    assert work.backend.name == "stacked"  # warnings of slow paths are errors here
    found = train(work, [Rule.load("sp")], MEMBERS, Recipe("adam", 3))
    stack = Stacker(work, [Rule.load("sp")], 0.0, 1e-8).stack(MEMBERS)
    inputs, targets = work.batch(0)
    for index in range(len(MEMBERS)):
        alone = {name: value[index] for name, value in stack.params.items()}
        expected = task.loss(functional_call(work.model, alone, (inputs,)), targets)
        torch.testing.assert_close(found.losses[index, 0], expected, rtol=1e-9, atol=1e-12)


def test_batch_norm_uses_the_statistics_of_the_batch():
    work = prepare(arch(nn.BatchNorm1d), load_task("digits"), {"width": 32})
    hidden = work.model.middle(5 * torch.randn(64, 32, generator=torch.Generator()) + 3)
    assert hidden.mean().abs() < 1e-5 and (hidden.std() - 1).abs() < 0.05


def test_dropout_is_off():
    work = prepare(arch(lambda _: nn.Dropout(0.9)), load_task("digits"), {"width": 32})
    assert not work.model.middle.training


def test_an_auxiliary_loss_counts():
    task = load_task("digits")
    plain = prepare(arch(lambda _: nn.Identity()), task, {"width": 32}).loss
    auxiliary = prepare(arch(lambda _: nn.Identity(), Auxiliary), task, {"width": 32})
    params, batch = dict(auxiliary.model.named_parameters()), auxiliary.batch(0)
    extra = 0.5 * auxiliary.model.input(batch[0]).square().mean()
    torch.testing.assert_close(auxiliary.loss(params, batch), plain(params, batch) + extra)


def test_a_model_that_leaves_torch_trains_in_a_loop():
    class Leaves(nn.Module):
        def forward(self, x):
            return x + float(x.detach().numpy().mean())

    work = prepare(arch(lambda _: Leaves()), load_task("digits"), {"width": 32})
    assert work.backend.name == "loop"
    assert train(work, [Rule.load("sp")], MEMBERS, Recipe("adam", 2)).final.isfinite().all()


def test_a_model_that_fails_in_any_case_says_so():
    class Counting(nn.Module):
        """Fails when it has run as often as ``left`` says."""

        left = 10**6

        def forward(self, x):
            Counting.left -= 1
            assert Counting.left >= 0, "no more"
            return x

    counting, task = arch(lambda _: Counting()), load_task("digits")
    before = Counting.left
    prepare(counting, task, {"width": 32})
    Counting.left = before - Counting.left - 1  # one forward short of the last, which trains
    with pytest.raises(ParamsearchError, match="'mine' cannot be trained; its step fails with: no"):
        prepare(counting, task, {"width": 32})


@pytest.mark.parametrize(("room", "drawn"), [(2**20, 4), (0, 12)])
def test_batches_are_drawn_once_for_all_chunks_where_they_fit(room, drawn, monkeypatch):
    task, steps = load_task("digits"), []
    draw = type(task).batch
    monkeypatch.setattr(workloads, "KEPT_BYTES", room)
    monkeypatch.setattr(
        type(task), "batch", lambda self, step: steps.append(step) or draw(self, step)
    )
    ready = prepare(Arch(build=Plain, axes={"width": 4}), task, {})
    steps.clear()
    chunked = Execution(compile=False, chunk=1)
    train(ready, [Rule.load("sp")], MEMBERS, Recipe("sgd", 5), execution=chunked)
    later = [step for step in steps if step]  # the first is needed before
    assert len(later) == drawn and set(later) == {1, 2, 3, 4}


class Plain(nn.Linear):
    """One layer."""

    def __init__(self, inputs, outputs, width):
        super().__init__(inputs, outputs)
        self.width = width
