"""Training runs that were made for something, and those of them that failed."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paramsearch.train.outcome import Outcome
from paramsearch.train.population import Member


@dataclass(frozen=True, slots=True)
class Runs:
    """How many training runs were made, and how many of them failed.

    Attributes:
        made: All of them.
        failed: Those of a user's program that gave no losses, or some that are not finite.
        failure: What the first of these did instead, in words; "" where none failed.
    """

    made: int = 0
    failed: int = 0
    failure: str = ""

    def __add__(self, others: "Runs") -> "Runs":
        """Count these and then others.

        Example:
            >>> Runs(4) + Runs(2, 1, "exited with code 1")
            Runs(made=6, failed=1, failure='exited with code 1')
        """
        failure = self.failure or others.failure
        return Runs(self.made + others.made, self.failed + others.failed, failure)

    def to_json(self) -> dict[str, Any]:
        """Give plain data."""
        return {"trained": self.made, "failed": self.failed, "failure": self.failure}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Runs":
        """Read what ``to_json`` gave, among other things."""
        return Runs(data["trained"], data["failed"], data["failure"])


def runs_of(members: Sequence[Member], outcome: Outcome) -> dict[int, Runs]:
    """Count the runs of each rule; gives index of the rule -> runs.

    Args:
        members: What was trained.
        outcome: What became of them.
    """
    found = defaultdict[int, Runs](Runs)
    for index, member in enumerate(members):
        failure = outcome.failures.get(index, "")
        found[member.rule] += Runs(1, int(bool(failure)), failure)
    return found
