"""Every task of the catalogue keeps the contract of ``Task``; then what each one promises."""

import math
from functools import cache
from pathlib import Path

import pytest
import torch

from paramsearch.errors import ParamsearchError
from paramsearch.tasks.bytes import bytes_task
from paramsearch.tasks.catalog import described_tasks, load_task, task_names
from paramsearch.tasks.contract import check_task
from paramsearch.tasks.losses import cross_entropy, square_error
from paramsearch.tasks.next_byte import NextByte
from paramsearch.tasks.streams import generator
from paramsearch.tasks.task import Batch, Task

NAMES = [
    *task_names(),
    "mix:bytes=0.7,bigram=0.3",
    "random_walk:ba,nodes=60,kappa=1",
    "bytes:context=7,batch=3",
]


@cache
def loaded(name: str, seed: int = 0) -> Task:
    return load_task(name, seed=seed)


def same(a: Batch, b: Batch) -> bool:
    return torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])


def output_shape(task: Task, target: torch.Tensor) -> tuple[int, ...]:
    positions = (task.dims["positions"],) if "positions" in task.dims else ()
    return (len(target), *positions, task.dims["outputs"])


@pytest.mark.parametrize("name", NAMES)
def test_batches_fit_the_dims(name):
    task = loaded(name)
    check_task(task)
    for inputs, target in (task.batch(0), task.evaluation()):
        assert inputs.shape == (len(target), task.dims["inputs"])
        shape = output_shape(task, target)
        assert target.shape == (shape[:-1] if target.dtype == torch.int64 else shape)
        assert inputs.dtype == (torch.int64 if "vocabulary" in task.dims else torch.float32)
    assert task.name == name


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_depends_on_seed_and_step_alone(name):
    task, again = loaded(name), load_task(name)
    later = task.batch(5)
    assert same(later, again.batch(5)), "random access"
    assert same(later, task.batch(5)), "the same batch each time"
    assert not same(later, task.batch(6))
    assert not same(later, loaded(name, seed=1).batch(5))


@pytest.mark.parametrize("name", NAMES)
def test_evaluation_is_the_same_for_every_seed(name):
    assert same(loaded(name).evaluation(), loaded(name, seed=1).evaluation())


@pytest.mark.parametrize("name", NAMES)
def test_loading_and_drawing_leave_the_global_stream_alone(name):
    before = torch.get_rng_state()
    load_task(name).batch(0)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("name", NAMES)
def test_loss_under_vmap_equals_a_loop(name):
    task = loaded(name)
    _, target = task.batch(0)
    outputs = torch.randn(3, *output_shape(task, target), generator=generator("outputs"))
    together = torch.func.vmap(task.loss, in_dims=(0, None))(outputs, target)
    torch.testing.assert_close(together, torch.stack([task.loss(o, target) for o in outputs]))


@pytest.mark.parametrize("name", NAMES)
def test_a_uniform_guess_has_the_loss_that_chance_has(name):
    task = loaded(name)
    _, target = task.batch(0)
    loss = task.loss(torch.zeros(output_shape(task, target)), target).item()
    if target.dtype == torch.int64:
        assert loss == pytest.approx(math.log(task.dims["outputs"]), rel=1e-5)
    else:
        assert loss == pytest.approx(1, abs=0.25), "targets have variance 1"


def test_sequences_are_shifted_by_one():
    inputs, target = load_task("bytes").batch(0)
    assert torch.equal(inputs[:, 1:], target[:, :-1])


def test_losses_say_which_shape_would_fit():
    target = torch.zeros(4, 3, dtype=torch.int64)
    with pytest.raises(ParamsearchError, match=r"shape \(4, 3, 'classes'\).*received .*\(4, 5\)"):
        cross_entropy(torch.zeros(4, 5), target)
    with pytest.raises(ParamsearchError, match=r"shape \(4, 3\) is needed; received \(4, 1\)"):
        square_error(torch.zeros(4, 1), target)


