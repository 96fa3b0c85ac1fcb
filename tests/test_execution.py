"""Ways of going about the same training, which must give the same numbers."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import paramsearch
from paramsearch.errors import ParamsearchError
from paramsearch.probes.critical import CriticalSharpness
from paramsearch.probes.features import Features
from paramsearch.probes.first_share import FirstShare
from paramsearch.probes.update_share import UpdateShare
from paramsearch.rules.degrees import FORMS
from paramsearch.rules.rule import Rule
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import Arch, load_arch
from paramsearch.train import chunk, engine
from paramsearch.train import compiled as compiled_step
from paramsearch.train.cost import Cost, chunk_size, compiling_pays
from paramsearch.train.engine import cost_of, train
from paramsearch.train.optimizers.table import OPTIMIZERS, optimizer_entry
from paramsearch.train.population import Member
from paramsearch.train.recipe import Engine, Execution, Recipe
from paramsearch.train.schedule import Schedule
from paramsearch.train.workload import prepare

MEMBERS = [Member(0, 1e-3, 0), Member(0, 3e-3, 1), Member(0, 1e-2, 2), Member(0, 3e-2, 0)]
PROBES = [UpdateShare(), Features()]
CPU = torch.device("cpu")


def workload(arch="mlp", width=64, dtype=torch.float64, **engine):
    found = load_arch(arch) if isinstance(arch, str) else arch
    task = load_task(found.task)
    return prepare(found, task, {"width": width}, dtype=dtype, engine=Engine(**engine))


def trained(work, recipe=None, execution=None, probes=PROBES, members=MEMBERS):
    recipe = recipe or Recipe("adam", 10)
    rule = Rule.load("mup" if recipe.optimizer in FORMS.values() else "sp", recipe.optimizer)
    return train(work, [rule], members, recipe, probes, execution=execution)


def assert_same(found, expected, **tolerance):
    torch.testing.assert_close(found.losses, expected.losses, **tolerance)
    torch.testing.assert_close(found.probes, expected.probes, **tolerance)


@pytest.fixture
def quick_compiler(monkeypatch):
    """Everything of a compiled step but torch's compiler, which takes long."""
    monkeypatch.setattr(compiled_step, "_compile", lambda graph, *_: graph)


@pytest.mark.parametrize(
    ("optimizer", "size"), [("sgd", 4), ("adam", 8), ("muon", 4), ("adafactor", 4)]
)
def test_a_compiled_step_gives_the_numbers_of_an_eager_one(optimizer, size, quick_compiler):
    recipe = Recipe(optimizer, 14, schedule=Schedule("cosine", warmup=0.2), clip=1.0)
    probes = [*PROBES, CriticalSharpness(1e-2, frozenset({2, 5}))]
    eager = trained(workload(width=32), recipe, Execution(compile=False), probes)
    compiled = trained(workload(width=32), recipe, Execution(compile=True, chunk=size), probes)
    assert_same(compiled, eager, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_watched_members_train_like_unwatched_ones(optimizer):
    # Without probes the optimizer is asked tensor by tensor, to save memory.
    rule = Rule.load("sp").model_copy(update={"optimizer": optimizer})
    work, recipe = workload("resmlp", 32), Recipe(optimizer, 12, weight_decay=0.1)
    unwatched, watched = (
        train(work, [rule], MEMBERS[:2], recipe, p) for p in ([], [UpdateShare()])
    )
    torch.testing.assert_close(unwatched.losses, watched.losses, rtol=1e-9, atol=1e-12)


def recorded(step, changed, *_):
    """What a CUDA graph does: it plays a step back on the tensors that were there at its record."""
    seen = []

    def replay(batch, factor):
        before = [tensor._version for tensor in changed]
        losses = step(batch, factor)
        moved = [tensor._version > v for tensor, v in zip(changed, before, strict=True)]
        seen.append(moved)
        assert any(moved) and moved == seen[0]  # they are still those of the members
        return losses

    return replay


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "muon"])
def test_a_recording_and_close_looks_at_single_steps_change_the_same_members(
    optimizer, monkeypatch
):
    probes = [UpdateShare(), FirstShare(), CriticalSharpness(1e-2, frozenset({2, 5, 6}))]
    rule = Rule.load("sp").model_copy(update={"optimizer": optimizer})
    recipe = Recipe(optimizer, 14)
    expected = train(workload(width=32), [rule], MEMBERS, recipe, probes)
    monkeypatch.setattr(chunk, "capture", recorded)
    monkeypatch.setattr(chunk._Chunk, "_records", True)
    assert_same(train(workload(width=32), [rule], MEMBERS, recipe, probes), expected)


def test_a_step_is_compiled_once_for_all_populations(quick_compiler):
    work, notes = workload(), []
    for members in (MEMBERS, MEMBERS[:1], [*MEMBERS, *MEMBERS[:2]]):
        rule, how = Rule.load("mup"), Execution(compile=True, chunk=4)
        train(work, [rule], members, Recipe("adam", 3), execution=how, on_note=notes.append)
    assert len(notes) == 1 and notes[0].startswith("compiled for 4 members in")


def broken(*_, **__):
    raise RuntimeError("no C++ compiler found")


