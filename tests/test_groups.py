import pytest
from nasty_models import ConvNet, Numbers, Transformer, Words

from paramsearch.errors import ParamsearchError
from paramsearch.tracing.arch import Arch, load_arch
from paramsearch.tracing.trace import trace

TRANSFORMER = Arch(Transformer, {"width": 8, "heads": 2, "depth": 2}, name="transformer")


def members(groups):
    """Map each tensor, its block number removed, to its group."""
    return {".".join(p for p in t.name.split(".") if not p.isdigit()): name
            for name, tensors in groups.items() for t in tensors}  # fmt: skip


def test_role_groups():
    found = members(trace("mlp").groups())
    assert set(found.values()) == {"input", "hidden", "output", "vector", "scalar"}
    found = members(trace(Arch(ConvNet, {"width": 8}), task=Numbers()).groups())
    assert found["stem.bias"] == "vector.conv"
    assert found["norm.bias"] == "vector.norm"
    assert found["up.weight"] == "hidden"


def test_residual_vectors_stand_apart():
    found = members(trace("resmlp").groups())
    assert found["blocks.up.weight"] == "hidden"
    assert found["blocks.up.bias"] == "vector.linear.residual"
    assert found["input.bias"] == "vector.linear"


def test_places_split_what_a_block_holds():
    found = members(trace("resmlp").groups("place"))
    assert found["blocks.up.weight"] == "hidden.1"
    assert found["blocks.down.weight"] == "hidden.2"
    assert found["blocks.norm.weight"] != found["blocks.norm.bias"]
    found = members(trace(TRANSFORMER, task=Words()).groups("place"))
    blocks = [group for name, group in found.items() if name.startswith("blocks")]
    assert len(blocks) == len(set(blocks)) == 7


def test_a_bias_is_placed_with_its_weight():
    found = members(trace("mlp").groups("place"))
    assert found["input.bias"] == "vector.input"
    assert found["hidden.bias"] == "vector.hidden"
    assert found["hidden.weight"] == "hidden"


@pytest.mark.parametrize("by", ["role", "place"])
@pytest.mark.parametrize("arch", ["mlp", "resmlp", "transformer"])
def test_groups_are_the_same_at_every_scale(arch, by):
    task = Words() if arch == "transformer" else Numbers()
    arch = TRANSFORMER if arch == "transformer" else load_arch(arch)
    base = members(trace(arch, task=task).groups(by))
    for scale in ({"width": 64}, {"depth": 5}, {"width": 16, "depth": 9}):
        assert members(trace(arch, task=task, scale=scale).groups(by)) == base


def test_unknown_grouping():
    with pytest.raises(ParamsearchError, match="unknown grouping 'roles'; did you mean 'role'"):
        trace("mlp").groups("roles")