def test_tasks_are_described_by_their_usage():
    found = described_tasks()
    assert {"tokens:FILE", "images:FILE", "cifar10:FOLDER", "hf:DATASET", "bytes"} <= set(found)
    assert set(task_names()) <= set(found) and all(found.values())


def test_digits_are_standardized_and_held_out():
    task = load_task("digits")
    train = torch.cat([task.batch(step)[0] for step in range(200)])
    held_out = task.evaluation()[0]
    assert abs(train.mean()) < 0.02 and abs(train.square().mean() - 1) < 0.02
    # Two scans of one digit are never equal, so an image in both would be a leak.
    assert torch.cdist(held_out, train.unique(dim=0)).min() > 1e-3
    assert len(held_out) == 512


def test_teacher_is_centred_and_hard_for_a_linear_model():
    task = load_task("teacher")
    batches = [task.batch(step) for step in range(200)]
    inputs, target = (torch.cat(parts) for parts in zip(*batches, strict=True))
    assert task.loss(torch.zeros_like(target), target).item() == pytest.approx(1, abs=0.05)
    linear = torch.linalg.lstsq(inputs, target).solution
    assert task.loss(inputs @ linear, target) > 0.5
    assert task.loss_floor == 0


def source(folder: Path) -> tuple[str, str]:
    """Write eight source files; give the text to train on, and the text that is held out."""
    names = [f"m{i}.py" for i in range(8)]
    for name in names:
        (folder / name).write_text(f"# {name}\n" + "x = 1\n" * 20)
    (folder / "_sysconfigdata_here.py").write_text("made_on = 'this machine'\n")
    texts = [(folder / name).read_text() for name in names]
    return "".join(texts[:7]), texts[7]


def test_bytes_are_windows_of_the_text(tmp_path: Path):
    train, held_out = source(tmp_path)
    task = bytes_task(folder=str(tmp_path))
    for text, (inputs, target) in ((train, task.batch(0)), (held_out, task.evaluation())):
        rows = torch.cat([inputs, target[:, -1:]], dim=1)
        assert all(bytes(row).decode() in text for row in rows.tolist())


def test_next_bytes_follow_windows_of_the_text(tmp_path: Path):
    train, held_out = source(tmp_path)
    task = NextByte(folder=str(tmp_path))
    for text, (inputs, target) in ((train, task.batch(0)), (held_out, task.evaluation())):
        rows = torch.cat([inputs, target[:, None]], dim=1)
        assert all(bytes(row).decode() in text for row in rows.tolist())


def test_bytes_without_enough_source_says_so(tmp_path: Path):
    (tmp_path / "one.py").write_text("pass\n")
    with pytest.raises(ParamsearchError, match=r"at least 8 Python source files.* has 1 files"):
        load_task(f"bytes:folder={tmp_path}")


def test_copy_repeats_what_came_before_the_separator():
    inputs, target = load_task("copy:context=10,symbols=4").batch(0)
    assert (inputs[:, 5] == 4).all() and torch.equal(target[:, 5:], inputs[:, :5])
    assert (target[:, :5] == -100).all(), "chance cannot be beaten there"


def test_copy_is_solved_by_looking_back():
    task = load_task("copy:context=10,symbols=4")
    inputs, target = task.batch(0)
    answer = torch.nn.functional.one_hot(inputs.roll(5, dims=1), 5) * 30.0
    assert task.loss(answer, target).item() == pytest.approx(task.loss_floor, abs=1e-6)


def test_parity_is_uncorrelated_with_all_pairs_of_signs():
    task = load_task("sparse_parity:inputs=8,batch=8192")
    x, y = task.batch(0)
    pairs = (x[:, :, None] * x[:, None, :]).flatten(1)
    assert (torch.cat([x, pairs], dim=1) * y).mean(dim=0).abs().max() < 0.06
    assert (x[:, :3].prod(dim=1, keepdim=True) == y).all()


def test_generators_of_different_keys_differ():
    keys = [("a", 0, 0), ("a", 0, 1), ("a", 1, 0), ("b", 0, 0), ("a", 2**40, 0)]
    draws = {torch.rand(1, generator=generator(*key)).item() for key in keys}
    assert len(draws) == len(keys)
