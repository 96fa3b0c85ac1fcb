"""The real compiler behind ``torch.compile``, which writes and compiles C++."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

COMPILED = """
from test_execution import Execution, assert_same, trained, workload
eager = trained(workload(), None, Execution(compile=False))
compiled = trained(workload(), None, Execution(compile=True, chunk=4))
assert_same(compiled, eager, rtol=1e-9, atol=1e-12)
"""


@pytest.mark.slow
def test_the_c_compiler_gives_the_numbers_of_an_eager_step():
    """In a process of its own: torch's compiler minds which distutils was imported before."""
    where = {"PYTHONPATH": os.pathsep.join(["tests", os.environ.get("PYTHONPATH", "")])}
    words = [sys.executable, "-c", COMPILED]
    ended = subprocess.run(
        words, cwd=ROOT, env={**os.environ, **where}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
