"""Every steady update can be compiled as one graph, and gives the same as without."""

import pytest
import torch
from optimizer_runs import DOUBLE, MEMBERS, TENSORS, assert_same, gradients, hyper, normals

from paramsearch.train.clip import clip
from paramsearch.train.optimizers.interface import Hyper, State
from paramsearch.train.optimizers.table import OPTIMIZERS, optimizer_entry

SOME = tuple(t for t in TENSORS if t.name in ("down.weight", "conv.weight", "norm.weight"))
QUICK = ("adam", "lion", "muon", "adafactor")
STEADY = [name for name in OPTIMIZERS if name != "soap"]  # it turns its bases now and then
FEW = [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in STEADY]
STEPS = 12  # SOAP turns its bases after steps 1 and 11


def compiled(function):
    torch.compiler.reset()
    return torch.compile(function, backend="aot_eager", fullgraph=True)


def path(optimizer, update, members: int = MEMBERS):
    """Parameters after every step; the schedule is a tensor, as the engine may hand it over."""
    columns = [{n: v[:members] for n, v in c.items()} for c in hyper(decays=True)[:3]]
    params = {n: p[:members] for n, p in normals(0, SOME).items()}
    state = optimizer.init(params)
    for grads in gradients(STEPS):
        some = {n: grads[n][:members] for n in params}
        schedule = torch.tensor(0.5, dtype=DOUBLE)
        updates, state = update(some, state, params, Hyper(*columns, True, schedule))
        params = {n: p + updates[n] for n, p in params.items()}
        yield params


@pytest.mark.parametrize("name", FEW)
def test_a_compiled_update_equals_the_eager_one(name):
    optimizer = optimizer_entry(name).make(SOME)
    assert optimizer.steady
    update = compiled(optimizer.update)
    with torch.no_grad():
        expected = list(path(optimizer, optimizer.update))
        assert_same(list(path(optimizer, update)), expected, atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["adam", "muon"])
def test_a_compiled_update_takes_other_numbers_of_members(name):
    optimizer = optimizer_entry(name).make(SOME)
    update = compiled(optimizer.update)
    with torch.no_grad():
        for members in (MEMBERS, MEMBERS - 1):
            expected = list(path(optimizer, optimizer.update, members))
            assert_same(list(path(optimizer, update, members)), expected, atol=1e-11)


@pytest.mark.parametrize("name", ["adam", "muon"])
def test_steps_do_not_compile_anew(name):
    optimizer = optimizer_entry(name).make(SOME)
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    torch.compiler.reset()
    update = torch.compile(optimizer.update, backend=backend, fullgraph=True)
    with torch.no_grad():
        list(path(optimizer, update))
    assert len(graphs) == 1


def test_a_state_may_lose_members_midway():
    """What a pure optimizer allows: the rest goes on as it would have."""
    for name in OPTIMIZERS:
        optimizer = optimizer_entry(name).make(TENSORS)
        params, settings = normals(0), hyper(decays=True)
        states = [optimizer.init(params) for _ in range(2)]
        keep = torch.tensor([0, 2])
        _, states[0] = optimizer.update(normals(1), states[0], params, settings)
        _, states[1] = optimizer.update(normals(1), states[1], params, settings)
        slots = {s: {n: v[keep] for n, v in t.items()} for s, t in states[1].slots.items()}
        fewer = [{n: v[keep] for n, v in t.items()} for t in (normals(2), params, *settings[:3])]
        whole, _ = optimizer.update(normals(2), states[0], params, settings)
        part, _ = optimizer.update(
            fewer[0], State(slots, states[1].step), fewer[1], Hyper(*fewer[2:], True)
        )
        assert_same([part], [{n: v[keep] for n, v in whole.items()}])


def test_clipping_compiles():
    grads = normals(1)
    assert_same([compiled(clip)(grads, 2.0)], [clip(grads, 2.0)])
