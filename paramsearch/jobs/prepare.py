"""Load and check everything that a search needs, before anything is written."""

from paramsearch.discovery.explore import proposer_for
from paramsearch.discovery.setting import Setting
from paramsearch.discovery.settings import SearchSettings
from paramsearch.errors import ParamsearchError
from paramsearch.jobs.checks import from_file
from paramsearch.jobs.command import check_command, check_weights
from paramsearch.jobs.device import check_device
from paramsearch.rules.space import Encoding, Space
from paramsearch.score.objective import Objective
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import Arch
from paramsearch.tracing.trace import Trace, trace
from paramsearch.train.command import Command
from paramsearch.train.optimizers.table import optimizer_entry


def prepare(
    settings: SearchSettings, arch: Arch, command: Command | None = None
) -> tuple[Setting, Trace, Encoding]:
    """Load and check everything that a search needs, before anything is written.

    Args:
        settings: What is asked.
        arch: The architecture.
        command: What trains members in place of the engine.

    Returns:
        The setting, the traced model and its free exponents.

    Raises:
        ParamsearchError: A name does not exist, a file is malformed, or parts do not fit.
    """
    optimizer_entry(settings.optimizer)
    check_device(settings.device)
    task = load_task(settings.task, settings.device, settings.seed)
    space, objective = Space.load(settings.space), Objective.load(settings.objective)
    if settings.axis not in space.axes:
        raise ParamsearchError(
            f"space '{settings.space}' frees exponents of {', '.join(space.axes)}; "
            f"received --axis {settings.axis}; choose another --space"
        )
    where = (settings.axis, settings.optimizer, objective, settings.device, settings.seed)
    setting = Setting(arch, task, *where, settings.engine, command)
    with from_file(settings.objective, about="objective"):
        check_command(setting)
        if command is not None:
            check_weights(objective)
    with from_file(settings.arch):
        traced = trace(arch, axis=settings.axis, task=task)
    with from_file(settings.space):
        whole = space.encode(traced.groups(settings.by), settings.optimizer)
        encoding = whole.along(settings.axis)
        if not encoding.variables:
            raise ParamsearchError(
                f"space '{space.name}' leaves no exponent of architecture '{arch.name}' along "
                f"{settings.axis} free, so there is nothing to search; allowed: at least one with "
                "low < high"
            )
    proposer_for(settings, encoding)  # a sampler that cannot be used shows before anything trains
    return setting, traced, encoding
