"""A factory of the user's own as an architecture, and axes that set its arguments."""

import json
import pickle

import pytest
from typer.testing import CliRunner

from paramsearch.cli.main import app
from paramsearch.errors import ParamsearchError
from paramsearch.jobs.search import search
from paramsearch.jobs.verify import verify
from paramsearch.tracing.arch import Arch, load_arch
from paramsearch.tracing.axes import declared
from paramsearch.tracing.trace import trace

MODULE = """
from torch import nn

class Net(nn.Module):
    def __init__(self, inputs, outputs, hidden=8, inner=24, layers=2, act="relu", extra=None):
        super().__init__()
        self.enter, self.head = nn.Linear(inputs, hidden), nn.Linear(hidden, outputs)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(hidden, inner), nn.ReLU(), nn.Linear(inner, hidden))
            for _ in range(layers)
        )

    def forward(self, x):
        x = self.enter(x)
        for layer in self.layers:
            x = x + layer(x)
        return self.head(x)

def bare(inputs, outputs, hidden, **rest):
    return Net(inputs, outputs, hidden)

def alone(*, width=8):
    return Net(64, 10, width)

def ignores(inputs, outputs, hidden=8):
    return Net(inputs, outputs)

def positional(inputs, outputs, hidden=8, /):
    return Net(inputs, outputs, hidden)

number = 3
"""
NAME = "factory_package.model:Net"
DIMS = {"inputs": 64, "outputs": 10, "channels": 3}


@pytest.fixture(autouse=True)
def folder(tmp_path_factory, monkeypatch):
    """A working directory with a package of the user's."""
    place = tmp_path_factory.getbasetemp() / "factories"
    (place / "factory_package").mkdir(parents=True, exist_ok=True)
    (place / "factory_package" / "model.py").write_text(MODULE)
    (place / "factory_broken.py").write_text("raise RuntimeError('not today')")
    monkeypatch.chdir(place)
    return place


def test_arguments_are_options_and_the_task_fills_in_its_own():
    arch = load_arch(NAME, {"layers": "3", "act": "gelu"})
    assert (arch.axes, arch.task, arch.vocabulary) == ({}, "digits", None)
    assert set(arch.options) == {"hidden", "inner", "layers", "act", "extra"}
    assert len(arch.model(DIMS).layers) == 3
    assert load_arch("factory_package.model:alone").model(DIMS).head.in_features == 8


def test_an_argument_is_an_axis_by_its_name():
    assert trace(NAME, axis="inner").scale == {"inner": 24}


def test_a_declared_axis_sets_its_arguments_in_proportion():
    arch = load_arch(NAME, {"axis:width": "hidden+inner", "hidden": "16"})
    assert arch.axes == {"width": 16}
    model = arch.model(DIMS, {"width": 32})
    assert (model.enter.out_features, model.layers[0][0].out_features) == (32, 48)
    tensors = {t.name: t for t in trace(arch, axis="width").tensors}
    assert tensors["layers.0.2.weight"].growth == {"width": (1.0, 1.0)}
    assert tensors["head.weight"].role == "output"


def test_declared_axes_have_base_sizes_that_can_be_set():
    arch = load_arch(NAME).along("width=hidden+inner").along("depth=layers")
    assert arch.having({"width": 16}).axes == {"width": 16, "depth": 2}
    assert arch.having({"width": 16}).model(DIMS).layers[0][0].out_features == 48
    assert arch.having({"hidden": 4}).axes["width"] == 4


def test_a_declared_axis_replaces_the_axes_that_it_sets():
    arch = load_arch("mlp").along("size=width")
    assert (arch.axes, arch.arguments) == ({"depth": 3, "size": 32}, {"size": ("width",)})
    assert arch.model({"inputs": 2, "outputs": 3}, {"size": 64}).input.out_features == 64


def test_fields_of_a_configuration_can_be_declared():
    pytest.importorskip("transformers")
    arch = load_arch("hf:llama", {"axis:width": "hidden_size", "hidden_size": "16"})
    assert arch.axes == {"depth": 2, "width": 16}
    dims = {"inputs": 4, "outputs": 8, "vocabulary": 8}
    model = arch.model(dims, {"width": 32})
    assert model.lm_head.in_features == 32
    assert model.model.layers[0].mlp.up_proj.out_features == 64  # stays: 4 widths of the base


def test_a_factory_can_be_sent_to_another_process():
    arch = load_arch(NAME, {"axis:width": "hidden"})
    assert pickle.loads(pickle.dumps(arch)).model(DIMS).head.in_features == 8


