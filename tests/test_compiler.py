"""The real compiler behind ``torch.compile``, which writes and compiles C++."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_products import wide

ROOT = Path(__file__).parent.parent

COMPILED = """
import sys
from paramsearch.train import compiled
from test_execution import Execution, assert_same, trained, workload
if sys.argv[1] == "another torch":
    compiled._lowered = lambda graph: None
eager = trained(workload(), None, Execution(compile=False))
found = trained(workload(), None, Execution(compile=True, chunk=4))
assert_same(found, eager, rtol=1e-9, atol=1e-12)
"""
REUSED = """
import sys
from torch._dynamo.utils import counters
from test_execution import Execution, Recipe, trained, workload
found = trained(workload(), Recipe("adam", int(sys.argv[1])), Execution(compile=True, chunk=4))
counted = counters["inductor"]
assert found.final.isfinite().all()
assert counted["fxgraph_cache_hit"] == int(sys.argv[2]), counted
assert counted["fxgraph_cache_miss"] == 1 - int(sys.argv[2]), counted
"""
PRODUCTS = """
import sys
import torch
from paramsearch.train import products
from test_execution import Execution, Recipe, assert_same, trained, workload
products.worthwhile, calls, library = lambda: True, [], products._products()
products._products = lambda: calls.append(1) or library
work = workload("gpt", 32, torch.float32)
eager = trained(work, Recipe(sys.argv[1], 4), Execution(compile=False))
found = trained(work, Recipe(sys.argv[1], 4), Execution(compile=True, chunk=4))
assert calls
assert_same(found, eager, rtol=1e-3, atol=1e-5)
"""
BUILT = """
import re, sys
import torch
from torch._inductor.codecache import CppPythonBindingsCodeCache
from paramsearch.train import kernels

libraries, alone = [], []
begin, load = kernels.Library.begin, CppPythonBindingsCodeCache.load_pybinding_async.__func__
kernels.Library.begin = lambda some, submit: libraries.append(len(some)) or begin(some, submit)
CppPythonBindingsCodeCache.load_pybinding_async = classmethod(
    lambda cls, *args, **kwargs: alone.append(args) or load(cls, *args, **kwargs)
)
kernels.async_compile.get_compile_threads = lambda: 2
if sys.argv[1] == "unknown":
    kernels._TEMPLATE = re.compile("another")

def several(x, y):  # products between kernels, so that these are not fused into one
    for _ in range(5):
        x = torch.mm((x.sin() + y).relu(), y)
    return x

x, y = torch.randn(2, 7, 7, generator=torch.Generator().manual_seed(0))
with kernels.built_together():
    torch.testing.assert_close(torch.compile(several)(x, y), several(x, y))
if sys.argv[1] == "unknown":
    assert not libraries and len(alone) == 2, (libraries, len(alone))
else:
    assert libraries == [1, 1] and not alone, (libraries, len(alone))
"""

PLACED = """
import torch
from torch._inductor import config, metrics
from paramsearch.train import compiled
from paramsearch.train.products import decompositions
from paramsearch.train.shortcuts import shortcuts

CPU = torch.device("cpu")
draw = torch.Generator().manual_seed(0)
left, right = torch.randn(2, 3, 16, 16, generator=draw)


def kernels(function):
    metrics.reset()
    with torch.no_grad(), shortcuts(CPU):
        traced = compiled._traced(function, [left, right], decompositions(CPU))
        found = compiled._compile(*traced)(left, right)
    for one, other in zip(found, function(left, right), strict=True):
        torch.testing.assert_close(one, other)
    return metrics.generated_kernel_count


def ends(a, b):
    return [torch.cat([torch.bmm(a, b), torch.bmm(b, a)])]


def rows(a, b):
    return [torch.cat([torch.bmm(a, b), torch.bmm(b, a)], dim=1)]


def twice(a, b):
    one, two = torch.bmm(a, b), torch.bmm(b, a)
    return [torch.cat([one, two, one]), one, torch.cat([two, a])]


with config.patch(force_disable_caches=True):
    assert kernels(ends) == 0
    assert kernels(rows) > 0 and kernels(twice) > 0  # and the numbers are right
"""


def run(script: str, cache: Path, *words: str) -> None:
    """Run a script in a process of its own: the compiler minds which distutils was imported."""
    where = {"PYTHONPATH": os.pathsep.join(["tests", os.environ.get("PYTHONPATH", "")])}
    where["TORCHINDUCTOR_CACHE_DIR"] = str(cache)
    ended = subprocess.run(
        [sys.executable, "-c", script, *words],
        cwd=ROOT,
        env={**os.environ, **where},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("which", ["this torch", "another torch"])
def test_the_c_compiler_gives_the_numbers_of_an_eager_step(which, tmp_path):
    """Where the later part of torch's compiler has another form, all of it is used."""
    run(COMPILED, tmp_path, which)


@pytest.mark.slow
def test_a_later_run_of_another_length_finds_what_was_compiled(tmp_path):
    for steps, hits in (("4", "0"), ("6", "1")):
        run(REUSED, tmp_path, steps, hits)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["known", "unknown"])
def test_kernels_are_built_in_as_many_files_as_there_are_threads(form, tmp_path):
    """What is written in a form that is not known is built by torch."""
    run(BUILT, tmp_path, form)


@pytest.mark.slow
def test_products_are_written_where_they_are_to_lie(tmp_path):
    run(PLACED, tmp_path)


@pytest.mark.slow
@wide
@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_the_c_compiler_leaves_products_to_ours(optimizer, tmp_path):
    run(PRODUCTS, tmp_path, optimizer)
