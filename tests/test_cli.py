import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from fake_evaluator import FakeEvaluator, without_training
from rich.console import Console
from typer.testing import CliRunner

import paramsearch
from paramsearch.cli.main import app
from paramsearch.cli.progress import shown
from paramsearch.discovery.progress import Progress
from paramsearch.jobs import search as search_job

ROOT = Path(__file__).parent.parent
SEARCH = ["search", "mlp", "--axis", "width", "--budget", "40"]
PICTURES = {"exponents.png", "front.png", "report.png"}
FILES = PICTURES | {"lock", "rule.yaml", "summary.json", "timing.json", "trials.db"}


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(autouse=True)
def evaluator(monkeypatch):
    class Fake(FakeEvaluator):
        pass

    without_training(monkeypatch, Fake)
    return Fake


def bytes_of(folder):
    return {name: (folder / name).read_bytes() for name in ("rule.yaml", "summary.json")}


def test_search_leaves_everything_and_prints_a_table(tmp_path):
    ended = run(*SEARCH, "--blind", "--out", tmp_path / "a")
    assert ended.exit_code == 0, ended.stderr
    assert {
        p.name.removesuffix("-wal").removesuffix("-shm") for p in (tmp_path / "a").iterdir()
    } == FILES
    assert "mup (= mean-field here)" in ended.stdout and "hidden" in ended.stdout
    last = ended.stdout.splitlines()[-1]
    assert last.startswith("score ") and "(lower is better); rule.yaml, " in last
    assert last.endswith(f" in {tmp_path / 'a'}")
    assert "search: 8 of at most 40 trials" in ended.stderr
    assert "plan: about 4 minutes, " in ended.stderr
    assert paramsearch.Rule.load(tmp_path / "a" / "rule.yaml").source.startswith(
        "paramsearch search"
    )