def test_without_a_compiler_it_goes_on_unless_compiling_was_asked_for(monkeypatch):
    monkeypatch.setattr(compiled_step, "_compile", broken)
    monkeypatch.setattr(engine, "compiling_pays", lambda *_: True)
    notes, rule = [], Rule.load("mup")
    found = train(workload(), [rule], MEMBERS, Recipe("adam", 3), on_note=notes.append)
    assert found.final.isfinite().all() and "no C++ compiler found; going on" in notes[0]
    with pytest.raises(ParamsearchError, match="cannot be compiled here: no C"):
        trained(workload(), Recipe("adam", 3), Execution(compile=True))


def test_compiling_is_chosen_by_the_work_ahead():
    cost = cost_of(workload(dtype=torch.float32), Recipe("adam", 40))
    assert not compiling_pays(cost, 10_000) and compiling_pays(cost, 100_000_000)
    assert compiling_pays(replace(cost, traffic=1e12), 10_000)
    assert not compiling_pays(replace(cost, traffic=1e12, operations=10**9), 10_000)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_loop_gives_the_numbers_of_the_stack(optimizer):
    stacked = trained(workload(), Recipe(optimizer, 6))
    looped = trained(workload(backend="loop"), Recipe(optimizer, 6))
    assert_same(looped, stacked, rtol=1e-9, atol=1e-12)


class Picky(nn.Module):
    """Asks for a value of a tensor, which vmap cannot give."""

    def __init__(self, inputs, outputs, width):
        super().__init__()
        self.input, self.readout = nn.Linear(inputs, width), nn.Linear(width, outputs)

    def forward(self, x):
        h = self.input(x)
        return self.readout(h if h.mean() > 0 else 2 * h)


PICKY = Arch(Picky, {"width": 8}, name="picky")


def test_data_dependent_control_flow_is_trained_in_a_loop_that_says_why():
    work = workload(PICKY, 16)
    assert work.backend.name == "loop" and "data-dependent control flow" in work.backend.reason
    assert trained(work).final.isfinite().all()


def test_stacking_what_cannot_be_stacked_is_refused():
    with pytest.raises(
        ParamsearchError, match=r"'picky' cannot be trained under .*choose backend loop"
    ):
        workload(PICKY, 16, backend="stacked")


@pytest.mark.parametrize(("key", "value"), [("backend", "fast"), ("precision", "fp8")])
def test_an_unknown_way_of_training_names_the_known_ones(key, value):
    with pytest.raises(ParamsearchError, match=f"unknown {key} '{value}'.*known: "):
        Engine(**{key: value})


def test_schedule_and_clipping_are_those_of_torch():
    recipe = Recipe("adam", 12, schedule=Schedule("linear", warmup=0.25, final=0.1), clip=0.5)
    found, arch, task = trained(workload(), recipe), load_arch("mlp"), load_task("digits")
    for losses, member in zip(found.losses, MEMBERS, strict=True):
        model = arch.model(task.dims, {"width": 64}).double()
        groups = paramsearch.apply(
            Rule.load("mup"),
            model,
            base=lambda: arch.model(task.dims),
            lr=member.lr,
            ratios={"width": 2.0},
            generator=torch.Generator().manual_seed(member.seed),
        )
        optimizer = optimizer_entry("adam").reference(groups)
        factors = recipe.schedule.factors(12)
        planned = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: [*factors, 0][t])  # noqa: B023
        for number in range(12):
            inputs, targets = task.batch(number)
            loss = task.loss(model(inputs.double()), targets)
            torch.testing.assert_close(losses[number], loss.detach(), rtol=0, atol=1e-9)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            planned.step()


def test_bf16_computes_coarsely_and_keeps_parameters_fine():
    fine = trained(workload(dtype=torch.float32), probes=())
    coarse = trained(workload(dtype=torch.float32, precision="bf16"), probes=())
    assert coarse.losses.dtype == torch.float32
    assert 0 < (coarse.losses - fine.losses).abs().max() < 0.1


def test_a_foreign_optimizer_trains_like_its_own_kind():
    recipe = Recipe("torch.optim:Adam", 10)
    rule = Rule.load("mup").model_copy(update={"optimizer": "torch.optim:Adam"})
    found = train(workload(), [rule], MEMBERS, recipe)
    expected = trained(workload(), Recipe("adam", 10), probes=())
    torch.testing.assert_close(found.losses, expected.losses, rtol=1e-9, atol=1e-12)


def test_chunks_are_as_large_as_memory_allows():
    cost = Cost(flops=1.0, traffic=1.0, member_bytes=2**20, shared_bytes=2**20)
    assert chunk_size(cost, CPU) == 191 and chunk_size(cost, CPU, compiled=True) == 16
    assert chunk_size(replace(cost, member_bytes=2**24), CPU, compiled=True) == 8
    assert chunk_size(replace(cost, member_bytes=2**40), CPU) == 1


def test_a_small_population_is_compiled_for_its_size(quick_compiler):
    notes, rule = [], Rule.load("mup")
    how = Execution(compile=True)
    train(workload(), [rule], MEMBERS[:3], Recipe("adam", 3), execution=how, on_note=notes.append)
    assert notes[0].startswith("compiled for 4 members in")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("compile_", [False, True])
def test_a_gpu_gives_the_numbers_of_the_cpu(compile_):
    arch, task = load_arch("mlp"), load_task("digits", "cuda")
    gpu = prepare(arch, task, {"width": 64}, device="cuda", dtype=torch.float64)
    found = trained(gpu, None, Execution(compile=compile_))
    expected = trained(workload())
    torch.testing.assert_close(found.losses.cpu(), expected.losses, rtol=1e-9, atol=1e-11)
