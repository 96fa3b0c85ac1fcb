"""Whether a rule that was found by its loss alone still wins over longer runs.

An objective that weighs no probes knows no limit behaviour, so that there is no front to choose
from. What wins over a short horizon may lose later all the same: the rule found is held against the
start, four times as long, and what comes out is told beside it.
"""

from paramsearch.discovery.answers.answer import answers
from paramsearch.discovery.answers.longer import LIMIT, Longer
from paramsearch.discovery.settings import SearchSettings
from paramsearch.score.objective import Objective
from paramsearch.tracing.axes import STEPS

FOUND = "found"
"""The rule that the search has found."""

_OVER = {
    "lower": "Over {} steps it still has a lower loss than the start",
    "tied": "Warning: over {} steps it cannot be told from the start",
    "higher": "Warning: over {} steps it is worse than the start",
}


def outlasting(settings: SearchSettings, objective: Objective) -> bool:
    """Say whether the rule found by a search is held against the start over longer runs.

    Not where a front of rules is, where the length of a run is the axis, or where it is for a
    user's own program to say.

    Args:
        settings: What was asked.
        objective: What is weighed.
    """
    ours = settings.program is None and settings.axis != STEPS
    return ours and bool(objective.weights.loss) and not answers(objective)


def told_later(longer: Longer) -> str | None:
    """Say in a sentence what longer runs say of the rule found; None where a choice tells it.

    Args:
        longer: Losses of the rule found and of the start, or of the rules of a choice.

    Example:
        >>> print(told_later(Longer(1600, 64, 0.01, 1.0, {"start": (1.0,), "found": (0.9,)})))
        Over 1600 steps it still has a lower loss than the start, 10.0% ± 0.0% lower.
    """
    if longer.compared == LIMIT:
        return None
    against = longer.against(FOUND)
    return f"{_OVER[against.word()].format(longer.steps)}, {against.percent()}."
