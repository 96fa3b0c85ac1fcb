"""What jobs check before a user's own program trains their members."""

from paramsearch.discovery.setting import Setting
from paramsearch.errors import ParamsearchError
from paramsearch.score.fidelity import Fidelity
from paramsearch.score.objective import Objective
from paramsearch.train.command import TIMEOUT, Command
from paramsearch.train.recipe import Engine

_MEASURED_INSIDE = ("sharpness_collapse", "probe_slopes")
_PROGRAMS_OWN = ("weight_decay", "eps", "schedule", "clip")


def command_of(text: str | None, timeout: float | None, jobs: int) -> Command | None:
    """Make the command of a job; None where the engine trains.

    Args:
        text: The command, None for the engine.
        timeout: Seconds that one run may take, None for the default.
        jobs: Runs at the same time.

    Raises:
        ParamsearchError: The command cannot be used, or there is none that the others are for.

    Example:
        >>> command_of(None, None, 4)
        Traceback (most recent call last):
        paramsearch.errors.ParamsearchError: --jobs is for --command; received no --command
    """
    if text is not None:
        return Command(text, TIMEOUT if timeout is None else timeout, jobs)
    for option, given in (("--jobs", jobs != 1), ("--command-timeout", timeout is not None)):
        if given:
            raise ParamsearchError(f"{option} is for --command; received no --command")
    return None


def check_command(setting: Setting) -> None:
    """Check that command, architecture, engine and fidelity fit, where there is a command.

    Args:
        setting: Of the job.

    Raises:
        ParamsearchError: A placeholder is wrong or missing, or something is asked for that only
            the engine does.
    """
    if setting.command is None:
        return
    setting.command.check(list(setting.arch.axes), setting.axis)
    if setting.engine != Engine():
        raise ParamsearchError(
            "backend, precision and compile are those of the engine, and a --command trains "
            f"without it; received {setting.engine}"
        )
    fidelity = setting.objective.fidelity
    for key in _PROGRAMS_OWN:
        value = getattr(fidelity, key)
        if value != Fidelity.model_fields[key].default:
            raise ParamsearchError(
                f"objective '{setting.objective.name}': fidelity.{key}: received {value}; a "
                "--command does not learn of it: leave it out here and set it in the program"
            )


def check_weights(objective: Objective) -> None:
    """Check that an objective scores losses alone, which is all that a command tells.

    Raises:
        ParamsearchError: It weighs what is measured inside the model.

    Example:
        >>> check_weights(Objective.load("losses"))
    """
    weights = objective.weights.model_dump()
    inside = [f"{name} {weights[name]:g}" for name in _MEASURED_INSIDE if weights[name] > 0]
    if inside:
        raise ParamsearchError(
            f"objective '{objective.name}' weighs {' and '.join(inside)}, measured inside the "
            "model, and a --command tells losses alone; allowed: weight 0, as in --objective losses"
        )
