"""What jobs check before they train or write anything: the user's numbers, model and files."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from paramsearch.discovery.curves import workload_at
from paramsearch.discovery.setting import Setting
from paramsearch.errors import ParamsearchError, unknown_name
from paramsearch.score.objective import Objective
from paramsearch.tasks.catalog import load_task
from paramsearch.tasks.rebatched import batch_size
from paramsearch.tracing.arch import Arch
from paramsearch.tracing.axes import BATCH, STEPS, TRAINING

SEEDS = 2**32
"""Seeds lie below this, as those of numpy do."""


@contextmanager
def from_file(name: object, about: str = "") -> Generator[None, None, None]:
    """Put the user's file in front of what is wrong with its content.

    Args:
        name: What the user gave; anything but a path to a file is left out.
        about: Only where this is spoken of.

    Example:
        >>> with from_file("my/rule.yaml"):
        ...     raise ParamsearchError("no group matches")
        Traceback (most recent call last):
        paramsearch.errors.ParamsearchError: my/rule.yaml: no group matches
    """
    try:
        yield
    except ParamsearchError as error:
        path = str(name) if isinstance(name, str | Path) else ""
        told = str(error).partition(" (at ")[0]  # a line of the file may be told at the end
        named = path.endswith((".py", ".yaml")) and path not in told
        if not named or about not in str(error):
            raise
        raise ParamsearchError(f"{path}: {error}") from error


def check_axis(arch: Arch, axis: str, task: str = "", steps: int = 0) -> Arch:
    """Check that an architecture has an axis.

    Args:
        arch: The architecture.
        axis: The axis.
        task: Name of the task, whose batch size is the base of axis ``batch``.
        steps: Updates of a run, the base of axis ``steps``; 0 where axes of training are not meant.

    Returns:
        The architecture with that axis, which may have been one of its sizes.

    Raises:
        ParamsearchError: It has not; lists those it has.

    Example:
        >>> from paramsearch.tracing.arch import load_arch
        >>> check_axis(load_arch("mlp"), "batch", "teacher", 40).axes["batch"]
        64
    """
    if steps and of_training(arch, axis):
        return arch.along(axis, batch_size(load_task(task)) if axis == BATCH else steps)
    if axis not in arch.sizes:
        wrong = unknown_name("axis", axis, [*arch.sizes, *(TRAINING if steps else ())])
        raise ParamsearchError(f"architecture '{arch.name}': {wrong}")
    return arch.along(axis)


def of_training(arch: Arch, axis: str) -> bool:
    """Say whether an axis is one of training; a size of the model of that name goes first.

    Example:
        >>> from paramsearch.tracing.arch import load_arch
        >>> [of_training(load_arch("mlp"), axis) for axis in ("width", "batch", "steps")]
        [False, True, True]
    """
    return axis in arch.training or (axis in TRAINING and axis not in arch.sizes)


def check_solvable(arch: Arch, axis: str) -> None:
    """Check that update probes can tell the exponents along an axis.

    Raises:
        ParamsearchError: It is an axis of training.

    Example:
        >>> from paramsearch.tracing.arch import load_arch
        >>> check_solvable(load_arch("mlp"), "width")
    """
    if of_training(arch, axis):
        raise ParamsearchError(
            f"solve works on update probes, whose slopes need not vanish along {axis}; use search"
        )


def check_scored(arch: Arch, axis: str, objective: Objective) -> None:
    """Check that an objective asks of an axis only what a good rule brings about.

    Along axes of training the slopes of update probes need not vanish, and runs of other lengths
    have no sharpness curves to compare step by step.

    Raises:
        ParamsearchError: It weighs such a term.

    Example:
        >>> from paramsearch.tracing.arch import load_arch
        >>> check_scored(load_arch("mlp"), "batch", Objective.load("losses"))
    """
    if not of_training(arch, axis):
        return
    for term in ("probe_slopes", "sharpness_collapse")[: 1 + (axis == STEPS)]:
        weight = getattr(objective.weights, term)
        if weight > 0:
            raise ParamsearchError(
                f"objective '{objective.name}' weighs {term} {weight:g}, which need not vanish "
                f"along {axis}; allowed: weight 0, as in --objective losses"
            )


def check_seed(seed: int) -> None:
    """Check that every random stream of a job can be made from a seed.

    Raises:
        ParamsearchError: It is negative or too large.
    """
    if not 0 <= seed < SEEDS:
        raise ParamsearchError(f"seed must be from 0 to {SEEDS - 1}; received {seed}")


def check_trains(setting: Setting, scales: Sequence[int]) -> None:
    """Check that a model can be trained: built and run at every scale, if not by a program.

    Args:
        setting: Model, task and axis.
        scales: Sizes along the axis.

    Raises:
        ParamsearchError: It cannot; says where and why.
    """
    if setting.command is None:
        for scale in scales:
            workload_at(setting, scale)