def test_the_command_line_takes_declared_axes():
    words = ["trace", NAME, "--axis", "width=hidden+inner,depth=layers", "--by", "module", "--json"]
    ended = CliRunner().invoke(app, words)
    assert ended.exit_code == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["scale"] == {"width": 8, "depth": 2}
    assert {"enter", "layers.0", "layers.2", "head"} <= set(found["modules"])
    branches = {tensor["name"]: tensor["branches"] for tensor in found["tensors"]}
    assert (branches["head.weight"], branches["layers.1.2.weight"]) == (0, 2)


OBJECTIVE = """paramsearch: 1
name: tiny
fidelity:
  ratios: [1, 2, 4]
  steps: 4
  seeds: 1
  lr: {low: 0.0001, high: 0.5, step: 2, window: 2}
weights: {loss: 1, lr_collapse: 1, sharpness_collapse: 0, probe_slopes: 0}
"""


@pytest.mark.slow
def test_a_search_and_its_verification_keep_the_declaration(folder):
    (folder / "tiny.yaml").write_text(OBJECTIVE)
    asked = {"axis": "width=hidden+inner", "objective": "./tiny.yaml", "budget": 16}
    result = search(NAME, out="run", solve=False, space="lr-only", **asked)
    assert "--axis width" in result.rule.source
    assert "--set axis:width=hidden+inner" in result.rule.source
    found = verify("run", [32], seeds=1, dense=True, allow_searched=True)
    assert found.certificate["axis"] == "width" and found.certificate["base_scale"] == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("width=", r"axis: received 'width='; allowed: NAME=ARGUMENT"),
        ("width=64", r"axis: received 'width=64'; allowed: NAME=ARGUMENT"),
        ("=hidden", r"axis: received '=hidden'; allowed"),
        ("width=hidden+hidden", r"axis: received 'width=hidden\+hidden'; allowed"),
    ],
)
def test_bad_declarations(text, message):
    with pytest.raises(ParamsearchError, match=message):
        declared(text)
    with pytest.raises(ParamsearchError, match=message):
        load_arch(NAME).along(text)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        (NAME, {"axis:width": "hiden"}, "unknown argument of '.*:Net' 'hiden'; did you mean 'hid"),
        (NAME, {"axis:width": "act"}, "argument 'act' is 'relu'; allowed: a whole number of at l"),
        (NAME, {"axis:width": "extra"}, "'extra' is None; allowed: .* --set extra=64 would give"),
        (
            NAME,
            {"axis:width": "hidden", "axis:size": "inner+hidden"},
            "axes 'width' and 'size' of .* both set argument 'hidden'; allowed: each argument",
        ),
        ("factory_package.model:bare", {}, "'hidden' has no default; give it .* --set hidden=64"),
        ("factory_package.model:positional", {}, "argument 'inputs' has no keyword"),
        ("factory_package.model:number", {}, "received 3; allowed: a function or class that"),
        ("factory_package.model:net", {}, "module 'factory_package.model' has no function 'net'"),
        ("factory_package.none:net", {}, "module 'factory_package.none' cannot be imported"),
        ("factory_broken:net", {}, "module 'factory_broken' cannot be imported .not today"),
        ("factory_none:net", {}, "unknown architecture 'factory_none'.* nor is there a module 'fa"),
    ],
)
def test_bad_factories(name, settings, message):
    with pytest.raises(ParamsearchError, match=message):
        load_arch(name, settings)


def test_arguments_must_stay_whole():
    arch = load_arch(NAME, {"axis:width": "hidden+layers"})
    with pytest.raises(ParamsearchError, match=r"'width' at 9 would set layers to 2\.25, 9/8"):
        arch.model(DIMS, {"width": 9})


def test_no_axis_sets_what_another_sets():
    with pytest.raises(ParamsearchError, match=r"axes 'width' and 'hidden' of .* both set"):
        load_arch(NAME, {"axis:width": "hidden"}).along("hidden")


def test_a_factory_that_ignores_its_axis():
    with pytest.raises(ParamsearchError, match=r"axis 'width' of .* scales nothing: doubling it"):
        trace("factory_package.model:ignores", axis="width=hidden")


def test_an_arch_of_ones_own_may_declare_axes_too():
    arch = Arch(lambda **sizes: sizes, {}, options={"a": 2, "b": 3}).along("width=a+b")
    assert arch.model({}, {"width": 4}) == {"a": 4, "b": 6}
