import pytest
import torch
from nasty_models import ConvNet, InOut, Numbers, Raw, Recurrent, Transformer, Words
from torch import nn

from paramsearch.catalog import names
from paramsearch.errors import ParamsearchError
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import Arch, load_arch
from paramsearch.tracing.static import describe
from paramsearch.tracing.trace import trace


def known(tensors):
    """What both ways of looking at a model must agree on; only a run shows residual branches."""
    return {t.name: (t.shape, t.op, t.role, t.fan_in, t.fan_out, t.tied) for t in tensors}


def build(model, task, **scale):
    return model(**task.dims, **scale)


RAW = {"moe_gpt", "ssm", "uv", "vit"}  # hold matrices of their own, which only a run explains


def both_ways(name, task, run):
    arch = load_arch(name)
    task = load_task(task or arch.task)
    scale = {axis: 2 * size for axis, size in arch.axes.items()}
    inputs = task.batch(0)[0] if run else None
    found = describe(arch.model(task.dims, scale), arch.model(task.dims), inputs=inputs)
    return known(found), known(trace(arch, task=task, scale=scale).tensors)


@pytest.mark.parametrize("run", [False, True])
@pytest.mark.parametrize("name", names("architecture"))
def test_agrees_with_the_trace_of_every_shipped_architecture(name, run):
    static, traced = both_ways(name, None, run or name in RAW)
    assert static == traced


@pytest.mark.parametrize("name", ["mlp", "resmlp"])
def test_agrees_with_the_trace_on_tokens(name):
    static, traced = both_ways(name, "next_byte", run=False)
    assert static == traced


@pytest.mark.parametrize(("model", "task"), [(ConvNet, Numbers()), (Recurrent, Words())])
def test_agrees_with_the_trace_of_torch_modules(model, task):
    found = describe(build(model, task, width=16), build(model, task, width=8))
    assert known(found) == known(trace(Arch(model, {"width": 16}), task=task).tensors)


def test_running_the_model_decides_raw_parameters():
    task, axes = Words(), {"width": 16, "heads": 2, "depth": 2}
    wide, base = build(Transformer, task, **axes), build(Transformer, task, **axes | {"width": 8})
    with_run = describe(wide, base, inputs=task.batch(0)[0])
    assert known(with_run) == known(trace(Arch(Transformer, axes), task=task).tensors)
    assert {t.residual for t in with_run if t.name.startswith("blocks")} == {True}


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    describe(model, nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4)), inputs=torch.zeros(2, 6))
    assert model.training and all(module.training for module in model)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_undecided_matrices_are_listed():
    task = Numbers()
    models = build(InOut, task, width=16), build(InOut, task, width=8)
    with pytest.raises(ParamsearchError, match=r"up\.weight \(6, 16\) in Conv1D, .*inputs="):
        describe(*models)
    assert describe(*models, inputs=task.batch(0)[0])[0].role == "input"
    with pytest.raises(ParamsearchError, match="the model fails on the given inputs: RuntimeError"):
        describe(*models, inputs=torch.zeros(2, 3))


def test_growth_is_relative_to_the_largest_ratio():
    found = describe(nn.Linear(10, 4**2), nn.Linear(10, 2**2))
    assert found[0].growth == {"width": (1.0, 0.0)}
    square = describe(nn.Bilinear(64, 64, 8), nn.Bilinear(4, 4, 2))  # 4 ** 2 and 4
    assert square[0].growth == {"width": (0.5, 1.0, 1.0)}


def test_nothing_grows_at_the_base():
    assert {t.role for t in describe(nn.Linear(10, 4), nn.Linear(10, 4))} == {"scalar"}


def test_deeper_models():
    arch, dims = load_arch("mlp"), Numbers().dims
    deep = describe(arch.model(dims, {"width": 64, "depth": 8}), arch.model(dims))
    assert [t.role for t in deep if t.name.startswith("hidden")] == ["hidden", "vector"] * 6
    with pytest.raises(ParamsearchError, match=r"'hidden\.0\.weight' .* no counterpart"):
        describe(arch.model(dims), arch.model(dims, {"depth": 2}))


def test_raw_parameters_that_are_vectors():
    task = Numbers()
    with pytest.raises(ParamsearchError, match="forgotten") as error:
        describe(build(Raw, task, width=16, heads=2), build(Raw, task, width=8, heads=2))
    assert "shift" not in str(error.value)
