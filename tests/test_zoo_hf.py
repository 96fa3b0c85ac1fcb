"""Models of transformers from random configurations: what every tensor is, in three ways."""

import pytest
from zoo import check, described, reached, traced
from zoo_hf_text import CASES as TEXT
from zoo_hf_vision import CASES as VISION

CASES = {f"text {name}": case for name, case in TEXT.items()}
CASES |= {f"vision {name}": case for name, case in VISION.items()}


@pytest.mark.parametrize("name", CASES)
def test_beside_a_smaller_build_every_tensor_is_what_the_table_says(name):
    check(CASES[name].table, described(CASES[name]))


@pytest.mark.parametrize("name", CASES)
def test_as_an_architecture_every_tensor_is_what_the_table_says(name):
    check(CASES[name].table, traced(CASES[name]))


@pytest.mark.parametrize("name", CASES)
def test_autograd_reaches_the_tensors_that_were_seen_at_work(name):
    assert reached(CASES[name]) == {t.name for t in described(CASES[name]) if t.op != "unused"}


@pytest.mark.parametrize(
    ("name", "tensor", "fans"),
    [
        ("text gpt2", "transformer.h.0.attn.c_attn.weight", (16, 48)),  # (in, out)
        ("text gpt2", "transformer.h.0.mlp.c_proj.weight", (64, 16)),
        ("text llama", "model.layers.0.mlp.down_proj.weight", (32, 16)),
        ("text mixtral", "model.layers.0.mlp.experts.gate_up_proj", (16, 64)),  # of one expert
        ("text mixtral", "model.layers.0.mlp.experts.down_proj", (32, 16)),
        ("text mamba", "backbone.layers.0.mixer.conv1d.weight", (4, 64)),
        ("vision regnet", "regnet.encoder.stages.0.layers.0.layer.1.convolution.weight", (36, 32)),
    ],
)
def test_fans(name, tensor, fans):
    found = next(t for t in described(CASES[name]) if t.name == tensor)
    assert (found.fan_in, found.fan_out) == fans
