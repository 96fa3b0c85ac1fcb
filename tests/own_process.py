"""Run a file of tests in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path


def assert_passes(checks: Path) -> None:
    """Fail with what pytest printed unless all tests of a file pass and none is skipped."""
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", str(checks)],
        env={**os.environ, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    assert "passed" in ended.stdout and "skipped" not in ended.stdout
