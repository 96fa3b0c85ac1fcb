"""Tensors of one shape updated as one, and what torch's compiler need not do."""

import gc
import warnings

import pytest
import sympy
import torch
from test_execution import Execution, Recipe, assert_same, trained, workload
from torch._inductor import config, ir
from torch._inductor.codegen import cpp
from torch._inductor.dtype_propagation import DtypePropagationOpsHandler

from paramsearch.train import compiled
from paramsearch.train.optimizers.table import OPTIMIZERS, optimizer_entry
from paramsearch.train.schedule import Schedule
from paramsearch.train.shortcuts import coefficient, shortcuts
from paramsearch.train.wide import groups_of

CPU = torch.device("cpu")
STEADY = [name for name in OPTIMIZERS if name != "soap"]


def grouped(work, optimizer):
    params = {t.name: torch.empty(2, *t.shape) for t in work.tensors}
    return groups_of(params, optimizer_entry(optimizer).make(work.tensors))


def test_tensors_of_one_shape_are_one_where_the_optimizer_treats_them_alike():
    work = workload("gpt", 32)
    shapes = {t.name: t.shape for t in work.tensors}
    plain = grouped(work, "adam")
    assert sorted(name for names in plain.values() for name in names) == sorted(shapes)
    assert len(plain) == len(set(shapes.values())) < len(shapes)
    assert all(shapes[name] == shapes[first] for first, names in plain.items() for name in names)
    squares = {name for name, shape in shapes.items() if shape == (32, 32)}
    hidden = {t.name for t in work.tensors if t.role == "hidden"}
    muon = [set(names) & squares for names in grouped(work, "muon").values()]
    assert squares & hidden in muon and squares - hidden in muon
    inward = {name for name in squares if ".query." in name or ".key." in name}
    slim = [set(names) & squares & hidden for names in grouped(work, "slim-adam").values()]
    assert inward and inward in slim and squares & hidden - inward in slim


@pytest.mark.parametrize("optimizer", STEADY)
def test_a_compiled_step_of_many_equal_layers_gives_the_numbers_of_an_eager_one(
    optimizer, monkeypatch
):
    monkeypatch.setattr(compiled, "_compile", lambda graph, *_: graph)
    work = workload("resmlp", 16)
    assert any(len(names) > 1 for names in grouped(work, optimizer).values())
    recipe = Recipe(optimizer, 12, schedule=Schedule("cosine"), weight_decay=0.1)
    eager = trained(work, recipe, Execution(compile=False))
    assert_same(
        trained(work, recipe, Execution(compile=True, chunk=4)), eager, rtol=1e-9, atol=1e-12
    )


def test_strides_are_those_that_torch_finds():
    x, y, z = sympy.symbols("d0 d1 d2", integer=True)
    indices = [x + 4, 3 * x + 2 * y, 64 * y + z + 7, sympy.Integer(5), 2 * x + 3 * x, -x + y]
    for index in indices:
        for variable in (x, y, z):
            found = cpp.stride_at_vec_range(index, variable, 16)
            assert coefficient(index, variable) == found
    others = [x * y, x**2, (x + 1) * y, sympy.floor(x / 2), sympy.Symbol("s") * x]
    assert [coefficient(index, x) for index in others] == [None] * 5


def patched():
    """Give all that is replaced in torch's compiler meanwhile."""
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        from torch._inductor import compile_fx

    return (
        cpp.stride_at_vec_range,
        config.pattern_matcher,
        config.graph_partition,
        ir.ConcatKernel.can_realize_into_without_copy,
        DtypePropagationOpsHandler.__init__,
        compile_fx.fake_tensor_prop,
        gc.isenabled(),
    )


def test_torch_is_left_as_it_was():
    before = patched()
    with pytest.raises(KeyError), shortcuts(CPU):
        assert all(one != other for one, other in zip(patched(), before, strict=True))
        raise KeyError
    assert patched() == before
    with shortcuts(torch.device("cuda")):
        assert patched() == before
