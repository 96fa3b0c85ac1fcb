"""Searches and verifications with a user's own program, and the program of the documentation."""

import json
import re
import sys
from functools import partial
from pathlib import Path

import pytest
from command_programs import PYTHON, ROOT, SPACE, TINY, WORDS, enter, setting
from lr_curves import lr_losses
from typer.testing import CliRunner

import paramsearch
from paramsearch.cli.main import app
from paramsearch.discovery import evaluate as evaluating
from paramsearch.discovery.evaluate import Evaluator
from paramsearch.jobs import search as search_job
from paramsearch.rules.rule import Rule
from paramsearch.train.command import Command

RULES = [Rule.load("sp"), Rule.load("mup")]


@pytest.fixture(autouse=True)
def _inside(tmp_path, monkeypatch):
    enter(tmp_path, monkeypatch)


def test_what_the_objective_does_not_weigh_is_not_measured():
    evaluations = [Evaluator(setting(None, text)).evaluate(RULES, [0]) for text in (TINY, PROBED)]
    for bare, probed in zip(*evaluations, strict=True):
        assert set(bare.terms) == {"loss", "lr_collapse"} and bare.slopes == {}
        assert bare.terms == pytest.approx({n: probed.terms[n] for n in bare.terms}, abs=1e-4)
        assert len(probed.terms) == 4 and bare.curves[1]["sharpness"] == []


PROBED = TINY.replace("sharpness_collapse: 0", "sharpness_collapse: 1").replace(
    "slopes: 0", "slopes: 1"
)
COMMAND = f"{PYTHON} parabola.py {WORDS}"
SEARCH = ["search", "mlp", "--space", "space.yaml", "--objective", "tiny.yaml", "--budget", "3"]
SEARCH += ["--blind", "--command", COMMAND]


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """The folder of a whole search, with what it said."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, patch)
        ended = run(*SEARCH, "--out", "a", "--jobs", 2)
    assert ended.exit_code == 0, ended.stderr
    return folder / "a", ended.stderr


def test_a_whole_search_and_its_verification(searched):
    folder, said = searched
    assert "base: no solver: objective 'tiny.yaml' does not weigh its probe_slopes" in said
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["program"] == COMMAND and "--command-timeout" not in summary["command"]
    hidden = next(group for group in summary["groups"] if group["name"] == "hidden")
    assert hidden["lr"]["width"]["value"] == -1
    ended = run("verify", folder, "--scales", "256", "--baselines", "sp", "--jobs", 2, "--json")
    assert ended.exit_code == 0, ended.stderr
    assert json.loads(ended.stdout)["program"] == COMMAND


def test_jobs_do_not_change_the_result_and_a_stopped_search_goes_on(searched, monkeypatch):
    whole = (searched[0] / "summary.json").read_bytes()
    evaluate = Evaluator.evaluate
    calls = []

    def stopping(self, *a):
        calls.append(a)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return evaluate(self, *a)

    monkeypatch.setattr(Evaluator, "evaluate", stopping)
    ended = run(*SEARCH, "--out", "b")
    assert ended.exit_code == 130 and "--command" in ended.stderr
    assert run(*SEARCH, "--out", "b", "--resume").exit_code == 0
    assert Path("b/summary.json").read_bytes() == whole
    with Path("parabola.py").open("a") as file:
        file.write("# changed\n")
    ended = run(*SEARCH, "--out", "b", "--resume")
    assert ended.exit_code == 2 and "the program file has changed since" in ended.stderr


# Words of a search -> what the one sentence says.
BAD = {
    ("--objective", "transfer"): "objective 'transfer' weighs sharpness_collapse 0.25 and probe_sl",
    ("--objective", "clipped.yaml"): "clipped.yaml: objective 'tiny': fidelity.clip: received 1.0",
    ("--backend", "loop"): "backend, precision and compile are those of the engine",
    ("--command", "python x {rule} {lr}"): "error: --command: received 'python x {rule} {lr}'",
    ("--command-timeout", "0"): "--command-timeout: received 0; allowed: seconds, above 0",
    ("--jobs", "0"): "--jobs: received 0; allowed: at least 1",
    ("--command", f"{PYTHON} gone.py {WORDS}"): "every run of the command failed at width=32",
}


@pytest.mark.parametrize("words", BAD, ids=" ".join)
def test_bad_input_is_one_sentence_and_leaves_nothing(words):
    Path("clipped.yaml").write_text(TINY.replace("steps: 4", "steps: 4\n  clip: 1.0"))
    ended = run(*SEARCH, "--out", "bad", *words)
    assert ended.exit_code == 2 and BAD[words] in ended.stderr.splitlines()[-1]
    assert not Path("bad").exists()


@pytest.mark.parametrize("words", [("--jobs", "2"), ("--command-timeout", "5")])
def test_options_of_a_command_need_one(words):
    ended = run("search", "mlp", *words)
    assert ended.exit_code == 2 and f"{words[0]} is for --command" in ended.stderr


def documented():
    """The program in the documentation."""
    text = (ROOT / "docs" / "command.md").read_text()
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)[0]


def test_the_documented_program_trains():
    Path("train.py").write_text(documented())
    options = "--rule {rule} --width {width} --lr {lr} --seed {seed} --steps {steps}"
    command = Command(f"{sys.executable} train.py {options}")
    losses = lr_losses(setting(command), 64, RULES[1:], [0.01], [0])
    assert 0 < losses.item() < 2.3


@pytest.mark.slow
def test_a_search_with_the_documented_program(monkeypatch):
    Path("train.py").write_text(documented())
    Path("space.yaml").write_text(SPACE.replace("step: 0.5", "step: 1"))
    few = "0.01, high: 0.64, step: 2, window: 1, mode: center"
    text = TINY.replace("0.0025, high: 0.64, step: 1, window: 1", few)
    Path("tiny.yaml").write_text(text.replace("lr_collapse: 1", "lr_collapse: 0"))
    monkeypatch.setattr(evaluating, "BASE_SEEDS", 1)
    few = partial(search_job.SearchSettings, polish_seeds=1)
    monkeypatch.setattr(search_job, "SearchSettings", few)
    options = "--rule {rule} --width {width} --lr {lr} --seed {seed} --steps {steps}"
    found = paramsearch.search(
        "train.py",
        axis="width",
        space="space.yaml",
        objective="tiny.yaml",
        budget=2,
        blind=True,
        command=f"{sys.executable} train.py {options}",
        jobs=2,
    )
    assert found.rule == Rule.load(found.folder / "rule.yaml")
