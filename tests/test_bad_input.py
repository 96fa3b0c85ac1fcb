"""Every bad input is one sentence on stderr, exit code 2, and leaves nothing behind."""

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from bad_input_cases import CASES, FILES, ROOT, search, verify
from fake_evaluator import without_training
from typer.testing import CliRunner

from paramsearch.cli.main import app

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
CODE = "from paramsearch.cli.main import main; main()"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture(autouse=True)
def _inside(files, monkeypatch):
    monkeypatch.chdir(files)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)  # also on a machine with one


def said(words):
    """The sentence that a command ends with."""
    ended = CliRunner().invoke(app, words)
    assert ended.exit_code == 2, (ended.stderr, ended.exception)
    lines = ended.stderr.splitlines()
    told = [line for line in lines if not line.startswith(("plan: ", "base: ", "verify: "))]
    assert ended.stdout == "" and len(told) == 1 and lines[-1] == told[0]
    assert told[0].startswith("error: ") and "Traceback" not in ended.stderr
    return told[0]


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_one_sentence_and_leaves_nothing(name, files):
    before = sorted(path for path in files.rglob("*") if "__pycache__" not in path.parts)
    words, says = CASES[name]
    sentence = said(words)
    assert all(part in sentence for part in says.split(" ... ")), sentence
    after = sorted(path for path in files.rglob("*") if "__pycache__" not in path.parts)
    assert before == after


@pytest.fixture(scope="module")
def finished(files):
    """A finished run, without its training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(files)
        without_training(patch)
        ended = CliRunner().invoke(app, search("--out", "done"))
    assert ended.exit_code == 0, ended.stderr
    return files / "done"


@pytest.fixture
def run(finished, tmp_path):
    """A copy of it, to be damaged."""
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def again(run, *words):
    return search("--out", str(run), *words)


def test_a_finished_run_is_kept(run):
    assert "already holds a finished run" in said(again(run))
    assert "seed is 0 there and 1 here" in said(again(run, "--seed", "1", "--resume"))
    assert "width 64 was trained in the search (32, 64)" in said(
        ["verify", str(run), "--scales", "64"]
    )


def test_results_without_their_run_are_kept(run):
    (run / "trials.db").unlink()
    assert "holds summary.json and rule.yaml, but no run" in said(again(run))
    assert {"rule.yaml", "summary.json"} <= {path.name for path in run.iterdir()}


DAMAGE = [
    (lambda path: path.write_bytes(os.urandom(20000)), "is damaged (file is not a database)"),
    (lambda path: os.truncate(path, 5000), "is damaged (database disk image is malformed)"),
    (lambda path: os.truncate(path, 0), "holds summary.json and rule.yaml, but no run"),
    (lambda path: sql(path, "UPDATE trials SET json = '{}' WHERE id = 2"), "a trial lacks 'score'"),
    (lambda path: sql(path, "UPDATE trials SET json = 'x' WHERE id = 2"), "is damaged (Expecting"),
    (lambda path: sql(path, "UPDATE meta SET json = '[]'"), "is damaged (it lacks settings)"),
]


def sql(path, command):
    database = sqlite3.connect(path)
    database.execute(command)
    database.commit()
    database.close()


@pytest.mark.parametrize(("damage", "says"), DAMAGE, ids=[says for _, says in DAMAGE])
def test_a_damaged_run(damage, says, run):
    rule = (run / "rule.yaml").read_bytes()
    damage(run / "trials.db")
    assert says in said(again(run, "--resume"))
    assert (run / "rule.yaml").read_bytes() == rule


@contextmanager
def started(*words):
    """A command that runs beside the test, and does not outlive it."""
    command = [sys.executable, "-c", CODE, *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def test_a_run_folder_in_use_and_sigterm(tmp_path):
    words = ["search", "mlp", "--budget", "4000", "--out", str(tmp_path / "busy")]
    with started(*words) as holder:
        wait_for(tmp_path / "busy" / "trials.db", holder)
        assert f"busy is in use by pid {holder.pid}" in said(words)
        holder.send_signal(signal.SIGTERM)
        _, stderr = holder.communicate(timeout=60)
    assert holder.returncode == 143
    assert stderr.splitlines()[-1].startswith("stopped after ")
    assert stderr.rstrip().endswith(f"--out {tmp_path / 'busy'} --resume")


def test_a_full_disk(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30000, before[1]))
    try:
        sentence = said(search("--out", str(tmp_path / "full")))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "trials.db cannot be used: " in sentence
    assert not (tmp_path / "full").exists()


def test_every_learning_rate_diverged(monkeypatch):
    from paramsearch.discovery import base_curve
    from paramsearch.discovery import verify as measuring

    real = base_curve.shaped
    monkeypatch.setattr(base_curve, "shaped", lambda *a: real(*a) * float("inf"))
    losses = measuring.point_losses
    monkeypatch.setattr(measuring, "point_losses", lambda *a: losses(*a) * float("inf"))
    says = "every learning rate from 0.0005 to 0.256 diverged at width=32; move the grid down"
    assert f"tiny.yaml: {says}" in said(search())
    assert "tiny.yaml: every learning rate" in said(verify())