def test_search_json_is_one_object_with_the_schema(tmp_path):
    ended = run(*SEARCH, "--out", tmp_path / "a", "--json")
    summary = json.loads(ended.stdout)
    keys = "paramsearch arch task axis optimizer space objective sampler seed blind command base"
    keys += " rule groups score start_score baselines curves nearest trials member_steps"
    assert set(keys.split()) <= set(summary)
    assert summary["base"]["losses"][2] == [None]
    entry = summary["groups"][0]["lr"]["width"]
    assert {"value", "low", "high", "determined"} <= set(entry)
    assert {"mup", "sp"} <= set(summary["baselines"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run folder of an uninterrupted search."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        without_training(patch)
        ended = run(*SEARCH, "--out", folder)
    assert ended.exit_code == 0, ended.stderr
    return folder


@pytest.mark.parametrize("stop_after", [0, 1, 4])
def test_an_interrupted_search_resumes_to_the_same_bytes(tmp_path, evaluator, whole, stop_after):
    broken = tmp_path / "broken"
    evaluator.stop_after = stop_after
    ended = run(*SEARCH, "--out", broken)
    assert ended.exit_code == 130
    assert "stopped after" in ended.stderr and f"--out {broken} --resume" in ended.stderr
    assert not (broken / "rule.yaml").exists()
    evaluator.stop_after = None
    assert run(*SEARCH, "--out", broken, "--resume").exit_code == 0
    assert bytes_of(broken) == bytes_of(whole)


def test_resuming_a_finished_run_trains_nothing(evaluator, whole):
    before = bytes_of(whole)
    evaluator.stop_after = 0
    assert run(*SEARCH, "--out", whole, "--resume").exit_code == 0
    assert bytes_of(whole) == before


def test_the_command_in_the_summary_gives_the_same_rule(tmp_path):
    run(*SEARCH, "--blind", "--seed", 3, "--out", tmp_path / "a")
    command = json.loads((tmp_path / "a" / "summary.json").read_text())["command"]
    assert run(*command.split()[1:], "--out", tmp_path / "b").exit_code == 0
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")


def test_blind_sees_no_published_rule_before_the_end(tmp_path, evaluator, monkeypatch):
    order = []
    original = search_job.published_rules
    monkeypatch.setattr(
        search_job, "published_rules", lambda *a: order.append("rules") or original(*a)
    )
    measure = evaluator.evaluate
    monkeypatch.setattr(evaluator, "evaluate", lambda *a: order.append("trial") or measure(*a))
    summary = json.loads(run(*SEARCH, "--blind", "--out", tmp_path / "a", "--json").stdout)
    assert order[-1] == "rules" and order.count("rules") == 1
    assert summary["baselines"] == {} and summary["nearest"]["name"]


def test_python_search_gives_what_the_files_hold(tmp_path):
    result = paramsearch.search("mlp", axis="width", budget=20, out=tmp_path / "a")
    assert result.rule == paramsearch.Rule.load(tmp_path / "a" / "rule.yaml")
    assert result.summary == json.loads((tmp_path / "a" / "summary.json").read_text())
    assert result.groups == result.summary["groups"]


def test_the_default_folder_is_new_each_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = paramsearch.search("mlp", axis="width", budget=8)
    second = paramsearch.search("mlp", axis="width", budget=8)
    assert [str(r.folder) for r in (first, second)] == [
        "runs/mlp-width-adam",
        "runs/mlp-width-adam-2",
    ]


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["search", "mpl"], "unknown architecture 'mpl'; did you mean 'mlp'?"),
        ([*SEARCH, "--optimizer", "adamm"], "unknown optimizer 'adamm'; did you mean 'adam"),
        ([*SEARCH, "--task", "digit"], "unknown task 'digit'; did you mean 'digits'?"),
        ([*SEARCH, "--space", "widht"], "unknown space 'widht'; did you mean 'width'?"),
        ([*SEARCH, "--objective", "x"], "unknown objective 'x' (known:"),
        ([*SEARCH, "--sampler", "CMB"], "unknown sampler 'CMB'; did you mean"),
        ([*SEARCH, "--device", "tpu9"], "device 'tpu9' cannot be used"),
        ([*SEARCH, "--budget", "0"], "budget: received '0'; allowed: a whole"),
        ([*SEARCH, "--resume"], "holds no run to resume"),
        (["search", "gpt", "--axis", "heads"], "no shipped space is named like axis 'heads'"),
        (["search", "mlp", "--axis", "depth", "--space", "width"], "choose another --space"),
        (["search", "mlp", "--axis", "height", "--space", "width"], "'height'"),
        (["verify", "mup", "--scales", "a,b"], "--scales must be whole numbers"),
        (["verify", "runs/none", "--scales", "512"], "run folder runs/none does not exist"),
        (["trace", "mlp", "--axis", "height"], "'height'"),
        (["trace", "none.py"], "architecture file 'none.py' does not exist"),
        (["list", "arch"], "unknown kind 'arch'; did you mean 'archs'?"),
        (["report", "runs/none"], "run folder runs/none does not exist"),
    ],
)
def test_bad_input_is_one_sentence(words, match, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = run(*words)
    assert ended.exit_code == 2
    assert ended.stderr.startswith("error: ") and match in ended.stderr
    assert ended.stderr.count("\n") == 1 and ended.stdout == ""
    assert not list(tmp_path.glob("runs/*/*.yaml"))


@pytest.mark.parametrize("words", [["search"], ["serch"], [*SEARCH, "--seed", "many"]])
def test_usage_errors_exit_with_2(words):
    assert run(*words).exit_code == 2


def test_an_existing_run_is_not_overwritten(whole):
    ended = run(*SEARCH, "--out", whole)
    assert ended.exit_code == 2 and "already holds a finished run" in ended.stderr
    other = run(*SEARCH, "--seed", 1, "--out", whole, "--resume")
    assert other.exit_code == 2 and "seed is 0 there and 1 here" in other.stderr


@pytest.mark.parametrize("kind", ["archs", "spaces", "objectives", "rules", "optimizers", "tasks"])
def test_list(kind):
    names = json.loads(run("list", kind, "--json").stdout)[kind]
    assert names and run("list", kind).stdout.split() == names
    assert json.loads(run("list", "--json").stdout)[kind] == names


def test_list_says_in_a_terminal_what_things_are(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown = run("list", "rules").stdout
    assert "mup" in shown and "[adam] Maximal update parameterization" in shown


def test_trace():
    traced = json.loads(run("trace", "mlp", "--axis", "width", "--json").stdout)
    wanted = {"name", "shape", "op", "role", "fan_in", "fan_out", "axes", "group"}
    assert wanted <= set(traced["tensors"][0])
    assert "hidden" in run("trace", "mlp").stdout


def test_trace_writes_the_graph_for_graphviz(tmp_path):
    path = tmp_path / "new" / "g.dot"
    traced = json.loads(run("trace", "resmlp", "--dot", path, "--json").stdout)
    text = path.read_text()
    assert text.startswith('digraph "resmlp" {') and text.endswith("}\n")
    for start, end in traced["edges"]:
        assert f'  "{start}" -> "{end}";' in text
    assert text.count("shape=box") == len(traced["tensors"])


def test_export_gives_the_rule_in_another_gauge(tmp_path):
    mup = paramsearch.Rule.load("mup")
    ended = run("export", "mup", "--gauge", "unit-init", "--out", tmp_path / "r.yaml")
    assert ended.exit_code == 0 and ended.stdout == ""
    exported = paramsearch.Rule.load(tmp_path / "r.yaml")
    assert exported.equivalent(mup) and exported == mup.regauge("unit-init")
    assert run("export", "mup").stdout == mup.text()
    as_json = run("export", "mup", "--optimizer", "sgd", "--to", "json").stdout
    assert paramsearch.Rule(**json.loads(as_json)) == paramsearch.Rule.load("mup-sgd")


def test_version_and_help():
    assert run("--version").stdout.startswith("paramsearch")
    for command in ("search", "verify", "trace", "export", "report", "list"):
        assert command in run("--help").stdout
        assert run(command, "--help").exit_code == 0


def test_report_draws_again(whole):
    for name in PICTURES:
        (whole / name).unlink()
    written = json.loads(run("report", whole, "--json").stdout)["written"]
    assert set(written) == {str(whole / name) for name in PICTURES}
    assert all((whole / name).exists() for name in PICTURES)


@pytest.mark.parametrize("terminal", [True, False])
def test_progress(terminal):
    console = Console(force_terminal=terminal, width=200, record=True)
    with shown(console, "trials") as listen:
        for done in (0, 8, 16):
            listen(Progress("search", done, 16, 0.5, 1000 * done))
        listen(Progress("polish", 3, None, 0.25, 20000))
    if not terminal:
        text = console.export_text()
        assert "search: 16 of at most 16 trials, best 0.5" in text
        assert "polish: 3 trials, best 0.25" in text


def test_the_bar_goes_by_time_and_counts_beside():
    with shown(Console(force_terminal=True, width=200, file=io.StringIO()), "scales") as listen:
        listen(Progress("verify", 2, 3, None, share=0.1))
        (bar,) = listen._bar.tasks
        assert (bar.completed, bar.total, bar.fields["count"]) == (0.1, 1.0, "2/3")
        listen(Progress("search", 2, 8, None))
        assert (bar.completed, bar.total, bar.fields["count"]) == (0.25, 1.0, "2/8")


def test_nothing_slow_is_imported_before_it_is_needed():
    code = "import sys, paramsearch.cli.main; print({'nevergrad', 'matplotlib'} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.stdout.strip() == "set()", ended.stderr


def test_the_package_runs_as_a_module():
    words = [sys.executable, "-m", "paramsearch", "search", "mlp", "--axis", "height"]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2 and "height" in ended.stderr and "Traceback" not in ended.stderr
