"""Measure points of the grid for one question of a search: on its seeds, as far as it needs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from paramsearch.discovery.answers.answer import STAGE
from paramsearch.discovery.answers.front import scored_by_loss
from paramsearch.discovery.encoding import Point
from paramsearch.discovery.evaluation import Evaluation
from paramsearch.discovery.ledger import Ledger
from paramsearch.discovery.settings import SearchSettings
from paramsearch.rules.rule import Rule
from paramsearch.score.stage import Stage


@dataclass(frozen=True, slots=True)
class Measures:
    """Each method is a ``Measure``; none of them stops early beside a rival.

    Attributes:
        ledger: Evaluates rules.
        settings: Give the seeds.
        rule: Gives the rule at a point.
        told: Told the name of the stage once it is measured.
    """

    ledger: Ledger
    settings: SearchSettings
    rule: Callable[[Point], Rule]
    told: Callable[[str], None]

    def confirming(
        self, points: Sequence[Point], stage: str, number: int, rival: Point | None = None
    ) -> list[Evaluation]:
        """Measure points wholly on seeds that nothing was chosen on."""
        del rival
        seeds = self.settings.confirming_seeds(number)
        return self._measured(points, seeds, stage, number)

    def losses(
        self, points: Sequence[Point], stage: str, number: int, rival: Point | None = None
    ) -> list[Evaluation]:
        """Measure losses and probes on the seeds of the polish."""
        del rival
        found = self._measured(points, self.settings.final_seeds(), stage, number, STAGE)
        self.told(stage)
        return found

    def by_loss(
        self, points: Sequence[Point], stage: str, number: int, rival: Point | None = None
    ) -> list[Evaluation]:
        """Do that, and score points by their loss alone."""
        return [scored_by_loss(each) for each in self.losses(points, stage, number, rival)]

    def _measured(
        self,
        points: Sequence[Point],
        seeds: Sequence[int],
        stage: str,
        number: int,
        what: Stage | None = None,
    ) -> list[Evaluation]:
        rules = [self.rule(point) for point in points]
        return [each.evaluation for each in self.ledger.measure(rules, seeds, stage, number, what)]
