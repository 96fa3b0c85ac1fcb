"""A run folder: who may write in it, what run it holds, and what that run ended with."""

import json
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from paramsearch.discovery.evaluation import BaseCurve, Evaluation
from paramsearch.discovery.lock import locked
from paramsearch.discovery.settings import SearchSettings, differences
from paramsearch.discovery.store import Store
from paramsearch.errors import ParamsearchError

DATABASE = "trials.db"
SUMMARY = "summary.json"
RULE = "rule.yaml"
CERTIFICATE = "certificate.json"


def check_folder(folder: Path, key: str = "--out") -> None:
    """Check that a folder can be written, before anything is trained for it.

    Args:
        folder: It need not exist.
        key: The option that names it.

    Raises:
        ParamsearchError: It cannot be made or written; names what is in the way.

    Example:
        >>> check_folder(Path("runs/new"))
    """
    if folder.exists() and not folder.is_dir():
        raise ParamsearchError(f"{key}: {folder} is a file; allowed: a folder, or a new path")
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir():
        raise ParamsearchError(f"{key}: {folder} cannot be made, because {nearest} is a file")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ParamsearchError(f"{key}: {folder} cannot be written; {nearest} is read-only for you")


def check_file(key: str, path: Path) -> None:
    """Check that a file can be written; its folder need not exist.

    Args:
        key: The option that names it.
        path: The file; one that exists is overwritten.

    Raises:
        ParamsearchError: It cannot.
    """
    if path.is_dir():
        raise ParamsearchError(f"{key}: {path} is a folder; allowed: the path of a file")
    check_folder(path.parent, key)


@contextmanager
def opened(folder: Path, settings: SearchSettings, resume: bool) -> Generator[Store, None, None]:
    """Hold a run folder for one search; a search that fails before its first result leaves none.

    Args:
        folder: Made when absent.
        settings: What is asked; a run to be continued must have been asked the same.
        resume: Whether to continue the run that the folder holds.

    Yields:
        The store of the run, the folder being locked.

    Raises:
        ParamsearchError: The folder is in use, or holds a run and ``resume`` is not set, or holds
            none and it is, or holds one with other settings, or is damaged.
    """
    if resume and not (folder / DATABASE).exists():
        raise ParamsearchError(f"run folder {folder} holds no run to resume; leave --resume out")
    check_folder(folder)
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        fresh = not (folder / DATABASE).exists()
        kept = False
        try:
            store = Store(folder / DATABASE)
            try:
                _claim(folder, store, settings.identity(), resume)
                yield store
            finally:
                kept = store.get("base") is not None
                store.close()
        except Exception:
            if fresh and not kept:
                _leave_nothing(folder, made)
            raise


def _leave_nothing(folder: Path, made: Sequence[Path]) -> None:
    for suffix in ("", "-wal", "-shm"):
        (folder / f"{DATABASE}{suffix}").unlink(missing_ok=True)
    (folder / "lock").unlink(missing_ok=True)
    for path in made:
        if any(path.iterdir()):
            break
        path.rmdir()


def _claim(folder: Path, store: Store, identity: dict[str, Any], resume: bool) -> None:
    begun = store.get("base") is not None
    if begun and not resume:
        state = "a finished run" if (folder / SUMMARY).exists() else "an unfinished run"
        raise ParamsearchError(
            f"run folder {folder} already holds {state} of {len(store.trials())} trials; add "
            f"--resume to continue it, or choose another --out"
        )
    if begun:
        found = differences(_settings(folder, store), identity)
        if found:
            raise ParamsearchError(
                f"run folder {folder} cannot be resumed with other settings: {'; '.join(found)}"
            )
        _check_results(folder, store)
        return
    results = [name for name in (SUMMARY, RULE) if (folder / name).exists()]
    if results:
        raise ParamsearchError(
            f"run folder {folder} holds {' and '.join(results)}, but no run in {DATABASE} that "
            f"made them; choose another --out"
        )
    store.put("settings", identity)


def _settings(folder: Path, store: Store) -> dict[str, Any]:
    settings = store.get("settings")
    if not isinstance(settings, dict):
        raise _damaged(folder, "it lacks settings")
    return cast(dict[str, Any], settings)


def _check_results(folder: Path, store: Store) -> None:
    """Read everything that the store keeps, so that damage shows before anything trains."""
    trials = store.trials()
    try:
        if trials:
            BaseCurve(**cast(dict[str, Any], store.get("base")))
        for trial in trials:
            Evaluation.from_json(trial.result)
    except KeyError as error:
        raise _damaged(folder, f"a trial lacks {error}") from error
    except TypeError as error:
        raise _damaged(folder, str(error).replace("BaseCurve.__init__()", "its base")) from error


def _damaged(folder: Path, reason: str) -> ParamsearchError:
    path = folder / DATABASE
    return ParamsearchError(
        f"run store {path} is damaged ({reason}); use another --out to start afresh"
    )


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Read one of the JSON files of a finished run.

    Args:
        folder: The run folder.
        name: ``summary.json`` or ``certificate.json``.

    Returns:
        Its content.

    Raises:
        ParamsearchError: No such folder or file, or it is not JSON.
    """
    path = folder / name
    if not folder.is_dir():
        raise ParamsearchError(f"run folder {folder} does not exist")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        unfinished = (folder / DATABASE).exists() and name == SUMMARY
        hint = "; its search is not finished, continue it with --resume" if unfinished else ""
        raise ParamsearchError(f"run folder {folder} has no {name}{hint}") from None
    except (OSError, ValueError) as error:
        raise ParamsearchError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ParamsearchError(f"{path} must hold a JSON object; received {content!r:.60}")
    return content  # pyright: ignore[reportUnknownVariableType]
