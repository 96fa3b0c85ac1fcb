"""The arena of large tensors: what ``arena_checks.py`` finds, and where there is none."""

import ctypes
from concurrent.futures import Future
from pathlib import Path

import pytest
import torch
from own_process import assert_passes

from paramsearch.train import arena
from paramsearch.train.heap import keep_heap

CHECKS = Path(__file__).with_name("arena_checks.py")


@pytest.mark.skipif(not keep_heap(), reason="not the GNU C library")
def test_tensors_are_placed():
    """In a process of their own, as torch allocates by it from then on."""
    assert_passes(CHECKS)


def test_without_a_compiler_or_on_another_device_nothing_is_placed(monkeypatch):
    def none():
        return None

    monkeypatch.setattr(arena, "_arena", none)
    with arena.kept_memory(torch.device("cpu"), 2**40):
        assert arena.touched() == 0
        assert torch.ones(2**20).sum() == 2**20

    def wanted():
        raise AssertionError

    monkeypatch.setattr(arena, "_arena", wanted)
    for device, size in (("cpu", 2**20), ("meta", 2**40)):
        with arena.kept_memory(torch.device(device), size):
            pass


def test_what_is_compiled_does_not_wait_for_the_arena(monkeypatch):
    started: Future[None] = Future()
    monkeypatch.setattr(arena, "_begun", lambda: started)
    monkeypatch.setattr(arena, "_arena", lambda: pytest.fail("waited"))
    with arena.kept_memory(torch.device("cpu"), 2**40, wait=False):
        assert torch.ones(2**20).sum() == 2**20


def test_what_cannot_be_built_is_no_arena(monkeypatch, tmp_path):
    source = tmp_path / "arena.cpp"
    source.write_text("no C++")
    monkeypatch.setattr(arena, "_SOURCE", source)
    monkeypatch.setattr(arena, "_begun", arena._begun.__wrapped__)
    assert arena._arena.__wrapped__() is None
    monkeypatch.setattr(ctypes, "CDLL", lambda *_: 1 / 0)  # another torch
    assert arena._arena.__wrapped__() is None
