"""Roles against microsoft/mup: which dimensions are infinite, and what follows from them."""

from functools import cache

import pytest
from zoo import described
from zoo_attention import CASES as ATTENTION
from zoo_convolutional import CASES as CONVOLUTIONAL
from zoo_hf_text import CASES as TEXT
from zoo_hf_vision import CASES as VISION
from zoo_mup import MODELS, mup
from zoo_unusual import CASES as UNUSUAL

from paramsearch.tracing.static import describe

ZOO = {
    f"{kind} {name}": case
    for kind, cases in {
        "convolutional": CONVOLUTIONAL, "attention": ATTENTION, "text": TEXT, "vision": VISION,
        "unusual": UNUSUAL,
    }.items()
    for name, case in cases.items()
}  # fmt: skip


@cache
def scaled(name):
    """A model with mup's base shapes set, and a smaller one."""
    make, _ = MODELS[name]
    model, base = make(16), make(8)
    return mup.set_base_shapes(model, base, delta=make(12)), base


def roles_by_mup(model, name):
    """The roles that mup's treatment of a tensor allows."""
    infshape = model.get_parameter(name).infshape
    owner = model.get_submodule(name.rpartition(".")[0])
    wide = [size for size in infshape.shape() if size > 1]
    if infshape.ninf() == 0:
        return {"scalar"}
    if infshape.ninf() == 2:
        return {"hidden"}
    if isinstance(owner, mup.MuReadout) and len(infshape) > 1:
        return {"output"}
    return {"input"} if len(wide) > 1 else {"vector"}


def differing(name, inputs):
    model, base = scaled(name)
    found = describe(model, base, inputs=inputs)
    return [t.name for t in found if t.role not in roles_by_mup(model, t.name)]


@pytest.mark.parametrize("name", MODELS)
def test_every_role_is_that_of_its_infshape(name):
    assert differing(name, MODELS[name][1]()) == []


@pytest.mark.parametrize("name", [name for name in MODELS if "transformer" not in name])
def test_and_so_it_is_by_the_types_of_modules_alone(name):
    assert differing(name, None) == []


@pytest.mark.parametrize("name", MODELS)
def test_the_same_dimensions_grow(name):
    model, base = scaled(name)
    infinite = {key: [d.isinf() for d in shape] for key, shape in mup.get_infshapes(model).items()}
    found = describe(model, base, inputs=MODELS[name][1]())
    assert {t.name: [p > 0 for p in t.growth["width"]] for t in found} == infinite


@pytest.mark.parametrize("name", ZOO)
def test_the_zoo_has_hidden_tensors_where_two_dimensions_are_infinite(name):
    case = ZOO[name]
    shapes = mup.make_base_shapes(mup.get_shapes(case.at()), mup.get_shapes(case.at(2)))
    counts = {"scalar": 0, "vector": 1, "input": 1, "output": 1, "hidden": 2}
    found = {t.name: counts[t.role] for t in described(case)}
    assert found == {name: shape.ninf() for name, shape in shapes.items()}


def test_mup_does_not_know_the_orientation_of_a_matrix():
    """GPT-2 of transformers keeps (in, out), and mup takes it for (out, in)."""
    case = TEXT["gpt2"]
    found = next(t for t in described(case) if t.name.endswith("attn.c_attn.weight"))
    shapes = mup.make_base_shapes(mup.get_shapes(case.at()), mup.get_shapes(case.at(2)))
    assert found.fan_in == 16 and found.shape == (16, 48)
    assert shapes[found.name].fanin_fanout()[0].base_dim == 24
