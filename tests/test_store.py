import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from paramsearch.discovery.files import write_json, write_text
from paramsearch.discovery.folder import opened
from paramsearch.discovery.lock import locked
from paramsearch.discovery.settings import (
    SearchSettings,
    differences,
    free_folder,
    latest_folder,
)
from paramsearch.discovery.store import Store
from paramsearch.errors import ParamsearchError

SETTINGS = SearchSettings("mlp", "width", "adam", "digits", "width", "transfer")


def refused(match, folder, settings, resume):
    with pytest.raises(ParamsearchError, match=match), opened(folder, settings, resume):
        pass


@pytest.fixture
def store(tmp_path):
    with_one = Store(tmp_path / "trials.db")
    with_one.begin(0, "search", ["a", "b"])
    with_one.finish(["a", "b"], [2.0, 1.0], [{"x": 0.1}, {"x": float("inf")}])
    yield with_one
    with_one.close()


def test_trials_come_back_in_order(store):
    found = [(t.id, t.key, t.score, t.result["x"]) for t in store.trials()]
    assert found == [(1, "a", 2.0, 0.1), (2, "b", 1.0, float("inf"))]
    assert [t.key for t in store.trials(after=1)] == ["b"]


def test_values_are_kept_and_replaced(store):
    assert store.get("base") is None
    store.put("base", [1])
    store.put("base", {"lrs": [0.1]})
    assert store.get("base") == {"lrs": [0.1]}


def test_what_was_running_is_dropped_and_its_number_used_again(store, tmp_path):
    store.begin(1, "search", ["c"])
    again = Store(tmp_path / "trials.db")
    again.begin(1, "search", ["d"])
    again.finish(["d"], [0.0], [{}])
    assert [(t.id, t.key) for t in again.trials()] == [(1, "a"), (2, "b"), (3, "d")]
    again.close()


def test_a_batch_enters_whole_or_not_at_all(store):
    with pytest.raises(ParamsearchError, match="damaged"):
        store.begin(1, "search", ["c", "a"])
    store.begin(1, "search", ["c"])
    store.finish(["c"], [0.5], [{}])
    assert [t.key for t in store.trials()] == ["a", "b", "c"]


def test_kill_leaves_the_finished_batches(tmp_path):
    code = f"""
import os, signal
from pathlib import Path
from paramsearch.discovery.store import Store
store = Store(Path({str(tmp_path / "trials.db")!r}))
store.begin(0, "search", ["a"]); store.finish(["a"], [1.0], [{{}}])
store.begin(1, "search", ["b"])
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", code])
    assert ended.returncode == -signal.SIGKILL
    store = Store(tmp_path / "trials.db")
    assert [t.key for t in store.trials()] == ["a"]
    store.close()


@pytest.mark.parametrize(
    "content", [b"not a database at all" * 100, b"SQLite format 3\0" + b"x" * 9000]
)
def test_a_damaged_file_is_one_sentence(tmp_path, content):
    (tmp_path / "trials.db").write_bytes(content)
    with pytest.raises(ParamsearchError, match=r"trials\.db (is damaged|cannot be used)"):
        Store(tmp_path / "trials.db")


def test_a_database_of_something_else_is_damaged(tmp_path):
    other = sqlite3.connect(tmp_path / "trials.db")
    other.execute("CREATE TABLE trials (what TEXT)")
    other.commit()
    other.close()
    with pytest.raises(ParamsearchError, match="cannot be used: no such column"):
        Store(tmp_path / "trials.db")


def test_a_folder_in_use_names_the_holder(tmp_path):
    mine = f"in use by pid {os.getpid()}"
    with locked(tmp_path), pytest.raises(ParamsearchError, match=mine), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_an_existing_run_needs_resume(tmp_path):
    with opened(tmp_path, SETTINGS, resume=False) as store:
        store.put("base", {})
    with (
        pytest.raises(ParamsearchError, match="unfinished run of 0 trials; add --resume"),
        opened(tmp_path, SETTINGS, resume=False),
    ):
        pass
    with opened(tmp_path, SETTINGS, resume=True) as store:
        assert not differences(store.get("settings"), SETTINGS.identity())


def test_a_run_that_never_began_is_no_obstacle(tmp_path):
    for seed in (0, 1):
        asked = SearchSettings("mlp", "width", "adam", "digits", "width", "transfer", seed=seed)
        with opened(tmp_path, asked, resume=False) as store:
            assert not differences(store.get("settings"), asked.identity())


def test_resume_with_other_settings_says_which(tmp_path):
    with opened(tmp_path, SETTINGS, resume=False) as store:
        store.put("base", {})
    other = SearchSettings("mlp", "width", "sgd", "digits", "width", "transfer", seed=3)
    with (
        pytest.raises(ParamsearchError, match="optimizer is adam there and sgd here; seed is 0"),
        opened(tmp_path, other, resume=True),
    ):
        pass


def test_resume_needs_a_run(tmp_path):
    with (
        pytest.raises(ParamsearchError, match="holds no run to resume"),
        opened(tmp_path / "none", SETTINGS, resume=True),
    ):
        pass
    assert not (tmp_path / "none").exists()


def test_folders_do_not_collide(tmp_path):
    names = ["my/model.py", "width", "adam"]
    made = []
    for _ in range(3):
        made.append(free_folder(tmp_path, names))
        made[-1].mkdir()
    assert [path.name for path in made] == [f"model-width-adam{end}" for end in ("", "-2", "-3")]
    assert latest_folder(tmp_path, names) == made[-1]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    write_text(tmp_path / "a.json", "old")
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(tmp_path / "a.json", {"x": object()})
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_text() == "old"


@pytest.mark.parametrize(("key", "value"), [("budget", 0), ("seed", -1)])
def test_bad_numbers(key, value):
    with pytest.raises(ParamsearchError, match=f"{key}.* received '?{value}"):
        SearchSettings("mlp", "width", "adam", "digits", "width", "transfer", **{key: value})
