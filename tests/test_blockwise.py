"""Updates in blocks of members against updates of all at once, in float64."""

import pytest
import torch

from paramsearch.rules.rule import Rule
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import load_arch
from paramsearch.train import blockwise
from paramsearch.train.engine import train
from paramsearch.train.optimizers.table import OPTIMIZERS
from paramsearch.train.population import Member
from paramsearch.train.recipe import Execution, Recipe
from paramsearch.train.workload import prepare

MEMBERS = [Member(0, 1e-3 * 2**step, seed) for step in range(3) for seed in range(2)]


@pytest.fixture(scope="module")
def workload():
    return prepare(load_arch("mlp"), load_task("digits"), {"width": 16}, dtype=torch.float64)


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_blocks_change_nothing(optimizer, workload, monkeypatch):
    recipe = Recipe(optimizer, 4, weight_decay=0.1)
    found = []
    for size in (2**30, 2**13, 1):  # all members, some, one: a hidden matrix has 2 KiB
        monkeypatch.setattr(blockwise, "BLOCK_BYTES", size)
        how = Execution(compile=False)
        found.append(train(workload, [Rule.load("sp")], MEMBERS, recipe, execution=how).losses)
    for losses in found[1:]:
        torch.testing.assert_close(losses, found[0], rtol=1e-9, atol=1e-12)
