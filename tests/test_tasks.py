"""Every task of the catalogue keeps the contract of ``Task``; then what each one promises."""

from pathlib import Path

import pytest
import torch

from paramsearch.errors import ParamsearchError
from paramsearch.tasks.bytes import Bytes
from paramsearch.tasks.catalog import load_task, task_names
from paramsearch.tasks.streams import generator
from paramsearch.tasks.task import Batch

NAMES = task_names()
ROWS = {"bytes": 256, "digits": 10, "teacher": None}  # classes, where the targets are labels


def same(a: Batch, b: Batch) -> bool:
    return torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])


@pytest.mark.parametrize("name", NAMES)
def test_batches_fit_the_dims(name):
    task = load_task(name)
    for inputs, target in (task.batch(0), task.evaluation()):
        assert inputs.shape == (len(target), task.dims["inputs"])
        if ROWS[name] is None:
            assert target.shape == (len(target), task.dims["outputs"])
        else:
            assert target.shape == (len(target),)
            assert target.min() >= 0 and target.max() < task.dims["outputs"] == ROWS[name]
        assert inputs.dtype == (torch.int64 if "vocabulary" in task.dims else torch.float32)
        assert inputs.max() < task.dims.get("vocabulary", torch.inf)
    assert task.name == name and len(task.evaluation()[1]) == 512


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_depends_on_seed_and_step_alone(name):
    task, again = load_task(name, seed=3), load_task(name, seed=3)
    later = task.batch(5)
    assert same(later, again.batch(5)), "random access"
    assert same(later, task.batch(5)), "the same batch each time"
    assert not same(later, task.batch(6))
    assert not same(later, load_task(name, seed=4).batch(5))


@pytest.mark.parametrize("name", NAMES)
def test_evaluation_is_the_same_for_every_seed(name):
    assert same(load_task(name, seed=0).evaluation(), load_task(name, seed=1).evaluation())


@pytest.mark.parametrize("name", NAMES)
def test_loading_and_drawing_leave_the_global_stream_alone(name):
    before = torch.get_rng_state()
    load_task(name).batch(0)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("name", NAMES)
def test_loss_under_vmap_equals_a_loop(name):
    task = load_task(name)
    _, target = task.batch(0)
    outputs = torch.randn(3, len(target), task.dims["outputs"], generator=generator("outputs"))
    together = torch.func.vmap(task.loss, in_dims=(0, None))(outputs, target)
    torch.testing.assert_close(together, torch.stack([task.loss(o, target) for o in outputs]))


def test_unknown_task_lists_the_tasks_and_the_nearest():
    with pytest.raises(ParamsearchError, match=r"unknown task 'digit'; did you mean 'digits'\?"):
        load_task("digit")


def test_digits_are_standardized_and_held_out():
    task = load_task("digits")
    train = torch.cat([task.batch(step)[0] for step in range(200)])
    held_out = task.evaluation()[0]
    assert abs(train.mean()) < 0.02 and abs(train.square().mean() - 1) < 0.02
    # Two scans of one digit are never equal, so an image in both would be a leak.
    assert torch.cdist(held_out, train.unique(dim=0)).min() > 1e-3


def test_teacher_is_centred_and_hard_for_a_linear_model():
    task = load_task("teacher")
    batches = [task.batch(step) for step in range(200)]
    inputs, target = (torch.cat(parts) for parts in zip(*batches, strict=True))
    assert task.loss(torch.zeros_like(target), target).item() == pytest.approx(1, abs=0.05)
    linear = torch.linalg.lstsq(inputs, target).solution
    assert task.loss(inputs @ linear, target) > 0.5
    assert task.loss_floor == 0


def test_bytes_are_windows_of_the_text(tmp_path: Path):
    names = [f"m{i}.py" for i in range(8)]
    for name in names:
        (tmp_path / name).write_text(f"# {name}\n" + "x = 1\n" * 20)
    (tmp_path / "_sysconfigdata_here.py").write_text("made_on = 'this machine'\n")
    train = "".join((tmp_path / name).read_text() for name in names[:7])
    task = Bytes(folder=tmp_path)
    for row, following in zip(*task.batch(0), strict=True):
        assert bytes([*row.tolist(), following.item()]).decode() in train
    held_out = (tmp_path / names[7]).read_text()
    for row, following in zip(*task.evaluation(), strict=True):
        assert bytes([*row.tolist(), following.item()]).decode() in held_out


def test_bytes_without_enough_source_says_so(tmp_path: Path):
    (tmp_path / "one.py").write_text("pass\n")
    with pytest.raises(ParamsearchError, match=r"at least 8 Python source files.* has 1"):
        Bytes(folder=tmp_path)


def test_generators_of_different_keys_differ():
    keys = [("a", 0, 0), ("a", 0, 1), ("a", 1, 0), ("b", 0, 0), ("a", 2**40, 0)]
    draws = {torch.rand(1, generator=generator(*key)).item() for key in keys}
    assert len(draws) == len(keys)
