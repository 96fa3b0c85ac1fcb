"""Equal runs give equal bits, also where threads add to one element."""

import os
import subprocess
import sys

import pytest
import torch

from paramsearch.train.repeatable import repeatable

CPU = torch.device("cpu")
RUNS = """
import sys
import torch
import paramsearch
from paramsearch.rules.rule import Rule
from paramsearch.train.engine import train
from paramsearch.train.population import Member
from paramsearch.train.recipe import Execution, Recipe
from paramsearch.train.workload import prepare

torch.set_num_threads(4)
task = paramsearch.load_task("random_walk:er,nodes=16,context=16,batch=64")
workload = prepare(paramsearch.load_arch("gpt", {"depth": 1}), task, {"width": 16})
members = [Member(0, 2.0**-6, seed) for seed in range(4)]
how = Execution(compile=sys.argv[1] == "compiled")
runs = [
    train(workload, [Rule.load("sp")], members, Recipe("adam", 30), execution=how).losses
    for _ in range(4)
]
print([torch.equal(run, runs[0]) for run in runs])
"""


@pytest.mark.slow
@pytest.mark.parametrize("way", ["compiled", "eager"])
def test_tokens_that_occur_many_times(way):
    """Sixteen tokens in a thousand places, so that threads meet at every one of them."""
    ended = subprocess.run(
        [sys.executable, "-c", RUNS, way],
        env={**os.environ, "OMP_NUM_THREADS": "4"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.strip() == str([True] * 4), ended.stderr


def test_indexing_adds_up_in_one_order_meanwhile():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(4, (2**14,), generator=generator)
    values = torch.randn(2**14, 8, generator=generator)
    expected = torch.zeros(4, 8)
    for row, value in zip(rows.tolist(), values, strict=True):
        expected[row] += value
    with repeatable(CPU):
        found = torch.zeros(4, 8).index_put_((rows,), values, accumulate=True)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("before", [False, True])
def test_what_was_asked_of_torch_before_holds_again(before):
    memory = torch.utils.deterministic
    fills = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(before)
    try:
        with pytest.raises(KeyError), repeatable(CPU):
            assert torch.are_deterministic_algorithms_enabled()
            assert torch.is_deterministic_algorithms_warn_only_enabled() is not before
            raise KeyError
        assert torch.are_deterministic_algorithms_enabled() is before
        assert memory.fill_uninitialized_memory is fills
    finally:
        torch.use_deterministic_algorithms(False)


def test_a_gpu_is_left_as_it_is():
    with repeatable(torch.device("cuda")):
        assert not torch.are_deterministic_algorithms_enabled()
