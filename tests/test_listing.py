"""What ``paramsearch list`` says of architectures and tasks, against building and making them."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from paramsearch import catalog
from paramsearch.cli import list_archs, list_tasks
from paramsearch.cli.list_archs import arch_details, arch_lines
from paramsearch.cli.list_tasks import task_details, task_lines
from paramsearch.cli.list_text import first_sentence
from paramsearch.cli.main import app
from paramsearch.errors import ParamsearchError
from paramsearch.tasks import facts
from paramsearch.tasks.catalog import TASKS, described_tasks, load_task
from paramsearch.tracing.arch import load_arch
from paramsearch.tracing.trace import trace

ROOT = Path(__file__).parent.parent
DETAILS = arch_details()
SHIPPED = catalog.names("architecture")
RECORD = 1 + 3072  # bytes of a record of CIFAR-10


def listed(*words: str) -> dict:
    ended = CliRunner().invoke(app, ["list", *words, "--json"])
    assert ended.exit_code == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.fixture
def own_archs(tmp_path, monkeypatch) -> Path:
    """A catalog whose only architectures are those that a test writes."""
    (tmp_path / "archs").mkdir()
    monkeypatch.setattr(catalog, "ROOT", tmp_path)
    return tmp_path / "archs"


@pytest.mark.parametrize("name", SHIPPED)
def test_an_architecture_is_as_it_is_built_and_traced(name):
    arch, found = load_arch(name), DETAILS[name]
    model = arch.model(load_task(arch.task).dims)
    assert found["parameters"] == sum(p.numel() for p in model.parameters())
    assert found["roles"] == Counter(tensor.role for tensor in trace(arch).tensors)
    assert (found["axes"], found["task"]) == (arch.axes, arch.task)
    assert set(found["options"]) == set(arch.options)
    assert set(found["presets"]) == set(arch.presets)


@pytest.mark.parametrize("name", [name for name in SHIPPED if DETAILS[name]["options"]])
def test_every_value_that_is_listed_can_be_set(name):
    for key, option in DETAILS[name]["options"].items():
        for value in option["values"] or [option["default"]]:
            assert load_arch(name, {key: str(value)}).options[key] == value


def test_options_say_what_they_allow():
    options = DETAILS["gpt"]["options"]
    assert options["norm"] == {
        "default": "layer",
        "values": ["layer", "rms"],
        "allowed": "'layer' or 'rms'",
    }
    assert options["bias"]["allowed"] == "true or false"
    assert options["kv_heads"]["allowed"] == "a whole number of at least 1 or none"


def test_options_are_written_with_their_default_first():
    lines = arch_lines(DETAILS["gpt"])
    for words in ("norm layer|rms", "heads_per_width 2", "kv_heads none|NUMBER", "bias false|true"):
        assert words in lines["options"]
    assert lines["presets"].startswith("llama (norm rms, mlp swiglu, encoding rotary)")
    assert lines["axes"] == "width 32, depth 2, heads 2, ffn 4"


BROKEN = {
    "syntax.py": ("def build(:", r"syntax\.py cannot be run: SyntaxError"),
    "raises.py": ("1 / 0", r"raises\.py cannot be run: ZeroDivisionError"),
    "empty.py": ("", r"must define `arch = paramsearch\.Arch"),
    "build.py": (
        "import paramsearch\narch = paramsearch.Arch(lambda **_: 1 / 0, {'width': 8})",
        r"architecture 'build' fails at build at width=8: ZeroDivisionError",
    ),
    "task.py": (
        "import paramsearch\narch = paramsearch.Arch(dict, {'width': 8}, task='digit')",
        r"unknown task 'digit'; did you mean 'digits'",
    ),
}


@pytest.mark.parametrize("file", BROKEN)
def test_one_that_cannot_be_built_says_why_and_the_others_are_listed(own_archs, file):
    text, says = BROKEN[file]
    (own_archs / file).write_text(text)
    (own_archs / "good.py").write_text((ROOT / "archs" / "mlp.py").read_text())
    about = listed("archs")["about"]
    assert re.search(says, about[Path(file).stem]["error"])
    assert about["good"]["parameters"] == DETAILS["mlp"]["parameters"]
    assert arch_lines(about[Path(file).stem]) == {"error": about[Path(file).stem]["error"]}


@pytest.mark.parametrize("installed", [True, False])
def test_what_needs_an_extra_says_how_to_get_it(monkeypatch, installed):
    library = "json" if installed else "no_such_library"
    monkeypatch.setitem(list_archs.LIBRARIES, "timm", library)
    monkeypatch.setitem(list_tasks.LIBRARIES, "hf:DATASET", ("hf", library))
    archs, tasks = arch_details()["timm:MODEL"], task_details()["hf:DATASET"]
    assert archs == {"extra": "timm", "installed": installed}
    wanted = "timm, installed" if installed else "not installed: pip install 'paramsearch[timm]'"
    assert arch_lines(archs)["extra"].endswith(wanted)
    assert task_lines(tasks)["extra"].endswith(wanted.replace("timm", "hf"))


@pytest.mark.parametrize("name", [name for name, entry in TASKS.items() if not entry.needs_word])
def test_a_task_is_as_it_is_when_it_is_made(name):
    task, found = load_task(name), task_details()[name]
    assert found["dims"] == task.dims and found["loss_floor"] == task.loss_floor


def test_cifar10_is_as_it_is_when_it_is_made(tmp_path):
    for file in (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"):
        (tmp_path / file).write_bytes(bytes(RECORD) + bytes([9]) + bytes(RECORD - 1))
    assert load_task(f"cifar10:{tmp_path}").dims == task_details()["cifar10:FOLDER"]["dims"]


def test_a_task_that_cannot_be_made_says_why(monkeypatch):
    def refuse(name):
        raise ParamsearchError(f"no {name}")

    monkeypatch.setattr(facts, "load_task", refuse)
    assert task_lines(task_details()["bytes"])["error"] == "no bytes"


def test_the_documented_tasks_are_those_that_there_are():
    text = (ROOT / "docs" / "tasks.md").read_text()
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \| (.+) \| (.+) \|$", text, re.MULTILINE)
    table = {name: cells for name, *cells in rows}
    assert set(table) == set(described_tasks()) == set(re.findall(r"^- \*\*(.+)\*\*:", text, re.M))
    for name, found in task_details().items():
        shapes, floor, options = table[name]
        lines = task_lines(found)
        assert lines["shapes"] in ("", shapes) and options == lines["options"]
        assert (floor == "-") == (lines["floor"] == "")
        if floor != "-":
            assert float(floor) == pytest.approx(found["loss_floor"], abs=0.1)


def test_a_terminal_shows_the_details(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    text = re.sub(r"\x1b\[[0-9;]*m", "", CliRunner().invoke(app, ["list", "tasks"]).stdout)
    assert "16 tokens of 256 → 256" in text and "floor   2.4" in text
    assert max(map(len, text.splitlines())) <= 80


def test_json_of_other_kinds_has_descriptions():
    found = listed("rules")
    assert list(found["about"]) == found["rules"]
    assert found["about"]["mup"]["description"].startswith("[adam] Maximal update")
    assert "about" not in listed()


def test_the_documented_json_is_there():
    text = (ROOT / "docs" / "json.md").read_text().split("Every name under `about`")[1]
    gpt, bytes_ = listed("archs")["about"]["gpt"], listed("tasks")["about"]["bytes"]
    wanted = {"description", *gpt, *bytes_, *gpt["options"]["norm"]}
    assert wanted <= set(re.findall(r"`([a-z_]+)`", text))


def test_a_sentence_does_not_end_at_an_abbreviation():
    assert first_sentence("As He et al. 2016 did. More.") == "As He et al. 2016 did"
    assert first_sentence(None) == ""
