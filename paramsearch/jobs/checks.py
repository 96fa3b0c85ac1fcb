"""What jobs check before they train or write anything: the user's numbers, model and files."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from paramsearch.discovery.curves import workload_at
from paramsearch.discovery.setting import Setting
from paramsearch.errors import ParamsearchError, unknown_name
from paramsearch.tracing.arch import Arch

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


def check_axis(arch: Arch, axis: str) -> Arch:
    """Check that an architecture has an axis.

    Returns:
        The architecture with that axis, which may have been one of its sizes.

    Raises:
        ParamsearchError: It has not; lists those it has.
    """
    if axis not in arch.sizes:
        wrong = unknown_name("axis", axis, arch.sizes)
        raise ParamsearchError(f"architecture '{arch.name}': {wrong}")
    return arch.along(axis)


def check_seed(seed: int) -> None:
    """Check that every random stream of a job can be made from a seed.

    Raises:
        ParamsearchError: It is negative or too large.
    """
    if not 0 <= seed < SEEDS:
        raise ParamsearchError(f"seed must be from 0 to {SEEDS - 1}; received {seed}")


def check_trains(setting: Setting, scales: Sequence[int]) -> None:
    """Check that a model can be trained: built and run at every scale.

    Args:
        setting: Model, task and axis.
        scales: Sizes along the axis, beside the base.

    Raises:
        ParamsearchError: It cannot; says where and why.
    """
    for scale in (setting.base_scale, *scales):
        workload_at(setting, scale)
