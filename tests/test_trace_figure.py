"""The picture of a trace: what is drawn once, where it stands, and the file."""

import json
from itertools import pairwise

import pytest
from typer.testing import CliRunner

from paramsearch.cli.main import app
from paramsearch.report.collapsed import collapsed
from paramsearch.report.layered import GAP, layered
from paramsearch.report.trace_figure import trace_figure
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import load_arch
from paramsearch.tracing.trace import trace

TIMES = "\N{MULTIPLICATION SIGN}"


def traced(name: str, **scale: int):
    arch = load_arch(name)
    task = load_task("bytes:context=4,batch=2" if arch.task == "bytes" else arch.task)
    return trace(arch, task=task, scale=scale)


@pytest.mark.parametrize("depth", [2, 5])
@pytest.mark.parametrize(
    ("name", "frame", "nodes"),
    [("resmlp", "blocks", 9), ("gpt", "blocks", 19), ("ssm", "norms, mixers", 27)],
)
def test_blocks_are_drawn_once(name, frame, nodes, depth):
    sketch = collapsed(traced(name, depth=depth))
    assert [(found.name, found.count) for found in sketch.frames] == [(frame, depth)]
    assert len(sketch.members) == nodes


def test_the_whole_graph_is_drawn_and_edges_run_on():
    found = traced("gpt")
    sketch = collapsed(found)
    first = [t.name for t in found.tensors if not t.name.startswith("blocks.1")]
    assert {name for names in sketch.members.values() for name in names} >= set(first)
    assert all(a < b for a, b in sketch.edges) and not sketch.back


def test_weights_that_are_used_again_lead_back():
    sketch = collapsed(traced("looped_gpt", loops=3))
    ((start, end),) = sketch.back
    assert sketch.members[end] == ("adapter.weight",)
    assert sketch.members[start][0].startswith("add:") and len(sketch.frames) == 3
    assert collapsed(traced("looped_gpt", loops=1)).back == ()


def test_nothing_overlaps():
    sketch = collapsed(traced("moe_gpt"))
    widths = dict.fromkeys(sketch.members, 1.0)
    at = layered(widths, sketch.edges, [min(widths)], step=1.0).at
    places = sorted((y, x) for x, y in at.values())
    together = [(b[1] - a[1]) for a, b in pairwise(places) if a[0] == b[0]]
    assert together and min(together) >= 1.0 + GAP - 1e-9
    assert all(at[a][1] < at[b][1] for a, b in sketch.edges)


def test_a_long_edge_keeps_clear_of_what_it_passes():
    layout = layered({0: 1, 1: 3, 2: 1}, [(0, 1), (1, 2), (0, 2)], [], step=1.0)
    ((x, y),) = layout.lanes[0, 2]
    assert y == layout.at[1][1] and abs(x - layout.at[1][0]) > 1.5


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_same_trace_gives_the_same_file(tmp_path, suffix):
    found = traced("resmlp")
    files = [tmp_path / f"{name}.{suffix}" for name in "ab"]
    for file in files:
        trace_figure(found, file)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_an_svg_names_modules_and_repeats(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("matplotlib").rcParams, "svg.fonttype", "none")
    trace_figure(traced("resmlp"), tmp_path / "graph.svg")
    text = (tmp_path / "graph.svg").read_text()
    for words in (
        "blocks.norm",
        "readout",
        f"32 {TIMES} 32 + bias",
        f"blocks  {TIMES} 4",
        "hidden",
    ):
        assert words in text


def test_the_command_draws(tmp_path):
    path = tmp_path / "new" / "graph.png"
    ended = CliRunner().invoke(app, ["trace", "mlp", "--png", str(path), "--json"])
    assert ended.exit_code == 0 and json.loads(ended.stdout)["undecided"] == []
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--png", "graph.gif"], "--png: received 'graph.gif'; allowed: a file that ends in .png"),
        (["--png", "."], "--png: . is a folder"),
        (["--by", "modul"], "unknown --by 'modul'; did you mean 'module'?"),
    ],
)
def test_bad_words(words, message):
    ended = CliRunner().invoke(app, ["trace", "mlp", *words])
    assert (ended.exit_code, ended.stdout) == (2, "") and message in ended.stderr
