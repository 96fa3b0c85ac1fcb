"""Say in one sentence why an architecture and a task do not fit together."""

import re
from collections.abc import Generator
from contextlib import contextmanager

from paramsearch.errors import ParamsearchError
from paramsearch.tasks.task import Task

_REFUSED = re.compile(r"unexpected keyword argument '(\w+)'")
_MISSED = re.compile(r"missing \d+ required .*?argument.*?: .*?'(\w+)'")
_TAKES = {
    "positions": "predicts at every position; choose a sequence architecture, or a task with one "
    "prediction per example such as next_byte or digits",
    "vocabulary": "gives tokens; choose an architecture that embeds them, or a task that gives "
    "numbers such as digits",
    "nodes": "gives graphs; choose architecture gnn, or let build take `nodes: int`",
    "channels": "gives flat images of several channels, channel-first; let build take "
    "`channels: int = 1`",
}
_NEEDS = {
    "vocabulary": "gives numbers; choose a task that gives tokens such as bytes",
    "positions": "wants one prediction per example; choose a sequence task such as bytes",
    "nodes": "gives no graphs; choose task graphs",
}


@contextmanager
def explained(arch: str, task: Task) -> Generator[None]:
    """Explain a failed build by the dims of the task, where they are the reason.

    Args:
        arch: Name of the architecture that is built inside.
        task: Gives the dims that it is built with.

    Raises:
        ParamsearchError: What failed inside, in the words of architecture and task if ``build``
            does not take one of the dims, or needs one that the task does not have.
    """
    try:
        yield
    except ParamsearchError as error:
        sentence = _misfit(arch, task, str(error.__cause__ or ""))
        if isinstance(error.__cause__, TypeError) and sentence:
            raise ParamsearchError(sentence) from error
        raise


def _misfit(arch: str, task: Task, reason: str) -> str | None:
    """Read Python's own words on arguments that do not fit a call."""
    if (refused := _REFUSED.search(reason)) and refused[1] in task.dims:
        why = _TAKES.get(refused[1], f"has dims {dict(task.dims)}")
        return f"architecture '{arch}' does not take '{refused[1]}': task '{task.name}' {why}"
    if (missed := _MISSED.search(reason)) and missed[1] in _NEEDS and missed[1] not in task.dims:
        return f"architecture '{arch}' needs '{missed[1]}': task '{task.name}' {_NEEDS[missed[1]]}"
    return None
