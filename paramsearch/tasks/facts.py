"""What can be said of every task beside its description: options, dims and loss floor."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass

from paramsearch.errors import ParamsearchError
from paramsearch.tasks.catalog import MIX, TASKS, Entry, load_task
from paramsearch.tasks.mixture import SHARED
from paramsearch.tasks.spec import options
from paramsearch.tasks.task import Task


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """What is known of a task with the options that it has by default.

    Attributes:
        options: Option that may be given -> default; None where that depends on others.
        dims: As in `Task`; None where they depend on the user's files.
        loss_floor: The lowest expected loss; None where it is not known.
        error: Why the task cannot be made here; empty if it can, or needs the user's files.
    """

    options: Mapping[str, object]
    dims: Mapping[str, int] | None = None
    loss_floor: float | None = None
    error: str = ""


def task_facts() -> dict[str, TaskFacts]:
    """Give the facts of all tasks; those that are made in a moment are made to find them.

    Returns:
        Name, with what must follow its colon, -> facts, sorted by name.

    Example:
        >>> facts = task_facts()["teacher"]
        >>> dict(facts.dims), facts.loss_floor
        ({'inputs': 32, 'outputs': 8}, 0.0)
    """
    found = {
        name + (f":{entry.word.upper()}" if entry.needs_word else ""): _facts(name, entry)
        for name, entry in TASKS.items()
    }
    mix = TaskFacts(dict.fromkeys(SHARED))
    return dict(sorted({**found, f"{MIX}:NAME=WEIGHT,...": mix}.items()))


def known_dims(name: str) -> Mapping[str, int] | None:
    """Give the dims of a task that is slow to make, without making it; None of all others.

    Example:
        >>> known_dims("digits"), known_dims("teacher")
        ({'inputs': 64, 'outputs': 10}, None)
    """
    return TASKS[name].dims if name in TASKS else None


def _facts(name: str, entry: Entry) -> TaskFacts:
    empty = inspect.Parameter.empty
    defaults = {key: value for key, value in options(entry.make).items() if value is not empty}
    if entry.dims is not None or entry.needs_word:
        return TaskFacts(defaults, entry.dims)
    try:
        task: Task = load_task(name)
    except ParamsearchError as error:
        return TaskFacts(defaults, error=str(error))
    return TaskFacts(defaults, task.dims, task.loss_floor)
