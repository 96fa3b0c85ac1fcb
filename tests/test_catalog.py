"""Content is found by name or by path; what cannot be found or run says which file and why."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from paramsearch.catalog import find, load_module, names
from paramsearch.errors import ParamsearchError

KINDS = ["architecture", "space", "objective", "rule"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_shipped_name_is_found(kind):
    assert names(kind), f"nothing is shipped as {kind}"
    for name in names(kind):
        assert find(kind, name).stem == name


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_name_lists_what_is_shipped(kind):
    with pytest.raises(ParamsearchError, match=rf"unknown {kind} 'zz'.*known: .*{names(kind)[0]}"):
        find(kind, "zz")


@pytest.mark.parametrize("name", ["no/such", "nosuch.yaml", "./mup.yaml"])
def test_a_path_that_does_not_exist(name):
    with pytest.raises(ParamsearchError, match=f"rule file '{name}' does not exist"):
        find("rule", name)


def test_a_users_file_is_found_by_path(tmp_path: Path, monkeypatch):
    (tmp_path / "mine.yaml").touch()
    monkeypatch.chdir(tmp_path)
    assert find("space", "mine.yaml") == Path("mine.yaml")
    assert find("space", str(tmp_path / "mine.yaml")) == tmp_path / "mine.yaml"


def test_a_module_is_loaded_under_the_same_name_in_every_process(tmp_path: Path):
    path = tmp_path / "mine.py"
    path.write_text("value = 3\n")
    module = load_module(path)
    code = f"from paramsearch.catalog import *; print(load_module(Path({str(path)!r})).__name__)"
    again = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert module.value == 3
    assert module.__name__ == again.stdout.strip()


def test_what_a_module_defines_can_be_pickled(tmp_path: Path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Point:\n    x: int\n"
    )
    point = load_module(path).Point(1)
    assert pickle.loads(pickle.dumps(point)) == point


@pytest.mark.parametrize(
    ("text", "error"),
    [("1 / 0", "ZeroDivisionError: division by zero"), ("def", "SyntaxError: ")],
)
def test_a_file_that_cannot_be_run_is_named(tmp_path: Path, text, error):
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(ParamsearchError, match=rf"broken\.py cannot be run: {error}"):
        load_module(path)
    assert not [name for name in sys.modules if name.startswith("paramsearch_content_broken")]
