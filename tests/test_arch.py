import pytest
import torch

import paramsearch
from paramsearch.catalog import names
from paramsearch.errors import ParamsearchError
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import load_arch


@pytest.mark.parametrize("task", ["digits", "next_byte", "teacher"])
@pytest.mark.parametrize("name", ["mlp", "resmlp"])
def test_perceptrons_run_on_tasks_of_every_kind(name, task):
    task = load_task(task)
    inputs, target = task.batch(0)
    model = load_arch(name).model(task.dims, {"width": 16})
    assert torch.isfinite(task.loss(model(inputs), target))


@pytest.mark.parametrize("name", names("architecture"))
def test_every_axis_is_an_argument(name):
    arch = load_arch(name)
    assert arch.name == name
    assert arch.ratios[0] == 1 and min(arch.axes.values()) > 0
    arch.model(load_task(arch.task).dims, {axis: 2 * size for axis, size in arch.axes.items()})


def test_users_files_load_by_path(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "import paramsearch, torch\n"
        "def build(inputs, outputs, width): return torch.nn.Linear(inputs, outputs)\n"
        "arch = paramsearch.Arch(build, {'width': 8})\n"
    )
    arch = load_arch(str(file))
    assert isinstance(arch, paramsearch.Arch)
    assert (arch.name, arch.axes, arch.task) == ("mine", {"width": 8}, "digits")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", r"mine\.py must define `arch = paramsearch\.Arch\(.*received arch = None"),
        ("arch = 3", "received arch = 3"),
        ("import nowhere_at_all", "mine.py cannot be run: ModuleNotFoundError"),
    ],
)
def test_bad_files(tmp_path, text, message):
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(ParamsearchError, match=message):
        load_arch(str(file))


def test_unknown_architecture():
    with pytest.raises(ParamsearchError, match="unknown architecture 'mpl'; did you mean 'mlp'"):
        load_arch("mpl")
