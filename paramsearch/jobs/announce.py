"""Say what a search will take before it starts, and stop where that is longer than it looks."""

from paramsearch.discovery.explore import UNKNOWN
from paramsearch.discovery.plan import at_most, expected
from paramsearch.discovery.predict import predict
from paramsearch.discovery.prediction import Prediction, rounded
from paramsearch.discovery.probed import Work
from paramsearch.discovery.setting import Setting
from paramsearch.discovery.settings import SearchSettings
from paramsearch.errors import ParamsearchError
from paramsearch.jobs.reports import Reports
from paramsearch.rules.encoding import Encoding

LONG = 600.0
"""Seconds that members which nobody asked to train one by one may take without being asked."""

EXPLODES = 3600.0
"""Seconds that a search along an axis whose cost explodes may take without being asked."""

STEEP = 2.5
"""Power of the scale with which the cost of a step explodes: that of matrix products is 2."""


def work_of(settings: SearchSettings, setting: Setting, encoding: Encoding) -> Work:
    """Give the member-steps that a search will make, about, by scale and kind of population.

    Args:
        settings: What is asked.
        setting: The same, loaded.
        encoding: The free exponents.
    """
    allowance = settings.allowance
    trials = round(allowance.amount) if allowance.unit == "trials" else UNKNOWN
    return expected(settings, setting.objective, _counts(encoding), 0, trials).work()


def forecast(
    settings: SearchSettings, setting: Setting, encoding: Encoding, baselines: int, trials: int
) -> Prediction:
    """Predict what a search takes.

    Args:
        settings: What is asked.
        setting: The same, loaded.
        encoding: The free exponents.
        baselines: Published rules that are evaluated beside.
        trials: Candidates that the sampler proposes.
    """
    asked = (settings, setting.objective, _counts(encoding), baselines, trials)
    work = work_of(settings, setting, encoding)
    return predict(setting, expected(*asked), at_most(*asked), work)


def _counts(encoding: Encoding) -> list[int]:
    return [len(variable.values) for variable in encoding.variables]


def announce(arch: str, predicted: Prediction, reports: Reports, yes: bool, done: int) -> None:
    """Tell the user what a search takes, and ask for patience where that may be a surprise.

    Args:
        arch: Name of the architecture.
        predicted: What it takes.
        reports: Hears it.
        yes: Whether the user agreed to wait.
        done: Trials that the run holds already.

    Raises:
        ParamsearchError: Members train one by one though nobody asked for it, and that takes longer
            than ten minutes; or the cost of a step grows faster than ``scale ** 2.5``, and all
            takes longer than an hour; and the user did not agree.

    Example:
        >>> slow = Prediction(90, 10, 20, 5, 1e9, 1e9, 12000.0, looped="no batching rule")
        >>> announce("mine", slow, Reports(print, 1), yes=False, done=80)
        Traceback (most recent call last):
        paramsearch.errors.ParamsearchError: architecture 'mine' cannot run under torch.func.vmap \
(no batching rule), so its members train one by one: about 22 minutes; lower --budget, or add --yes
    """
    if predicted.looped:
        why = (
            f"architecture '{arch}' cannot run under torch.func.vmap ({predicted.looped}), so its "
            "members train one by one"
        )
        left = predicted.left(done)
        if left > LONG and not yes:
            raise ParamsearchError(f"{why}: about {rounded(left)}; lower --budget, or add --yes")
        reports.note(why)
    left = predicted.left(done)
    if predicted.steepness > STEEP and left > EXPLODES and not yes:
        raise ParamsearchError(
            f"the cost of a step of architecture '{arch}' grows as scale^{predicted.steepness:.1f} "
            f"along this axis, and the search takes about {rounded(left)}; lower --budget, choose "
            "an objective with smaller ratios, or add --yes"
        )
    reports.note(predicted.sentence(done))
