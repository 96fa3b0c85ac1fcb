"""How a budget in member-steps or time becomes generations of candidates."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from paramsearch.discovery.budget import Budget, Purse
from paramsearch.discovery.prediction import Prediction, rounded, short
from paramsearch.discovery.settings import SearchSettings
from paramsearch.discovery.store import Store
from paramsearch.errors import ParamsearchError

Forecast = Callable[[int], Prediction]
"""Predicts a search whose sampler proposes so many candidates."""

EXPLORED = "explored"
"""Name under which a store keeps the candidates at which the sampler stopped."""


@dataclass(frozen=True, slots=True)
class Spending:
    """How a search will spend its budget.

    Attributes:
        trials: Candidates of the sampler, as far as can be foreseen.
        fixed: What all but the sampler takes, in the unit of the budget.
        each: What a generation takes.
        predicted: The search.
    """

    trials: int
    fixed: float
    each: float
    predicted: Prediction


def spending(budget: Budget, generation: int, forecast: Forecast) -> Spending:
    """Foresee how a search spends its budget.

    Args:
        budget: What may be spent.
        generation: Candidates proposed at a time, of those that there are.
        forecast: Predicts the search for a number of candidates.

    Raises:
        ParamsearchError: One generation, with what every search trains, takes more than there is,
            or time is to be spent on a user's program, which cannot be foreseen.

    Example:
        >>> def forecast(trials):
        ...     return Prediction(trials, 1000 + 10 * trials, 0, 0)
        >>> spending(Budget.read("2000steps"), 16, forecast).trials
        96
        >>> spending(Budget.read("900steps"), 16, forecast)
        Traceback (most recent call last):
        paramsearch.errors.ParamsearchError: budget: received 900 member-steps, which are too few \
for one generation of 16 candidates: with all that a search trains besides it takes about \
1.2e3 member-steps
    """
    few = f"which are too few for one generation of {generation} candidates"
    if budget.unit == "trials":
        trials = int(budget.amount)
        if trials < generation:
            raise ParamsearchError(
                f"budget: received {trials} trials, {few}; allowed: at least that many"
            )
        return Spending(trials, 0.0, 0.0, forecast(trials))
    first, second = forecast(generation), forecast(2 * generation)
    one, two = _in(budget, first), _in(budget, second)
    if one > budget.amount:
        raise ParamsearchError(
            f"budget: received {_told(budget, budget.amount)}, {few}: with all that a search "
            f"trains besides it takes about {_told(budget, one)}"
        )
    each = max(two - one, 1e-9)
    trials = generation * (1 + int((budget.amount - one) / each))
    return Spending(trials, one - each, each, forecast(trials))


def purse(
    settings: SearchSettings, plan: Spending, member_steps: Callable[[], int], store: Store
) -> Purse:
    """Open the purse of a search, or of one that is continued.

    Args:
        settings: What is asked.
        plan: How the budget is spent.
        member_steps: Counts those of candidates by now.
        store: Remembers earlier sessions and where the sampler stopped.
    """
    budget, started = settings.allowance, time.monotonic()
    sessions: list[dict[str, float]] = store.get("sessions") or []
    before = sum(session["seconds"] for session in sessions)

    def spent() -> float:
        if budget.unit == "seconds":
            return before + time.monotonic() - started
        return float(member_steps())

    return Purse(
        budget,
        settings.together,
        spent,
        plan.fixed,
        plan.each,
        store.get(EXPLORED),
        lambda trials: store.put(EXPLORED, trials),
    )


def _in(budget: Budget, predicted: Prediction) -> float:
    """Give what is predicted, in the unit of the budget."""
    if budget.unit == "steps":
        return float(predicted.member_steps)
    if predicted.seconds is None:
        raise ParamsearchError(
            "budget: the time of a program's runs cannot be foreseen; allowed with --command: a "
            "number of candidates such as 96, or of member-steps such as 2e6steps"
        )
    return predicted.seconds


def _told(budget: Budget, amount: float) -> str:
    if budget.unit == "steps":
        return f"{short(amount)} member-steps"
    return rounded(amount) if amount >= 1 else f"{amount:.2g} s"
