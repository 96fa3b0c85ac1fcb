"""Image models of timm as architectures."""

import importlib
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from paramsearch.errors import ParamsearchError
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import load_arch
from paramsearch.tracing.trace import trace
from paramsearch.train.workload import prepare


class Patches(nn.Module):
    """Takes the keyword arguments of a vision transformer of timm."""

    def __init__(
        self,
        img_size: int = 224,
        in_chans: int = 3,
        num_classes: int = 1000,
        embed_dim: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        drop_rate: float = 0.1,
        act_layer: type = nn.GELU,
    ):
        super().__init__()
        self.given = (img_size, in_chans, num_classes, num_heads, drop_rate)
        self.inside = nn.Linear(in_chans * img_size**2, embed_dim)
        self.blocks = nn.ModuleList(nn.Linear(embed_dim, embed_dim) for _ in range(depth))
        self.outside = nn.Linear(embed_dim, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.inside(x.flatten(-3))
        for block in self.blocks:
            x = x + block(x).relu()
        return self.outside(x)


class Tables(nn.Module):
    """Has no keyword argument for a size."""

    def __init__(self, in_chans: int = 3, num_classes: int = 1000):
        super().__init__()


def fixed(**given: Any) -> nn.Module:
    return dict(embed_dim=1, **given) and nn.Module()


@pytest.fixture
def fake(monkeypatch):
    models = {"vit": Patches, "net": Tables}
    library = SimpleNamespace(
        __version__="1.0",
        list_models=lambda: [*models],
        create_model=lambda name, **given: models[name](**given),
    )
    monkeypatch.setitem(sys.modules, "timm", library)
    return models


def test_sizes_of_an_image_model(fake):
    arch = load_arch("timm:vit", {"num_heads": "4", "embed_dim": "16"})
    model = arch.model({"inputs": 192, "outputs": 10, "channels": 3}, {"depth": 5})
    assert arch.axes == {"width": 16, "depth": 2}
    assert model.model.given == (8, 3, 10, 4, 0.0) and len(model.model.blocks) == 5
    assert model(torch.zeros(2, 192)).shape == (2, 10)


def test_roles_in_an_image_model(fake):
    roles = {t.name.split(".")[1]: t.role for t in trace("timm:vit").tensors if len(t.shape) > 1}
    assert roles == {"inside": "input", "blocks": "hidden", "outside": "output"}
    assert trace("timm:vit", axis="depth").scale == {"width": 32, "depth": 2}


def test_image_models_that_do_not_fit(fake):
    with pytest.raises(ParamsearchError, match=r"unknown timm model 'vitt'; did you mean 'vit'\?"):
        load_arch("timm:vitt")
    with pytest.raises(ParamsearchError, match="a width needs one of embed_dim, channels, dims"):
        load_arch("timm:net")
    with pytest.raises(ValueError, match="63 inputs are no square image of 1 channel"):
        load_arch("timm:vit").model({"inputs": 63, "outputs": 10})


def test_sizes_that_timm_fixes(fake):
    arch = load_arch("timm:vit")
    fake["vit"] = fixed
    with pytest.raises(ValueError, match=r"timm fixes sizes of vit: .* multiple values"):
        arch.model({"inputs": 64, "outputs": 10})


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ParamsearchError, match=r"extra 'timm': pip install 'paramsearch\[timm\]'"):
        load_arch("timm:resnet18")


def test_a_broken_library_is_quoted(monkeypatch):
    def broken(name: str) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(ParamsearchError, match="import fails with RuntimeError: operator torchvis"):
        load_arch("timm:resnet18")


@pytest.mark.parametrize(
    "name", ["vit_tiny_patch16_224", "resnet18", "convnext_atto", "swin_tiny_patch4_window7_224"]
)
def test_models_of_timm(name):
    try:
        importlib.import_module("timm")
    except Exception as error:
        pytest.skip(f"timm cannot be imported: {error}")
    arch, task = load_arch(f"timm:{name}"), load_task("digits")
    for axis, size in arch.axes.items():
        scaled = trace(arch, task=task, scale={axis: 2 * size})
        assert list(scaled.groups("module")) == list(trace(arch, task=task).groups("module"))
    assert prepare(arch, task, {}).backend.name == "stacked"
