"""What a search gives and leaves: its result, its files, and what it says when it is stopped."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paramsearch.discovery.files import write_json
from paramsearch.discovery.folder import RULE, SUMMARY
from paramsearch.discovery.prediction import Prediction
from paramsearch.discovery.store import Store
from paramsearch.rules.rule import Rule


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found.

    Attributes:
        rule: The rule.
        groups: Per group of tensors its exponents with intervals, as in ``summary.json``.
        folder: The run folder, with ``rule.yaml``, ``summary.json`` and pictures.
        summary: The content of ``summary.json``.
        timing: The content of ``timing.json``: what every session took, and what was predicted.
    """

    rule: Rule
    groups: list[dict[str, Any]]
    folder: Path
    summary: dict[str, Any]
    timing: dict[str, Any]


class Stopped(KeyboardInterrupt):
    """A search was interrupted; the run can be continued.

    Attributes:
        trials: Trials kept in the run.
        command: The command that continues it.
    """

    def __init__(self, trials: int, command: str):
        """Note how far the run came and how to continue it."""
        super().__init__(f"stopped after {trials} trials; continue with: {command}")
        self.trials = trials
        self.command = command


def write_results(
    folder: Path, summary: dict[str, Any], rule: Rule, timing: dict[str, Any]
) -> None:
    """Write the files of a finished search into its folder.

    Args:
        folder: The run folder.
        summary: The content of ``summary.json``.
        rule: That of ``rule.yaml``.
        timing: That of ``timing.json``.
    """
    from paramsearch.report.pictures import search_pictures  # matplotlib is slow to import

    rule.save(folder / RULE)
    write_json(folder / SUMMARY, summary)
    write_json(folder / "timing.json", timing)
    search_pictures(summary, folder)


def note_session(
    store: Store, seconds: float, steps: int, predicted: Prediction, done: int
) -> None:
    """Keep what a session took, beside what was predicted of it.

    Args:
        store: Of the run.
        seconds: That it took.
        steps: Member-steps that it made.
        predicted: The search.
        done: Trials that the run held before.
    """
    sessions: list[dict[str, float | None]] = store.get("sessions") or []
    session = {
        "seconds": seconds,
        "member_steps": steps,
        "member_steps_per_second": steps / seconds if seconds > 0 else 0.0,
        "predicted_seconds": None if predicted.seconds is None else predicted.left(done),
        "predicted_memory": predicted.memory,
    }
    store.put("sessions", [*sessions, session])
