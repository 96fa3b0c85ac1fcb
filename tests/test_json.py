"""What docs/json.md documents is what commands print."""

import json
import re
from pathlib import Path

from fake_evaluator import without_training
from typer.testing import CliRunner

from paramsearch.cli.main import app
from paramsearch.discovery.answers.longer import Longer

ROOT = Path(__file__).parent.parent


def printed(*words):
    return json.loads(CliRunner().invoke(app, [*map(str, words), "--json"]).stdout)


def documented(section):
    """The words in code marks of one section of docs/json.md."""
    text = (ROOT / "docs" / "json.md").read_text()
    part = text.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return set(re.findall(r"`([a-z_]+)`", part))


def keys(value):
    """Every key of nested JSON."""
    if isinstance(value, dict):
        return set(value).union(*map(keys, value.values()))
    return set().union(*map(keys, value)) if isinstance(value, list) else set()


def test_the_documented_json_of_search_is_there(tmp_path, monkeypatch):
    without_training(monkeypatch)
    summary = printed("search", "mlp", "--axis", "width", "--budget", "40", "--out", tmp_path / "a")
    documented_ = documented("search") - {"null", "true", "false"}
    limit, start = (  # where ends differ, and with an objective without probes
        keys(Longer(160, 64, 0.02, 1.0, {name: (1.0,)}).to_json()) for name in ("limit", "start")
    )
    assert documented_ <= keys(summary) | limit | start | {"groups", "runs", "along"}
    assert set(summary) <= documented_ - {"runs", "along"}


def test_the_documented_json_of_several_axes_is_there(tmp_path, monkeypatch):
    without_training(monkeypatch)
    words = ("search", "resmlp", "--axis", "width,depth", "--budget", "20", "--no-solve")
    summary = printed(*words, "--out", tmp_path / "a")
    assert set(summary) - {"axis"} <= documented("search")
    assert summary["rule"]["axes"] == ["width", "depth"]
    assert (tmp_path / "a" / "depth" / "front.png").exists()


def test_the_documented_json_of_trace_is_there():
    traced = printed("trace", "resmlp")
    assert documented("trace") <= keys(traced) and set(traced) <= documented("trace")
