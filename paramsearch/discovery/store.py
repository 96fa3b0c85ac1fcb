"""The record of a run: settings and trials in one SQLite file, safe against a kill at any instant.

A batch of trials enters as ``running`` in one transaction and becomes ``done`` in another; what a
killed process left ``running`` is dropped when the file is opened again, so the record is always
a prefix of the record of an uninterrupted run.
"""

import json
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paramsearch.errors import ParamsearchError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trials (
    id INTEGER PRIMARY KEY,
    generation INTEGER NOT NULL,
    stage TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    score REAL,
    json TEXT
);
"""


@dataclass(frozen=True, slots=True)
class Trial:
    """One evaluated candidate.

    Attributes:
        id: Number of the trial, from 1, in the order of evaluation.
        generation: Generation of the search, or round of the stage, in which it was evaluated.
        stage: Why it was evaluated: ``search``, ``polish``, ``interval``, ``snap``.
        key: Canonical JSON of its exponents and seeds; no two trials share one.
        score: Its score, finite; lower is better.
        result: The evaluation, as JSON holds it.
    """

    id: int
    generation: int
    stage: str
    key: str
    score: float
    result: dict[str, Any]


class Store:
    """The database of one run folder."""

    def __init__(self, path: Path):
        """Open the database, make its tables where absent, and drop trials left unfinished.

        Args:
            path: The SQLite file; made when absent.

        Raises:
            ParamsearchError: The file is not a database of this package, or is damaged.

        Example:
            >>> store = Store(Path(":memory:"))
            >>> store.begin(0, "search", ["a"])
            >>> store.finish(["a"], [1.5], [{"score": 1.5}])
            >>> [(trial.id, trial.score, trial.result) for trial in store.trials()]
            [(1, 1.5, {'score': 1.5})]
        """
        self._path = path
        with self._guarded():
            # isolation_level None: transactions are ours, begun and ended in _transaction
            self._db = sqlite3.connect(path, timeout=10, isolation_level=None)
            try:
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=FULL")
                self._db.executescript(_SCHEMA)
                with self._transaction():
                    self._db.execute("DELETE FROM trials WHERE status != 'done'")
                damage = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
                self._db.execute("SELECT id, generation, stage, key, score, json FROM trials")
            except sqlite3.Error:
                self._db.close()
                raise
            if damage != "ok":
                self._db.close()
                raise sqlite3.DatabaseError(str(damage).splitlines()[-1])

    @contextmanager
    def _guarded(self) -> Generator[None, None, None]:
        try:
            yield
        except sqlite3.OperationalError as error:  # full disk, read-only folder, locked file
            raise ParamsearchError(f"run store {self._path} cannot be used: {error}") from error
        except (sqlite3.DatabaseError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ParamsearchError(
                f"run store {self._path} is damaged ({error}); use another --out to start afresh"
            ) from error

    @contextmanager
    def _transaction(self) -> Generator[None, None, None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the file; nothing is lost without it."""
        with self._guarded():
            self._db.close()

    def get(self, name: str) -> Any | None:
        """Give what was put under a name, or None."""
        with self._guarded():
            row = self._db.execute("SELECT json FROM meta WHERE name = ?", (name,)).fetchone()
            return None if row is None else json.loads(row[0])

    def put(self, name: str, value: object) -> None:
        """Keep a JSON value under a name, replacing what was there."""
        with self._guarded(), self._transaction():
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, json.dumps(value)))

    def begin(self, generation: int, stage: str, keys: Sequence[str]) -> None:
        """Note that candidates are about to be evaluated; called once per batch.

        Args:
            generation: Generation or round.
            stage: Why they are evaluated.
            keys: One per candidate, in order; none of them was evaluated before.
        """
        with self._guarded(), self._transaction():
            self._db.executemany(
                "INSERT INTO trials (generation, stage, key, status) VALUES (?, ?, ?, 'running')",
                [(generation, stage, key) for key in keys],
            )

    def finish(
        self, keys: Sequence[str], scores: Sequence[float], results: Sequence[dict[str, Any]]
    ) -> None:
        """Keep the results of one batch, all of them or none.

        Args:
            keys: The keys of the batch, as given to ``begin``.
            scores: Finite scores.
            results: Evaluations as JSON holds them.
        """
        rows = zip(scores, map(json.dumps, results), keys, strict=True)
        with self._guarded(), self._transaction():
            self._db.executemany(
                "UPDATE trials SET status = 'done', score = ?, json = ? WHERE key = ?",
                list(rows),
            )

    def trials(self, after: int = 0) -> list[Trial]:
        """Give the finished trials with a number above ``after``, in the order of evaluation."""
        query = (
            "SELECT id, generation, stage, key, score, json FROM trials"
            " WHERE status = 'done' AND id > ? ORDER BY id"
        )
        with self._guarded():
            rows = self._db.execute(query, (after,)).fetchall()
            return [Trial(i, g, stage, key, x, json.loads(r)) for i, g, stage, key, x, r in rows]
