"""Run by ``test_arena.py`` in a process of its own, which allocates by the arena from then on."""

import os
import threading
from pathlib import Path

import pytest
import torch

import paramsearch
from paramsearch.rules.rule import Rule
from paramsearch.train import arena
from paramsearch.train.arena import kept_memory, touched
from paramsearch.train.engine import train
from paramsearch.train.population import Member
from paramsearch.train.recipe import Execution, Recipe
from paramsearch.train.workload import prepare

CPU = torch.device("cpu")
MIB = 2**20
CHUNK = 100 * MIB  # of which tensors of a MiB are a hundredth


def of(size):
    """A tensor of so many MiB that says whether it overlaps with others."""
    return torch.full((size * MIB // 4,), float(size))


def resident():
    return 1024 * int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0])


def test_a_hole_takes_the_next_tensor_of_its_size_and_neighbours_are_one():
    with kept_memory(CPU, CHUNK):
        start = touched()
        tensors = [of(size) for size in (8, 4, 4, 8)]
        assert touched() - start == 24 * MIB
        places = [t.data_ptr() for t in tensors]
        assert all(place % 64 == 0 for place in places)
        del tensors[1]
        assert of(4).data_ptr() == places[1]
        del tensors[1]
        assert of(8).data_ptr() == places[1]
        assert touched() - start == 24 * MIB
        assert [t.unique().tolist() for t in tensors] == [[8.0], [8.0]]


def test_the_smallest_hole_is_taken():
    with kept_memory(CPU, CHUNK):
        tensors = [of(size) for size in (9, 1, 3, 1, 5, 1)]
        holes = [tensors[k].data_ptr() for k in (0, 2, 4)]
        tensors = tensors[1::2]
        found = [of(size).data_ptr() for size in (2, 4, 6)]
        assert found == [holes[1], holes[2], holes[0]]


def test_any_order_of_taking_and_giving_leaves_one_hole():
    draws = torch.Generator().manual_seed(0)
    with kept_memory(CPU, CHUNK):
        alive = {}
        for step in range(300):
            if alive and torch.rand((), generator=draws) < 0.5:
                for key in list(alive)[:: 1 + step % 3]:
                    assert float(alive[key][0]) == float(alive[key][-1]) == len(alive[key]) / MIB
                    del alive[key]
                continue
            size = int(torch.randint(1, 9, (), generator=draws))
            alive[step] = torch.full((size * MIB,), float(size))
        alive.clear()
        before = touched()
        whole = torch.empty(before // 4)  # finds all that was ever touched in one piece
        assert touched() == before
        del whole


def test_small_tensors_and_those_made_elsewhere_are_left_to_torch():
    before = of(4)
    with kept_memory(CPU, CHUNK):
        start = touched()
        small = torch.ones(MIB // 8)
        assert touched() == start and small.sum() == MIB // 8
        placed = of(start // MIB + 1)  # more than any hole
        assert touched() > start
    start = touched()
    outside = of(start // MIB + 1)
    assert touched() == start
    assert before.unique().tolist() == [4.0]
    assert float(placed[-1]) > 0 and float(outside[-1]) > 0
    del placed, before


def test_tensors_grow_and_are_copied():
    with kept_memory(CPU, CHUNK):
        tensor = of(2)
        tensor.resize_(8 * MIB // 4)
        assert tensor[: 2 * MIB // 4].unique().tolist() == [2.0]
        tensor.untyped_storage().resize_(0)
        assert of(2).clone().unique().tolist() == [2.0]
        assert torch.nn.functional.gelu(of(4)).shape == (MIB,)  # asks in another way


def test_what_is_kept_beyond_a_gibibyte_is_handed_back(monkeypatch):
    with kept_memory(CPU, CHUNK):
        tensor = of(64)
        del tensor
    kept = touched()
    assert kept >= 64 * MIB
    monkeypatch.setattr(arena, "KEPT", 2 * MIB)
    held = resident()
    with kept_memory(CPU, CHUNK):
        pass
    assert touched() == 0
    assert resident() <= held - kept + 4 * MIB
    with kept_memory(CPU, CHUNK):
        tensor = of(3)
    assert touched() == 3 * MIB  # a tensor is left
    assert float(tensor[-1]) == 3.0


def test_threads_at_once():
    wrong = []

    def work(seed):
        for _ in range(20):
            tensors = [of(1 + (seed + k) % 3) for k in range(4)]
            wrong.extend(t for t in tensors if len(t.unique()) > 1)

    with kept_memory(CPU, CHUNK):
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_a_fork_allocates(recwarn):
    """Without arithmetic on many elements: OpenMP's threads are gone in a fork."""
    with kept_memory(CPU, CHUNK):
        tensor = of(4)
        child = os.fork()
        if child == 0:
            other = torch.empty(MIB)
            other[-1] = 2.0
            os._exit(0 if float(other[-1] + tensor[-1]) == 6.0 else 1)
        assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("compile_", [False, True])
def test_populations_come_out_the_same(compile_, monkeypatch):
    found = paramsearch.load_arch("mlp")
    workload = prepare(found, paramsearch.load_task(found.task), {"width": 32})
    members = [Member(0, 2.0**-power, 0) for power in range(4, 12)]

    def losses():
        how = Execution(compile=compile_, chunk=8)
        return train(workload, [Rule.load("sp")], members, Recipe("adam", 5), execution=how).losses

    monkeypatch.setattr(arena, "_LARGE", 2**60)
    monkeypatch.setattr(arena, "KEPT", 0)
    usual = losses()
    monkeypatch.setattr(arena, "_LARGE", 0)
    with kept_memory(CPU, CHUNK):
        pass
    assert touched() == 0
    with kept_memory(CPU, 0):
        placed = losses()
        assert touched() > 0
    assert torch.equal(usual, placed)
