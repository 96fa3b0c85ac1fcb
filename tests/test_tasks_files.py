"""Tasks on users' files: what they read, and the one sentence when a file is wrong."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from paramsearch.errors import ParamsearchError
from paramsearch.tasks.catalog import load_task


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("dtype", ["uint16", "uint32"])
def test_tokens_are_windows_of_the_file(folder, dtype):
    row = np.arange(500, dtype=dtype) * 3
    row.tofile(folder / "train.bin")
    task = load_task(f"tokens:train.bin,dtype={dtype},context=8")
    assert task.dims["vocabulary"] == 1498
    for inputs, target in (task.batch(0), task.evaluation()):
        assert torch.equal(target, inputs + 3)
    assert task.batch(0)[0].max() < 450 * 3 <= task.evaluation()[0].min(), "the last tenth"


def test_tokens_take_another_file_for_evaluation(folder):
    np.full(100, 1, dtype="<u2").tofile(folder / "train.bin")
    np.full(100, 2, dtype="<u2").tofile(folder / "val.bin")
    task = load_task("tokens:train.bin,held_out=val.bin,vocabulary=5")
    assert task.dims["outputs"] == 5
    assert (task.batch(0)[0] == 1).all() and (task.evaluation()[0] == 2).all()


TOKEN_FILES = {
    "empty": ("", b"", "received 0 bytes; allowed: a whole number of uint16 tokens of 2 bytes"),
    "truncated": ("", bytes(201), "received 201 bytes; allowed: a whole number"),
    "short": ("", bytes(100), "received 45 training tokens|received 5 held-out tokens"),
    "above": (",vocabulary=9,context=2", b"\7\0" * 99 + b"\11\0" * 11, "token 9; allowed: below"),
    "type": (",dtype=int8", bytes(100), "dtype: received 'int8'; allowed: uint16 or uint32"),
}


@pytest.mark.parametrize("case", TOKEN_FILES)
def test_a_token_file_that_is_wrong(folder, case):
    options, content, says = TOKEN_FILES[case]
    (folder / "t.bin").write_bytes(content)
    with pytest.raises(ParamsearchError, match=says):
        load_task(f"tokens:t.bin{options}")


def test_a_token_above_the_vocabulary_is_found_when_it_is_cut(folder):
    np.full(100, 9, dtype="<u2").tofile(folder / "train.bin")
    np.zeros(100, dtype="<u2").tofile(folder / "val.bin")
    task = load_task("tokens:train.bin,held_out=val.bin,vocabulary=5")
    with pytest.raises(ParamsearchError, match=r"train\.bin: received token 9; allowed: below .*5"):
        task.batch(0)


@pytest.mark.parametrize("name", ["tokens:no.bin", "images:no.npz", "cifar10:no"])
def test_a_file_that_is_missing(folder, name):
    with pytest.raises(ParamsearchError, match=r"file 'no.*' does not exist"):
        load_task(name)


def archive(folder: Path, **changes: object) -> None:
    rng = np.random.default_rng(0)
    arrays = {"images": rng.random((60, 4, 4, 3)), "labels": np.arange(60) % 5, **changes}
    kept = {name: np.asarray(array) for name, array in arrays.items() if array is not None}
    np.savez(folder / "mine.npz", **kept)


def test_images_are_flat_channel_first_and_standardized(folder):
    images = np.arange(60)[:, None, None, None] + 100.0 * np.arange(3) + np.zeros((60, 4, 4, 3))
    archive(folder, images=images)
    task = load_task("images:mine.npz")
    assert task.dims == {"inputs": 48, "outputs": 5, "channels": 3}
    inputs, target = task.batch(0)
    channels = inputs.view(-1, 3, 16)
    assert torch.allclose(channels, channels[:, :, :1].expand(-1, -1, 16), atol=1e-5)
    raw = channels[:, 0, 0].double()  # a straight line in the number of the image
    number = ((raw - raw.min()) / (raw.max() - raw.min()) * 59).round().long()
    assert len(inputs) == 40 and number.unique().numel() > 30 and len(target) == 40
    assert inputs.mean().abs() < 1e-5 and abs(inputs.square().mean() - 1) < 1e-5


def test_grey_images_have_no_channels(folder):
    archive(folder, images=np.random.default_rng(0).integers(0, 256, (60, 4, 4), dtype=np.uint8))
    assert load_task("images:mine.npz").dims == {"inputs": 16, "outputs": 5}


IMAGE_FILES = {
    "missing": ({"labels": None}, r"array 'labels' is missing; received \['images'\]"),
    "shape": ({"images": np.zeros((60, 4))}, r"images: received shape \(60, 4\) of float64"),
    "complex": ({"images": np.zeros((60, 2, 2), complex)}, "of complex128; allowed: real"),
    "labels": ({"labels": np.zeros(3, int)}, r"labels: received shape \(3,\) of int64; allowed"),
    "floats": ({"labels": np.zeros(60)}, r"labels: received shape \(60,\) of float64"),
    "negative": ({"labels": np.full(60, -1)}, "labels from -1; allowed: .* labels from 0"),
    "nan": ({"images": np.full((60, 2, 2), np.nan)}, "images: received values that are not fin"),
    "pickle": ({"labels": np.array([{}] * 60)}, "cannot be read as an npz archive of plain arr"),
}


@pytest.mark.parametrize("case", IMAGE_FILES)
def test_an_image_file_that_is_wrong(folder, case):
    changes, says = IMAGE_FILES[case]
    archive(folder, **changes)
    with pytest.raises(ParamsearchError, match=rf"mine\.npz.*{says}"):
        load_task("images:mine.npz")


def test_an_archive_that_is_cut_off(folder):
    archive(folder)
    whole = (folder / "mine.npz").read_bytes()
    (folder / "mine.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        ParamsearchError, match=r"mine\.npz: received a file that is no npz archive"
    ):
        load_task("images:mine.npz")


def cifar(folder: Path, label: int = 9) -> None:
    for name in ["test_batch", *(f"data_batch_{i}" for i in range(1, 6))]:
        records = np.random.default_rng(0).integers(0, 256, (20, 3073), dtype=np.uint8)
        records[:, 0] = np.arange(20) % 10
        records[0, 0] = label
        records.tofile(folder / f"{name}.bin")


def test_cifar10_is_read_from_its_binary_files(folder):
    (folder / "cifar-10-batches-bin").mkdir()
    cifar(folder / "cifar-10-batches-bin")
    task = load_task("cifar10:.")
    assert task.dims == {"inputs": 3072, "outputs": 10, "channels": 3}
    assert task.batch(0)[0].shape == (64, 3072) and len(task.evaluation()[1]) == 20


def test_cifar10_files_that_are_wrong(folder):
    cifar(folder, label=10)
    with pytest.raises(ParamsearchError, match=r"data_batch_1\.bin: received label 10; allowed"):
        load_task("cifar10:.")
    (folder / "data_batch_1.bin").write_bytes(bytes(3000))
    with pytest.raises(ParamsearchError, match=r"received 3000 bytes; .* records of 3073 bytes"):
        load_task("cifar10:.")
    (folder / "data_batch_1.bin").rename(folder / "data_batch_1")
    with pytest.raises(ParamsearchError, match=r"version for Python is not read, its pickles can"):
        load_task("cifar10:.")


class Rows(list[dict[str, str]]):
    column_names = ("text",)


@pytest.fixture
def library(monkeypatch) -> SimpleNamespace:
    """Stand in for the library ``datasets``, which tests do not need; it sees its own flags."""
    config, constants = (SimpleNamespace(HF_HUB_OFFLINE=False) for _ in range(2))

    def load_dataset(path: str, config_name: str | None, split: str) -> Rows:
        assert config.HF_HUB_OFFLINE and constants.HF_HUB_OFFLINE, "the cache alone"
        if path != "mine/words":
            raise FileNotFoundError("not cached")
        return Rows({"text": f"document {i} " + 40 * "word "} for i in range(16))

    fake = SimpleNamespace(__version__="4.1.0", config=config, load_dataset=load_dataset)
    monkeypatch.setitem(sys.modules, "datasets", fake)
    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(constants=constants))
    monkeypatch.setitem(sys.modules, "huggingface_hub.constants", constants)
    return fake


def test_hf_reads_the_bytes_of_a_column(library):
    task = load_task("hf:mine/words,context=8")
    assert task.dims["vocabulary"] == 256
    text = b"".join(bytes(row) for row in task.batch(0)[0].tolist())
    assert b"word " in text and not library.config.HF_HUB_OFFLINE


HF = {
    "hf:other": r"dataset 'other' .* cannot be loaded from the local cache: not cached",
    "hf:mine/words,column=body": r"has no column 'body'; allowed: text",
    "hf:mine/words,context=999": r"each 8th longer than 999 bytes; it has 16",
    "hf": r"task 'hf' needs a dataset: hf:DATASET",
}


@pytest.mark.parametrize("name", HF)
def test_hf_names_that_are_wrong(library, name):
    with pytest.raises(ParamsearchError, match=HF[name]):
        load_task(name)


def test_an_old_hf_library_is_refused(library):
    library.__version__ = "3.6.0"
    with pytest.raises(ParamsearchError, match=r"received datasets 3\.6\.0; allowed: 4 or newer"):
        load_task("hf:mine/words")


def test_hf_without_the_extra_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ParamsearchError, match=r"the extra 'hf': pip install 'paramsearch\[hf\]'"):
        load_task("hf:mine/words")
