"""A run folder: who may write in it, what run it holds, and what that run ended with."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from paramsearch.discovery.lock import locked
from paramsearch.discovery.settings import SearchSettings, differences
from paramsearch.discovery.store import Store
from paramsearch.errors import ParamsearchError

DATABASE = "trials.db"
SUMMARY = "summary.json"
RULE = "rule.yaml"
CERTIFICATE = "certificate.json"


@contextmanager
def opened(folder: Path, settings: SearchSettings, resume: bool) -> Generator[Store, None, None]:
    """Hold a run folder for one search.

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
    if folder.exists() and not folder.is_dir():
        raise ParamsearchError(f"--out: {folder} is a file; a folder is needed")
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        store = Store(folder / DATABASE)
        try:
            _claim(folder, store, settings.identity(), resume)
            yield store
        finally:
            store.close()


def _claim(folder: Path, store: Store, identity: dict[str, Any], resume: bool) -> None:
    stored, trials = store.get("settings"), len(store.trials())
    begun = store.get("base") is not None
    if begun and not resume:
        state = "a finished run" if (folder / SUMMARY).exists() else "an unfinished run"
        raise ParamsearchError(
            f"run folder {folder} already holds {state} of {trials} trials; add --resume to "
            f"continue it, or choose another --out"
        )
    if begun and stored is None:
        raise ParamsearchError(f"run folder {folder} is damaged: its settings are missing")
    found = differences(stored, identity) if begun and stored is not None else []
    if found:
        raise ParamsearchError(
            f"run folder {folder} cannot be resumed with other settings: {'; '.join(found)}"
        )
    if not begun:
        store.put("settings", identity)


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
