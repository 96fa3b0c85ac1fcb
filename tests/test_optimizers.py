"""Engine optimizers against ``torch.optim`` and plain transcriptions, step by step in float64."""

import pytest
import torch
from optimizer_runs import (
    BY_NAME,
    DECAYS,
    EPS,
    LRS,
    MEMBERS,
    TENSORS,
    assert_same,
    differs,
    gradients,
    hyper,
    info,
    normals,
    run,
)
from plain_optimizers import PLAIN, independent

from paramsearch.errors import ParamsearchError
from paramsearch.rules.degrees import DEGREES
from paramsearch.train.optimizers.adam import adam
from paramsearch.train.optimizers.muon import muon, orthogonalized
from paramsearch.train.optimizers.slim_adam import averaged
from paramsearch.train.optimizers.table import OPTIMIZERS, optimizer_entry

IN_TORCH = [name for name, entry in OPTIMIZERS.items() if entry.reference]


def torch_run(name: str, decays: bool):
    """Parameters after every step with ``torch.optim``, every member and tensor by itself."""
    own = [{n: torch.nn.Parameter(p[m]) for n, p in normals(0).items()} for m in range(MEMBERS)]
    references = []
    for m, tensors in enumerate(own):
        settings = {"lr": LRS[m], "weight_decay": DECAYS[m] if decays else 0.0}
        settings |= {"eps": EPS[m]} if DEGREES[name].eps else {}
        groups = [{"params": [p], **settings} for p in tensors.values()]
        references.append(optimizer_entry(name).reference(groups))
    for grads in gradients():
        for m, reference in enumerate(references):
            for n, p in own[m].items():
                p.grad = grads[n][m].clone()
            reference.step()
        yield {n: torch.stack([tensors[n].detach() for tensors in own]) for n in BY_NAME}


def plain_run(step, decays: bool, **options):
    """Parameters after every step of a plain function of one tensor."""
    params, memory = normals(0), {}
    for t, grads in enumerate(gradients(), start=1):
        new = {name: torch.empty_like(p) for name, p in params.items()}
        for name, tensor in BY_NAME.items():
            for m in range(MEMBERS):
                own = memory.setdefault((name, m), {})
                settings = (t, LRS[m], DECAYS[m] if decays else 0.0, EPS[m])
                w, g = params[name][m], grads[name][m]
                new[name][m] = step(tensor, w, g, own, *settings, **options)
        params = new
        yield params


@pytest.mark.parametrize("name", IN_TORCH)
@pytest.mark.parametrize("decays", [False, True])
def test_every_member_equals_torch_optim(name, decays):
    assert_same(run(optimizer_entry(name).make(TENSORS), decays), list(torch_run(name, decays)))


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("decays", [False, True])
def test_every_member_equals_the_paper(name, decays):
    path = run(optimizer_entry(name).make(TENSORS), decays)
    assert_same(path, list(plain_run(PLAIN[name], decays)), atol=1e-10)


def test_every_optimizer_has_a_reference():
    assert {*IN_TORCH, *PLAIN} == set(OPTIMIZERS) == set(DEGREES)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_does_something(name):
    optimizer = optimizer_entry(name).make(TENSORS)
    assert differs(run(optimizer, decays=True), run(optimizer, decays=False))


def test_independent_decay_follows_the_schedule_and_not_the_learning_rate():
    path = run(adam(decay="independent"), decays=True, schedule=0.5)

    def slower(tensor, w, g, memory, t, lr, wd, eps):
        return independent(tensor, w, g, memory, t, 0.5 * lr, wd, eps, schedule=0.5)

    assert_same(path, list(plain_run(slower, decays=True)))


def test_muon_equals_torch_optim_to_the_accuracy_of_bfloat16():
    shapes = {"tall": (6, 4), "wide": (3, 5)}
    tensors = [info(n, s, "linear", "hidden", (s[1], s[0])) for n, s in shapes.items()]
    optimizer, start = muon(tensors), normals(0, tuple(tensors))
    grads = [normals(seed, tuple(tensors)) for seed in range(1, 21)]
    plain = {n: torch.nn.Parameter(p[0].clone()) for n, p in start.items()}
    reference = torch.optim.Muon(plain.values(), lr=0.1, weight_decay=0.1)
    settings = hyper(decays=True)._replace(
        lr={n: torch.full((3, 1, 1), 0.1) for n in shapes},
        weight_decay={n: torch.full((3, 1, 1), 0.1) for n in shapes},
    )
    params, state = start, optimizer.init(start)
    for step in grads:
        updates, state = optimizer.update(step, state, params, settings)
        params = {n: p + updates[n] for n, p in params.items()}
        for n, p in plain.items():
            p.grad = step[n][0].clone()
        reference.step()
    for n, p in plain.items():
        torch.testing.assert_close(params[n][0], p.data, rtol=0, atol=0.02)
        assert (params[n][0] - start[n][0]).abs().max() > 0.3


