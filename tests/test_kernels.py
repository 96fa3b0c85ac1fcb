"""Kernels that are built together; ``test_compiler`` builds some."""

import os
import subprocess
import sys

import pytest
from torch._inductor.async_compile import AsyncCompile

from paramsearch.train import kernels
from paramsearch.train.kernels import Kernel, built_together, source_of

KERNEL = '#include <a.h>\nextern "C"  void  kernel(const float* in_ptr0)\n{\n    // kernel(x)\n}\n'


def test_torch_is_left_as_it_was():
    before = AsyncCompile.cpp_pybinding, AsyncCompile.wait
    with pytest.raises(KeyError), built_together():
        raise KeyError
    assert (AsyncCompile.cpp_pybinding, AsyncCompile.wait) == before


ONE = """
import paramsearch
from paramsearch.rules.rule import Rule
from paramsearch.train.engine import train
from paramsearch.train.population import Member
from paramsearch.train.recipe import Execution, Recipe
from paramsearch.train.workload import prepare

found = paramsearch.load_arch("uv")
workload = prepare(found, paramsearch.load_task(found.task), {"width": 8})
how = Execution(compile=True, chunk=2)
members = [Member(0, 1e-3, seed) for seed in (0, 1)]
train(workload, [Rule.load("sp")], members, Recipe("gd", 2), execution=how)
print("trained")
"""


def test_a_single_processor_builds_them_one_after_the_other(tmp_path):
    """Torch builds at once then what is handed to it, holding the lock that building waits for."""
    own = {"TORCHINDUCTOR_COMPILE_THREADS": "1", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", ONE],
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "trained" in ended.stdout, ended.stderr


def test_source_holds_every_kernel_once_and_each_header_once():
    source = source_of([Kernel(["const float*"], KERNEL), Kernel(["const float*"], KERNEL)])
    assert source.count("#include <a.h>") == 1
    assert [source.count(f"void  kernel_{index}(const") for index in (0, 1, 2)] == [1, 1, 0]
    assert "parse_arg<float*>(args, 0)" in source and "PyInit_kernels" in source


@pytest.mark.parametrize("source", ["void kernel()", KERNEL.replace("kernel(const", "other(const")])
def test_sources_in_another_form_are_refused(source):
    with pytest.raises(ValueError, match="unknown form"):
        source_of([Kernel([], source)])


def test_shares_are_even_and_do_not_depend_on_the_order():
    some = [Kernel([], "x" * size) for size in (5, 1, 4, 2)]
    shares = kernels._shares(some, 2)
    assert sorted(sum(len(k.source) for k in share) for share in shares) == [6, 6]
    again = kernels._shares(some[::-1], 2)
    assert [[k.source for k in share] for share in again] == [
        [k.source for k in share] for share in shares
    ]
    assert kernels._shares([], 2) == []
