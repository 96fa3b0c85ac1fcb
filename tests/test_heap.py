"""Memory is kept from step to step, where the C library lets one say so."""

import os
import subprocess
import sys

import pytest

PAGES = """
import resource
import torch
from paramsearch.train.heap import keep_heap
print(keep_heap())
for count in range(11):
    if count == 1:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    tensors = [torch.ones(2**22) for _ in range(3)]
    del tensors
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages(**settings):
    env = {**os.environ, **settings}
    found = subprocess.run(
        [sys.executable, "-c", PAGES], env=env, capture_output=True, text=True, check=True
    )
    kept, count = found.stdout.split()
    return kept == "True", int(count)


@pytest.mark.skipif(sys.platform != "linux", reason="counts pages of Linux")
def test_freed_memory_is_kept_unless_the_environment_says_otherwise():
    kept, few = pages()
    if not kept:
        pytest.skip("not the GNU C library")
    asked, many = pages(MALLOC_MMAP_THRESHOLD_="131072")
    assert not asked
    assert 4 * few < many
