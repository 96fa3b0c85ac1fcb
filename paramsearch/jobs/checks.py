"""What jobs check before they train or write anything: the user's numbers, model and files."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from torch.func import grad_and_value, vmap

from paramsearch.discovery.setting import Setting
from paramsearch.errors import ParamsearchError, said, unknown_name
from paramsearch.tracing.arch import Arch
from paramsearch.train.workload import Workload, prepare

SEEDS = 2**32
"""Seeds lie below this, as those of numpy do."""

_LONGEST = 240  # characters of what torch or the model says


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
        named = path.endswith((".py", ".yaml")) and path not in str(error)
        if not named or about not in str(error):
            raise
        raise ParamsearchError(f"{path}: {error}") from error


def check_axis(arch: Arch, axis: str) -> None:
    """Check that an architecture has an axis.

    Raises:
        ParamsearchError: It has not; lists those it has.
    """
    if axis not in arch.axes:
        wrong = unknown_name("axis", axis, arch.axes)
        raise ParamsearchError(f"architecture '{arch.name}': {wrong}")


def check_seed(seed: int) -> None:
    """Check that every random stream of a job can be made from a seed.

    Raises:
        ParamsearchError: It is negative or too large.
    """
    if not 0 <= seed < SEEDS:
        raise ParamsearchError(f"seed must be from 0 to {SEEDS - 1}; received {seed}")


def check_trains(setting: Setting, scales: Sequence[int]) -> None:
    """Check that a model can be trained: built and run at every scale, as a population at the base.

    Args:
        setting: Model, task and axis.
        scales: Sizes along the axis, beside the base.

    Raises:
        ParamsearchError: It cannot; says where and why.
    """
    for scale in (setting.base_scale, *scales):
        where = {setting.axis: scale}
        workload = prepare(setting.arch, setting.task, where, device=setting.device)
        if scale == setting.base_scale:
            _check_population(workload, setting.arch.name)


def _check_population(workload: Workload, name: str) -> None:
    """Run one step of one member, as the engine does, and look at its loss."""
    params = {key: p.detach()[None].clone() for key, p in workload.model.named_parameters()}
    batch = workload.batch(0)

    def loss(member: dict[str, Tensor]) -> Tensor:
        return workload.loss(member, batch)

    try:
        with torch.no_grad():
            value = vmap(grad_and_value(loss))(params)[1]
    except RuntimeError as error:
        raise ParamsearchError(
            f"architecture '{name}' cannot be trained as a population, that is under "
            f"torch.func.vmap; its forward fails with: {brief(error)}"
        ) from error
    if not value.isfinite().all():
        raise ParamsearchError(
            f"architecture '{name}' gives a loss of {value.item()} on task "
            f"'{workload.task.name}' before any update; a learning rate cannot help there"
        )


def brief(error: BaseException) -> str:
    """Give the start of what an error says."""
    text = said(error)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3].rstrip() + "..."
