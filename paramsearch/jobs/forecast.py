"""Predict what a job takes, before it trains."""

from collections import Counter

from paramsearch.discovery.explore import UNKNOWN
from paramsearch.discovery.plan import at_most, expected
from paramsearch.discovery.predict import QUICK, predict
from paramsearch.discovery.prediction import Prediction
from paramsearch.discovery.probed import Kind, Work
from paramsearch.discovery.progress import Listener, Progress
from paramsearch.discovery.rounds import Plan
from paramsearch.discovery.setting import Setting
from paramsearch.discovery.settings import SearchSettings
from paramsearch.discovery.solver.base_rate import with_steps
from paramsearch.jobs.announce import Consent, announce
from paramsearch.jobs.reports import Reports
from paramsearch.rules.encoding import Encoding


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


def ahead(setting: Setting, plan: Plan, consent: Consent, listen: Listener) -> Prediction:
    """Predict and announce what a job without candidates takes: one that solves or verifies.

    Args:
        setting: Model, task, axis, optimizer, objective, device and engine.
        plan: What it will train.
        consent: For whom, and whether the user agreed to wait.
        listen: Told about it.

    Raises:
        ParamsearchError: The model cannot be trained, or trains for long and the user did not
            agree, see ``announce``.
    """
    reports = Reports(listen, plan.steps)
    reports.send(Progress("plan", 0, None, None))
    # The engine is not told of what is ahead, and looks at one population at a time.
    work = Counter[tuple[float, Kind]]()
    for p in plan.populations:
        work[p.ratio, p.kind] = max(work[p.ratio, p.kind], p.members * plan.steps)
    predicted = predict(with_steps(setting, plan.steps), plan, plan, work, QUICK)
    announce(predicted, consent, reports)
    return predicted