@pytest.mark.parametrize("shape", [(2, 8, 8), (2, 12, 5), (3, 2, 5, 12)])
def test_orthogonalized_matrices_have_singular_values_near_one(shape):
    found = orthogonalized(torch.randn(shape, generator=torch.Generator().manual_seed(0)))
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.3
    assert values.max() < 1.3


SLIM_RULES = {
    "blocks.0.attn.k.weight": (("linear", "hidden", (8, 8)), (1,)),
    "attn.q_proj.weight": (("linear", "hidden", (8, 8)), (1,)),
    "attn.wk.weight": (("linear", "hidden", (8, 8)), (1,)),
    "attn.to_q.weight": (("linear", "hidden", (8, 8)), (1,)),
    "attention.key.weight": (("linear", "hidden", (8, 8)), (1,)),
    "attn.v_proj.weight": (("linear", "hidden", (8, 8)), (0,)),
    "attn.out.weight": (("linear", "hidden", (8, 8)), (0,)),
    "mlp.up.weight": (("linear", "hidden", (16, 8)), (0,)),
    "attn.qkv.weight": (("linear", "hidden", (24, 8)), ()),
    "attn.in_proj_weight": (("linear", "hidden", (24, 8)), ()),
    "wte.weight": (("embedding", "input", (65, 8)), (1,)),
    "tied.weight": (("tied", "input", (65, 8)), (1,)),
    "positions": (("add", "vector", (16, 8)), (1,)),
    "patches.weight": (("conv", "input", (8, 3, 4, 4)), (1, 2, 3)),
    "conv2.weight": (("conv", "hidden", (8, 8, 3, 3)), ()),
    "head.weight": (("linear", "output", (65, 8)), (1,)),
    "head.bias": (("linear", "vector", (65,)), ()),
    "gates": (("mul", "vector", (4, 8)), ()),
}


@pytest.mark.parametrize("name", SLIM_RULES)
def test_slim_adam_averages_by_layer_type(name):
    (op, role, shape), dims = SLIM_RULES[name]
    fan_in = shape[0] if op == "embedding" else shape[-1]
    assert averaged(info(name, shape, op, role, (fan_in, shape[0]))) == dims


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_has_members_in_front_and_counts_updates(name):
    optimizer, params = optimizer_entry(name).make(TENSORS), normals(0)
    _, state = optimizer.update(
        gradients(1)[0], optimizer.init(params), params, hyper(decays=False)
    )
    assert all(len(v) == MEMBERS for slot in state.slots.values() for v in slot.values())
    assert state.step.item() == 1


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_gradients_and_parameters_stay_as_they_are(name):
    optimizer, params, grads = optimizer_entry(name).make(TENSORS), normals(0), normals(1)
    optimizer.update(grads, optimizer.init(params), params, hyper(decays=True))
    assert_same([params, grads], [normals(0), normals(1)], atol=0.0)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_member_that_is_lost_does_not_disturb_the_others(name):
    optimizer, params = optimizer_entry(name).make(TENSORS), normals(0)
    state, lost = optimizer.init(params), optimizer.init(params)
    for grads in gradients(12):
        bad = {n: g.clone() for n, g in grads.items()}
        for g in bad.values():
            g[1] = torch.nan
        updates, state = optimizer.update(grads, state, params, hyper(decays=True))
        beside, lost = optimizer.update(bad, lost, params, hyper(decays=True))
        kept = [{n: u[[0, 2]] for n, u in some.items()} for some in (beside, updates)]
        assert_same(kept[:1], kept[1:])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates_have_the_parameters_dtype(name):
    optimizer = optimizer_entry(name).make(TENSORS)
    half = [{n: v.float() for n, v in normals(s).items()} for s in range(2)]
    settings = hyper(decays=True)
    single = [{n: v.float() for n, v in column.items()} for column in settings[:3]]
    updates, _ = optimizer.update(
        half[1], optimizer.init(half[0]), half[0], type(settings)(*single, True)
    )
    assert {u.dtype for u in updates.values()} == {torch.float32}


def test_an_unknown_optimizer_names_the_known_ones():
    with pytest.raises(ParamsearchError, match=r"unknown optimizer 'adm'.*'adam'.*sgd"):
        optimizer_entry("adm")
