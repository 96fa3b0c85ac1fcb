"""Say what a job will take before it starts, and stop where that is longer than it looks."""

from dataclasses import dataclass

from paramsearch.discovery.prediction import Prediction, rounded, short
from paramsearch.errors import ParamsearchError
from paramsearch.jobs.reports import Reports

LONG = 600.0
"""Seconds that members which nobody asked to train one by one may take without being asked."""

EXPLODES = 3600.0
"""Seconds that a job along an axis whose cost explodes may take without being asked."""

STEEP, MANIFOLD = 2.5, 256.0
"""What explodes: the cost of a step grows with this power of the scale (that of matrix products is
2), or is so many times that of the base."""


@dataclass(frozen=True, slots=True)
class Consent:
    """Whose training is announced, and whether the user agreed to wait.

    Attributes:
        arch: Name of the architecture.
        remedy: What makes the job shorter, such as ``"lower --budget"``.
        yes: Whether the user agreed.
    """

    arch: str
    remedy: str
    yes: bool


def announce(predicted: Prediction, consent: Consent, reports: Reports, done: int = 0) -> None:
    """Tell the user what a job takes, and ask for patience where that may be a surprise.

    Args:
        predicted: What it takes.
        consent: For whom, and whether the user agreed to wait.
        reports: Hears it.
        done: Trials that the run holds already.

    Raises:
        ParamsearchError: Members train one by one though nobody asked for it, and that takes longer
            than ten minutes; or a step grows faster than ``scale ** 2.5`` or costs 256 times one at
            the base, and all takes longer than an hour; or the memory of the machine does not do;
            and the user did not agree.

    Example:
        >>> slow = Prediction(90, 10, 20, 5, 1e9, 1e9, 12000.0, looped="no batching rule")
        >>> announce(slow, Consent("mine", "lower --budget", yes=False), Reports(print, 1), done=80)
        Traceback (most recent call last):
        paramsearch.errors.ParamsearchError: architecture 'mine' cannot run under torch.func.vmap \
(no batching rule), so its members train one by one: about 22 minutes; lower --budget, or add --yes
    """
    left, otherwise = predicted.left(done), f"{consent.remedy}, or add --yes"
    refused: list[str] = []
    why = (
        f"architecture '{consent.arch}' cannot run under torch.func.vmap ({predicted.looped}), so "
        "its members train one by one"
    )
    if predicted.looped and left > LONG:
        refused.append(f"{why}: about {rounded(left)}; {otherwise}")
    growth = predicted.growth
    if growth and left > EXPLODES and (growth.times >= MANIFOLD or growth.power > STEEP):
        refused.append(
            f"at {growth.axis} {growth.scale} a step of architecture '{consent.arch}' costs "
            f"{short(growth.times)} times one at the base, {growth.axis} {growth.base}, and all "
            f"takes about {rounded(left)}; {otherwise}"
        )
    if (predicted.memory or 0.0) > predicted.room:
        refused.append(
            f"architecture '{consent.arch}' takes about {short((predicted.memory or 0) / 1e9)} GB "
            f"of memory{f' at {growth.axis} {growth.scale}' if growth else ''}, and there are "
            f"{short(predicted.room / 1e9)} GB; {otherwise}"
        )
    if refused and not consent.yes:
        raise ParamsearchError(refused[0])
    if predicted.looped:
        reports.note(why)
    reports.note(predicted.sentence(done))
