"""Members that leave the computation before its end, and chunks that memory has no room for."""

import pytest
import torch

from paramsearch.errors import ParamsearchError
from paramsearch.probes.critical import CriticalSharpness
from paramsearch.probes.features import Features
from paramsearch.probes.first_share import FirstShare
from paramsearch.probes.update_share import UpdateShare
from paramsearch.rules.rule import Rule
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import load_arch
from paramsearch.train import chunk, compiled, engine
from paramsearch.train.engine import train
from paramsearch.train.population import Member
from paramsearch.train.recipe import Execution, Recipe
from paramsearch.train.workload import prepare

GOOD = [Member(0, 1e-3, 0), Member(0, 3e-3, 1), Member(0, 1e-2, 2), Member(0, 3e-2, 0)]
MIXED = [Member(0, 1e-2, 0), Member(0, 1e120, 0), Member(0, 2e-2, 1), Member(0, 1e120, 1)]


class Flat(torch.optim.SGD):
    """Takes no stacks, so that every member has one of its own."""

    def step(self):
        assert all(p.ndim < 3 for group in self.param_groups for p in group["params"])
        super().step()


FOREIGN = ["torch.optim:SGD", f"{__name__}:Flat"]


def workload():
    return prepare(load_arch("mlp"), load_task("digits"), {"width": 64}, dtype=torch.float64)


def trained(optimizer, members, steps=24, probes=(), execution=None):
    rule = Rule.load("sp").model_copy(update={"optimizer": optimizer})
    how = execution or Execution(compile=False)
    return train(workload(), [rule], members, Recipe(optimizer, steps), probes, execution=how)


@pytest.fixture
def left(monkeypatch):
    """How many go on whenever members leave."""
    sizes, keep = [], chunk.keep
    monkeypatch.setattr(
        chunk, "keep", lambda live, rows, *_: sizes.append(len(rows)) or keep(live, rows, *_)
    )
    return sizes


@pytest.mark.parametrize("optimizer", ["sgd", "muon", *FOREIGN])
def test_diverged_members_leave_and_do_not_disturb_the_others(optimizer, left):
    mixed, alone = (trained(optimizer, members) for members in (MIXED, MIXED[::2]))
    assert left == [2]
    torch.testing.assert_close(mixed.losses[::2], alone.losses, rtol=1e-12, atol=1e-12)
    assert mixed.final[1::2].isinf().all() and (mixed.survived[1::2] < 0.5).all()


def test_a_compiled_chunk_that_loses_half_of_its_members_goes_on_with_the_others(monkeypatch, left):
    monkeypatch.setattr(compiled, "_compile", lambda graph, *_: graph)
    mixed = trained("sgd", MIXED, execution=Execution(compile=True, chunk=4))
    alone = trained("sgd", MIXED[::2])
    assert left == [2]
    torch.testing.assert_close(mixed.losses[::2], alone.losses, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("optimizer", ["sgd", *FOREIGN])
def test_probes_find_members_that_left_where_they_were(optimizer, left, monkeypatch):
    probes = [
        UpdateShare(),
        FirstShare(),
        Features(),
        CriticalSharpness(1e-2, frozenset({0, 4, 12})),
    ]
    members = [*MIXED, Member(0, 1e3, 2), Member(0, 3e-2, 2)]
    monkeypatch.setattr(chunk, "CHECK_EVERY", 2)
    leaving = trained(optimizer, members, 16, probes)
    assert left == [4, 3]
    monkeypatch.setattr(chunk, "CHECK_EVERY", 1000)
    staying = trained(optimizer, members, 16, probes)
    close = {"rtol": 1e-9, "atol": 1e-12, "equal_nan": True}
    torch.testing.assert_close(leaving.losses, staying.losses, **close)
    torch.testing.assert_close(leaving.probes, staying.probes, **close)


def test_a_population_of_which_none_goes_on_is_measured(left):
    found = trained("sgd", MIXED[1::2], probes=[Features()])
    assert left == [0] and found.survived.max() < 0.5
    assert found.probes and all(len(values) == 2 for values in found.probes.values())


@pytest.fixture
def room(monkeypatch):
    """Members of whom there is room; more make a step, which is lost."""
    most, real = [len(GOOD)], engine.train_chunk

    def scarce(step, stack, *rest):
        if len(next(iter(stack.params.values()))) > most[0]:
            rest[-1]()
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to ...")
        return real(step, stack, *rest)

    monkeypatch.setattr(engine, "train_chunk", scarce)
    return most


def in_chunks(room, most, work, recipe, notes, counts, probes=()):
    room[0] = len(GOOD)
    engine.cost_of(work, recipe, probes)  # with three
    room[0], rule, how = most, Rule.load("mup"), Execution(False, chunk=4)
    return train(work, [rule], GOOD, recipe, probes, counts.append, how, notes.append)


def test_where_memory_runs_out_fewer_train_at_a_time(room):
    notes, counts, recipe = [], [], Recipe("adam", 10)
    found = in_chunks(room, 1, workload(), recipe, notes, counts)
    whole = in_chunks(room, 4, workload(), recipe, [], [])
    torch.testing.assert_close(found.losses, whole.losses)
    assert [int(note.split("with ")[1][0]) for note in notes] == [2, 1]
    assert sum(counts) == len(GOOD) * 10


def test_the_next_population_begins_with_what_memory_had_room_for(room):
    work, notes, counts = workload(), [], []
    for _ in range(3):
        in_chunks(room, 2, work, Recipe("adam", 3), notes, counts)
    assert len(notes) == 1
    assert [count for count in counts if count < 0] == [-4]  # nothing else is made again
    in_chunks(room, 2, work, Recipe("adam", 3), notes, counts, [UpdateShare()])  # which takes more
    assert len(notes) == 2


def test_one_member_that_does_not_fit_is_an_error(room):
    with pytest.raises(ParamsearchError, match="out of memory: one member of 8,970 parameters"):
        in_chunks(room, 0, workload(), Recipe("adam", 3), [], [])
