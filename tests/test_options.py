import pytest
import torch
from torch import Tensor, nn

import paramsearch
from paramsearch.errors import ParamsearchError
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import Arch, load_arch
from paramsearch.tracing.output import total_loss
from paramsearch.tracing.trace import trace
from paramsearch.train.workload import prepare

KNOWN = {"depth": 2, "tied": False, "p": 0.5, "norm": ("layer", "rms"), "kv_heads": None, "at": "x"}


def mine(tmp_path, text: str) -> str:
    file = tmp_path / "mine.py"
    file.write_text(
        "import paramsearch, torch\n"
        "def build(inputs, outputs, width, **given):\n"
        "    model = torch.nn.Linear(inputs, outputs)\n"
        "    model.given = given\n"
        "    return model\n"
        f"arch = paramsearch.Arch(build, {{'width': 8}}, {text})\n"
    )
    return str(file)


@pytest.mark.parametrize(
    ("key", "given", "value"),
    [
        ("width", "16", 16),
        ("depth", "3", 3),
        ("depth", 3, 3),
        ("tied", "yes", True),
        ("tied", "0", False),
        ("p", "1", 1.0),
        ("norm", "RMS", "rms"),
        ("kv_heads", "4", 4),
        ("kv_heads", "None", None),
        ("kv_heads", None, None),
        ("at", "anything", "anything"),
    ],
)
def test_text_becomes_a_value(tmp_path, key, given, value):
    arch = load_arch(mine(tmp_path, f"options={KNOWN}"), {key: given})
    found = {**arch.axes, **arch.model({"inputs": 2, "outputs": 3}).given}[key]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("key", "given", "message"),
    [
        (
            "widht",
            "2",
            r"unknown option of architecture 'mine' 'widht'; did you mean 'width'\? \(k",
        ),
        (
            "width",
            "0",
            "architecture 'mine': width: received '0'; allowed: a whole number of at le",
        ),
        ("width", 2.0, "width: received 2.0; allowed: a whole number of at least 1"),
        ("depth", "two", "depth: received 'two'; allowed: a whole number of at least 1"),
        ("depth", True, "depth: received True; allowed: a whole number"),
        ("tied", "maybe", "tied: received 'maybe'; allowed: true or false"),
        ("p", "nan", "p: received 'nan'; allowed: a number"),
        ("norm", "batch", "norm: received 'batch'; allowed: 'layer' or 'rms'"),
        (
            "kv_heads",
            "-1",
            "kv_heads: received '-1'; allowed: a whole number of at least 1 or none",
        ),
        ("at", 3, "at: received 3; allowed: text"),
    ],
)
def test_bad_settings(tmp_path, key, given, message):
    with pytest.raises(ParamsearchError, match=message):
        load_arch(mine(tmp_path, f"options={KNOWN}"), {key: given})


def test_a_preset_sets_options_axes_and_task(tmp_path):
    text = f"options={KNOWN}, presets={{'deep': {{'depth': 9, 'width': 4, 'task': 'teacher'}}}}"
    arch = load_arch(mine(tmp_path, text) + ":deep", {"depth": 8})
    assert (arch.name, arch.task, arch.axes) == ("mine:deep", "teacher", {"width": 4})
    assert arch.model({"inputs": 2, "outputs": 3}).given["depth"] == 8


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        (
            "presets={'deep': {}}",
            ":depe",
            "unknown preset of architecture 'mine' 'depe'; did you m",
        ),
        ("", ":deep", r"unknown preset of architecture 'mine' 'deep' \(known: none\)"),
        ("presets={'deep': {'depht': 2}}", ":deep", "unknown option of architecture 'mine:deep'"),
        ("presets={'deep': 3}", "", "presets: received 3 for 'deep'; allowed: a mapping"),
        ("options=[1]", "", r"mine\.py: options: received \[1\]; allowed: a mapping"),
        ("options={'width': 3}", "", "options: received 'width', which is an axis; allowed: each"),
    ],
)
def test_bad_files(tmp_path, text, name, message):
    with pytest.raises(ParamsearchError, match=message):
        load_arch(mine(tmp_path, text) + name)


class Burdened(nn.Linear):
    """Returns a second output."""

    def __init__(self, inputs: int, outputs: int, width: int, second: object = None):
        super().__init__(inputs, outputs)
        self.second = second

    def forward(self, x: Tensor) -> object:
        second = self.weight.square().sum() if self.second is None else self.second
        return super().forward(x), second


def test_an_auxiliary_loss_is_added():
    task = load_task("digits")
    workload = prepare(Arch(Burdened, {"width": 8}), task, {})
    params, batch = dict(workload.model.named_parameters()), workload.batch(0)
    prediction = workload.output(params, batch[0])
    expected = task.loss(prediction, batch[1]) + params["weight"].square().sum()
    torch.testing.assert_close(workload.loss(params, batch), expected)
    assert total_loss(task, prediction, batch[1]) < expected


def test_what_a_model_may_return():
    arch = Arch(lambda **dims: Burdened(**dims, second=torch.zeros(3)), {"width": 8}, name="bad")
    with pytest.raises(
        ParamsearchError,
        match=r"'bad' fails at loss: the model's forward must return .*; received a tuple of "
        r"a tensor of shape \(64, 10\), a tensor of shape \(3,\)",
    ):
        trace(arch, task=load_task("digits"))


def test_an_axis_may_scale_what_is_computed_alone():
    assert trace("looped_gpt", axis="loops").tensors == trace("looped_gpt").tensors


def test_the_public_face_takes_options():
    assert paramsearch.load_arch("gpt", {"depth": "3"}).axes["depth"] == 3
