"""A plugged model trains the same in one process and as DDP and FSDP2 over two."""

import pytest
import torch
import torch.multiprocessing as mp
from distributed_run import KINDS, losses, worker

pytestmark = pytest.mark.slow  # two processes that import torch


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    mp.spawn(worker, (2, folder), nprocs=2)
    return torch.load(folder / "losses")


@pytest.fixture(scope="module")
def alone():
    return losses("one process")


@pytest.mark.parametrize("kind", KINDS)
def test_same_trajectory_as_in_one_process(kind, found, alone):
    assert alone[-1] < alone[0]
    assert found[kind] == pytest.approx(alone, rel=1e-12)
