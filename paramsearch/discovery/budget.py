"""How much a search may spend: candidates, member-steps or time."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from paramsearch.errors import ParamsearchError

Unit = Literal["trials", "steps", "seconds"]

_UNITS: dict[str, tuple[Unit, float]] = {
    "": ("trials", 1.0),
    "trials": ("trials", 1.0),
    "steps": ("steps", 1.0),
    "s": ("seconds", 1.0),
    "min": ("seconds", 60.0),
    "h": ("seconds", 3600.0),
}
_FORM = re.compile(r"\s*([0-9.]+(?:e[0-9]+)?)\s*([a-z]*)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Budget:
    """What a search may spend.

    A budget of candidates bounds those that the sampler proposes; the polish comes on top. One of
    member-steps or time bounds the whole search: the sampler stops while enough is left for the
    rest, as far as that can be foreseen.

    Attributes:
        amount: How much, positive.
        unit: ``trials`` for candidates, ``steps`` for member-steps, or ``seconds``.
    """

    amount: float
    unit: Unit

    @staticmethod
    def read(text: str | int) -> "Budget":
        """Read a budget as a user gives it.

        Args:
            text: A number of candidates, or a number with the unit ``steps``, ``s``, ``min`` or
                ``h``.

        Raises:
            ParamsearchError: It is not of that form, or not above 0.

        Example:
            >>> Budget.read(96), Budget.read("2e6steps").amount, Budget.read("5 min").amount
            (Budget(amount=96.0, unit='trials'), 2000000.0, 300.0)
        """
        form = _FORM.fullmatch(str(text))
        allowed = "a number of candidates such as 96, or 2e6steps, 90s, 5min, 1h"
        try:
            number, (unit, size) = float(form[1]), _UNITS[form[2].lower()]  # type: ignore[index]
        except (TypeError, ValueError, KeyError):
            raise ParamsearchError(f"budget: received '{text}'; allowed: {allowed}") from None
        amount = number * size
        if amount <= 0 or (unit == "trials" and amount != int(amount)):
            what = "a whole number of trials above 0" if unit == "trials" else "above 0"
            raise ParamsearchError(f"budget: received '{text}'; allowed: {what}")
        return Budget(amount, unit)


class Purse:
    """Says during a search how many candidates may still be proposed.

    Args:
        budget: What may be spent.
        generation: Candidates proposed at a time.
        spent: Gives what is spent by now, in the unit of the budget.
        fixed: What all of the search but the sampler takes, in that unit.
        each: What a generation takes, in that unit.
        ended: Candidates at which the sampler of this very run stopped before, if it did; a run
            that is continued stops there again.
        closed: Hears how many candidates there were when the sampler stops.

    Attributes:
        budget: What may be spent.
    """

    def __init__(
        self,
        budget: Budget,
        generation: int,
        spent: Callable[[], float] = lambda: 0.0,
        fixed: float = 0.0,
        each: float = 0.0,
        ended: int | None = None,
        closed: Callable[[int], None] = lambda trials: None,
    ) -> None:
        self.budget = budget
        self.close = closed
        self._generation = generation
        self._spent = spent
        self._fixed = fixed
        self._each = each
        self._ended = int(budget.amount) if budget.unit == "trials" else ended
        self._start: float | None = None

    @property
    def total(self) -> int | None:
        """Candidates in all, where that is known."""
        return self._ended

    def next(self, trials: int) -> int:
        """Give how many candidates to propose next; 0 when the rest is to begin.

        Args:
            trials: Distinct candidates proposed so far.

        Example:
            >>> Purse(Budget.read(20), 16).next(16)
            4
            >>> spent = iter([10.0, 40.0, 80.0])
            >>> purse = Purse(Budget.read("100s"), 16, lambda: next(spent), fixed=30, each=20)
            >>> purse.next(0), purse.next(16), purse.next(32)
            (16, 16, 0)
        """
        if self._ended is not None:
            return max(0, min(self._generation, self._ended - trials))
        spent = self._spent()
        if self._start is None:
            self._start = min(spent, self._fixed)
        left = self.budget.amount - self._fixed - (spent - self._start)
        return self._generation if trials == 0 or left >= self._each else 0
