"""How long the parts of a search go on that the data decide: means over recorded searches."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Habits:
    """What is usual. Rounds are of neighbours, two for each exponent, in climbs with joint steps.

    Attributes:
        passed: Share of the candidates of a stage that go on to the next.
        moves: Rounds that the climb measures, for each exponent.
        walked: Rounds of fresh seeds on which its end is held against the rule before.
        hopeful: Share of the points of the polish that look better than the best at a stage.
        tied: Rounds that intervals measure beyond the climb.
        snapped: Points for each exponent that are measured wholly for simple fractions.
        moves_by_loss: Rounds that both climbs by loss measure and the polish has not, likewise.
        tied_by_loss: Rounds that intervals by loss measure beyond, where a rule is chosen by it.
    """

    passed: float
    moves: float
    walked: float
    hopeful: float
    tied: float
    snapped: float
    moves_by_loss: float
    tied_by_loss: float


BEHIND_SOLVER = Habits(
    passed=0.2,  # one of 48 (uv) to half, the most (over depth)
    moves=0.19,  # 1.0 to 2.0 rounds with seven
    walked=0.3,  # in two of six searches it ends elsewhere than the solver
    hopeful=0.1,  # 0 to 0.2
    tied=0.7,  # 0 to 3.6 (convnet)
    snapped=0.1,
    moves_by_loss=0.45,  # 2.5 to 4.3 rounds with seven
    tied_by_loss=1.5,  # 0 to 3.4
)
"""Behind the solver: 17 searches of mlp, uv, resmlp, convnet and gpt."""

COLD = Habits(
    passed=0.5,  # 0.06 to 0.5
    moves=0.5,  # 0.3 to 0.8, most where many have to move
    walked=1.4,  # 1.0 to 2.5 in four searches: it always ended elsewhere than it began
    hopeful=0.13,  # 0.09 to 0.16
    tied=1.9,  # 1.3 to 3.2
    snapped=0.7,  # 0.3 to 1.1
    moves_by_loss=0.22,  # 0.14 to 0.4
    tied_by_loss=3.0,  # 1.5 to 4.9
)
"""Without it: thirteen short searches of mlp, resmlp, uv and convnet over two scales."""
