"""Code of users that ends the process: one sentence that names it, whoever runs it and when."""

import sys

import pytest
from bad_input_cases import MODEL, TINY, changed, search
from typer.testing import CliRunner

from paramsearch.catalog import load_attribute
from paramsearch.cli.main import app

FILES = {
    "tiny.yaml": TINY,
    "imported.py": "import sys; sys.exit(3)\n",
    "task.py": "import sys\ndef task(device, seed): sys.exit('no data')\n",
    "built.py": changed(MODEL, "super().__init__()", "exit(3)"),
    "run.py": changed(MODEL, "return self.b", "exit()\n        return self.b"),
}
CASES = {
    "imported:A": (
        search("--optimizer", "imported:A"),
        "optimizer 'imported:A': module 'imported'",
    ),
    "imported:build": (["trace", "imported:build"], "cannot be imported (sys.exit(3)); allowed"),
    "imported.py": (["trace", "imported.py"], "imported.py cannot be run: SystemExit: 3"),
    "task.py": (search("--task", "task.py"), "task.py: task(device, seed) fails: SystemExit"),
    "built.py": (
        ["trace", "built.py"],
        "'built' fails at build at width=8: SystemExit: sys.exit(3)",
    ),
    "run.py": (["trace", "run.py"], "'run' fails at forward: SystemExit: sys.exit()"),
}


@pytest.fixture(autouse=True)
def _inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)


@pytest.mark.parametrize("name", CASES)
def test_code_that_exits_is_named_in_one_sentence(name):
    words, says = CASES[name]
    ended = CliRunner().invoke(app, words)
    assert ended.exit_code == 2 and ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("error: ") and says in line


def test_ctrl_c_interrupts_an_import(tmp_path):
    (tmp_path / "stopped.py").write_text("raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load_attribute("optimizer", "stopped:A", "Class")
    assert "stopped" not in sys.modules
