"""A step never looks at a value, for which a GPU would have to wait: it runs on no values at all.

Tensors on the meta device have a shape and nothing else; whatever asks one for a number, copies it
to the host, or picks elements by their values fails.
"""

import dataclasses

import pytest
import torch

from paramsearch.catalog import names
from paramsearch.probes.update_share import UpdateShare
from paramsearch.rules.neutral import neutral
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import load_arch
from paramsearch.train.optimizers.table import OPTIMIZERS, optimizer_entry
from paramsearch.train.population import Member, Stacker
from paramsearch.train.probe import Moment
from paramsearch.train.step import Step
from paramsearch.train.workload import prepare


def step_without_values(arch_name, optimizer, clip=None, probes=()):
    """Make two steps of two members on the meta device."""
    arch = load_arch(arch_name)
    here, meta = prepare(arch, load_task(arch.task), {}), torch.device("meta")
    there = dataclasses.replace(here, model=here.model.to(meta), device=meta, kept={})
    stacker = Stacker(there, [neutral(optimizer, ["width"])], 0.1, 1e-8)
    step = Step(there, optimizer_entry(optimizer).make(there.tensors), probes, clip, scheduled=True)
    live = step.begin(stacker.stack([Member(0, 1e-3, 0)] * 2))
    stack, batch = live.stack, there.evaluation()
    start = Moment(0, 2, stack, stack.params, {}, {}, batch, there)
    live.memories = [probe.start(start) for probe in probes]
    factor = torch.ones((), dtype=torch.float64, device=meta)
    for number in range(2):
        losses = step(live, there.batch(number), factor)
        assert losses.shape == (2,) and losses.is_meta


@pytest.mark.parametrize("name", names("architecture"))
def test_of_no_architecture(name):
    step_without_values(name, "adam", clip=1.0)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("arch", ["mlp", "convnet", "gpt"])
def test_with_no_optimizer(arch, name):
    step_without_values(arch, name)


@pytest.mark.parametrize("arch", ["mlp", "gpt"])
def test_and_not_where_updates_are_watched(arch):
    step_without_values(arch, "adam", probes=[UpdateShare()])
