"""What a search records, counts and tells of runs of a user's program that failed."""

import json
from pathlib import Path

import pytest
from command_programs import PYTHON, WORDS, enter, setting
from typer.testing import CliRunner

from paramsearch.cli.main import app
from paramsearch.discovery.curves import note_worked
from paramsearch.discovery.evaluate import Evaluator
from paramsearch.discovery.ledger import Ledger
from paramsearch.discovery.store import Store
from paramsearch.errors import ParamsearchError
from paramsearch.rules.rule import Rule
from paramsearch.train.command import Command

COMMAND = f"{PYTHON} parabola.py {WORDS}"
SEARCH = ["search", "mlp", "--space", "space.yaml", "--objective", "tiny.yaml", "--budget", "3"]
SEARCH += ["--blind", "--jobs", "2", "--command", COMMAND]
SP, MUP = Rule.load("sp"), Rule.load("mup")


@pytest.fixture(autouse=True)
def _inside(tmp_path, monkeypatch):
    enter(tmp_path, monkeypatch)


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def failing_where(condition):
    """Let the program of the tests fail where a condition on its arguments holds."""
    text = Path("parabola.py").read_text()
    fails = f"if {condition}:\n    sys.exit('no memory for ' + path)\n"
    Path("parabola.py").write_text(text.replace("text = ", f"{fails}text = "))


def kept(folder):
    """What the store says of failures: scale, how many, what the first did; per trial and scale."""
    store = Store(Path(folder) / "trials.db")
    curves = [curve for trial in store.trials() for curve in trial.result["curves"]]
    store.close()
    return [(curve["scale"], curve["failed"], curve["failure"]) for curve in curves]


def test_failures_are_recorded_counted_by_scale_and_told_in_the_end(monkeypatch):
    failing_where("width == '64' and lr == '0.02'")
    ended = run(*SEARCH, "--out", "a")
    assert ended.exit_code == 0, ended.stderr
    says = "exited with code 1: no memory for rule-0.yaml"
    assert {scale for scale, failed, _ in kept("a") if failed} == {64}
    assert says in {failure for _, _, failure in kept("a")}
    (found,) = json.loads(Path("a/summary.json").read_text())["failures"]
    failed = sum(number for _, number, _ in kept("a"))
    assert found == dict(axis="width", scale=64, runs=3 * failed, failed=failed, failure=says)
    told = f"failed: {failed} of {3 * failed} at width 64; the first one {says}"
    assert told in " ".join(ended.stdout.split())

    with monkeypatch.context() as patch:
        stopped_after(1, patch)
        assert run(*SEARCH, "--out", "b").exit_code == 130
    assert run(*SEARCH, "--out", "b", "--resume").exit_code == 0
    assert Path("b/summary.json").read_bytes() == Path("a/summary.json").read_bytes()


def stopped_after(count, patch):
    """Interrupt a search after so many evaluations."""
    evaluate, calls = Evaluator.evaluate, []

    def stopping(self, *a):
        calls.append(a)
        if len(calls) > count:
            raise KeyboardInterrupt
        return evaluate(self, *a)

    patch.setattr(Evaluator, "evaluate", stopping)


def test_a_scale_where_every_run_fails_stops_the_search_and_it_can_go_on():
    failing_where("width == '64' and not __import__('os').path.exists('memory')")
    ended = run(*SEARCH, "--out", "a")
    assert ended.exit_code == 2
    says = "error: every run of the command failed at width=64, depth=3, 3 in all; the first one "
    assert ended.stderr.splitlines()[-1].startswith(f"{says}exited with code 1: no memory for rule")
    assert kept("a") == [] and not Path("a/summary.json").exists()
    Path("memory").touch()
    assert run(*SEARCH, "--out", "a", "--resume").exit_code == 0
    assert run(*SEARCH, "--out", "b").exit_code == 0
    assert Path("a/summary.json").read_bytes() == Path("b/summary.json").read_bytes()
    assert json.loads(Path("a/summary.json").read_text())["failures"] == []


def test_a_scale_where_every_loss_is_nan_does_not_stop_the_search():
    Path("parabola.py").write_text(
        "import sys\nfar = abs(float(sys.argv[3]) - 0.01)\n"
        "print('{\"loss\": %s}' % (1 + far if sys.argv[2] == '32' else 'NaN'))\n"
    )
    found = Evaluator(setting(Command(COMMAND))).evaluate([SP], [0])[0].curves[1]
    assert found["losses"] == [[None]] * 3 and found["failed"] == found["trained"] == 3


def test_failures_of_the_base_are_counted_with_those_of_its_curve(tmp_path):
    failing_where("width == '32' and lr == '0.0025'")
    store = Store(tmp_path / "trials.db")
    ledger = Ledger(Evaluator(setting(Command(COMMAND))), store)
    ledger.measure([SP], [0], "search", 0)
    assert ledger.runs()[32].failed == ledger.base()["failed"] == 4
    assert ledger.runs()[64].failed == 0 and ledger.members() == sum(
        runs.made for runs in ledger.runs().values()
    )
    store.close()


def measured(path, rule, knowing):
    """Measure a rule in a session of its own."""
    store, about = Store(path), setting(Command(COMMAND))
    ledger = Ledger(Evaluator(about), store)
    try:
        note_worked(about, ledger.worked() if knowing else ())
        return ledger.measure([rule], [0], "search", 0)[0].evaluation
    finally:
        store.close()


def test_a_scale_that_worked_in_an_earlier_session_may_fail_in_a_later_one(tmp_path):
    failing_where("width == '64' and 'name: mup' in open(path).read()")
    measured(tmp_path / "trials.db", SP, True)
    with pytest.raises(ParamsearchError, match=r"failed at width=64, depth=3, 3 in all; the first"):
        measured(tmp_path / "trials.db", MUP, False)
    assert measured(tmp_path / "trials.db", MUP, True).curves[1]["failed"] == 3
