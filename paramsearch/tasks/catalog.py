"""Tasks by name: one row each."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from paramsearch.errors import unknown_name
from paramsearch.tasks.bigram import bigram
from paramsearch.tasks.bytes import bytes_task
from paramsearch.tasks.cifar10 import cifar10
from paramsearch.tasks.copy import copy_task
from paramsearch.tasks.digits import digits
from paramsearch.tasks.graphs import Graphs
from paramsearch.tasks.hf import hf
from paramsearch.tasks.images import images_task
from paramsearch.tasks.mixture import Mixture, parse_mix
from paramsearch.tasks.next_byte import NextByte
from paramsearch.tasks.random_walk import random_walk
from paramsearch.tasks.sparse_parity import SparseParity
from paramsearch.tasks.spec import options, parse
from paramsearch.tasks.task import Task
from paramsearch.tasks.teacher import Teacher
from paramsearch.tasks.tokens import tokens_task
from paramsearch.tasks.user_file import load_maker, make_task


@dataclass(frozen=True, slots=True)
class Entry:
    """How a task is made: ``make(device, seed, **options)``.

    Attributes:
        make: A function or class; its docstring's first line describes the task, its keyword-only
            parameters are the options.
        word: The option that may stand without its key right after the colon.
        dims: The task's dims where they are known before it is made, and making it takes a file or
            more than a moment.
    """

    make: Callable[..., Task]
    word: str = ""
    dims: Mapping[str, int] | None = None

    @property
    def needs_word(self) -> bool:
        """Whether there is no task without that option."""
        return options(self.make).get(self.word) is inspect.Parameter.empty


TASKS: dict[str, Entry] = {
    "bigram": Entry(bigram),
    "bytes": Entry(bytes_task),
    "cifar10": Entry(cifar10, "folder", {"inputs": 3072, "outputs": 10, "channels": 3}),
    "copy": Entry(copy_task),
    "digits": Entry(digits, dims={"inputs": 64, "outputs": 10}),
    "graphs": Entry(Graphs),
    "hf": Entry(hf, word="dataset"),
    "images": Entry(images_task, word="file"),
    "next_byte": Entry(NextByte),
    "random_walk": Entry(random_walk, word="graph"),
    "sparse_parity": Entry(SparseParity),
    "teacher": Entry(Teacher),
    "tokens": Entry(tokens_task, word="file"),
}
"""The tasks but for mixtures: name -> how it is made."""

MIX = "mix"


def task_names() -> list[str]:
    """List the tasks that can be loaded by their name alone.

    Returns:
        The names, sorted.

    Example:
        >>> {"bytes", "digits", "teacher"} <= set(task_names())
        True
    """
    return sorted(name for name, entry in TASKS.items() if not entry.needs_word)


def described_tasks() -> dict[str, str]:
    """Describe all tasks without loading any.

    Returns:
        Name, with what must follow its colon, -> the description.

    Example:
        >>> list(described_tasks())[:3]
        ['bigram', 'bytes', 'cifar10:FOLDER']
    """
    rows = {
        name + (f":{entry.word.upper()}" if entry.needs_word else ""): entry.make.__doc__ or ""
        for name, entry in TASKS.items()
    }
    return dict(sorted({**rows, "mix:NAME=WEIGHT,...": Mixture.__doc__ or ""}.items()))


def load_task(name: str, device: str | torch.device = "cpu", seed: int = 0) -> Task:
    """Load a task by name, its data resident on the device.

    Args:
        name: For instance ``"digits"``, ``"bytes:context=64"``, ``"tokens:train.bin"``,
            ``"mix:bytes=0.7,bigram=0.3"``, or a user's file, ``"my/task.py"``.
        device: Where batches are wanted.
        seed: Chooses the training batches; data, held-out examples and teacher never change.

    Returns:
        The task, whose name is the one given.

    Raises:
        ParamsearchError: No such task (lists those that exist), an option does not fit, or what
            the task reads is missing or wrong.

    Example:
        >>> inputs, target = load_task("random_walk:ba,nodes=100,context=8").batch(0)
        >>> tuple(inputs.shape), tuple(target.shape)
        ((16, 8), (16, 8))
    """
    plain, _, text = name.partition(":")
    if plain == MIX:
        task = _load_mix(text, device, seed)
    elif plain.endswith(".py"):
        make = load_maker(plain)
        task = make_task(plain, make, device, seed, parse(plain, text, options(make)))
    elif plain in TASKS:
        entry = TASKS[plain]
        task = entry.make(device, seed, **parse(plain, text, options(entry.make), entry.word))
    else:
        raise unknown_name("task", plain, [*TASKS, MIX])
    task.name = name
    return task


def _load_mix(text: str, device: str | torch.device, seed: int) -> Mixture:
    weights, shared = parse_mix(text)
    parts: list[tuple[Task, float]] = []
    for name, weight in weights.items():
        full = name + ((("," if ":" in name else ":") + shared) if shared else "")
        parts.append((load_task(full, device, seed), weight))
    return Mixture(parts)
