"""What the first step tells and a whole run hides counts in the score."""

import pytest

from paramsearch.discovery.evaluate import Evaluator
from paramsearch.discovery.setting import Setting
from paramsearch.rules.rule import Rule
from paramsearch.score.fidelity import LrGrid
from paramsearch.score.objective import Objective
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import load_arch

MUP = Rule.load("mup", optimizer="sgd")


def grown():
    """muP, but the readout's init goes like ``1 / sqrt(m)``, so that its first step buys m as much.

    It has the lower loss over ratios 1 to 4, where nothing grows over a run, and diverges at 128.
    """
    exponents = {"output": {"init": -0.5, "lr": -0.75}, "vector": {"lr": 0.75}}
    groups = [
        group.model_copy(
            update={q: {"width": e} for q, e in exponents.get(group.match.role, {}).items()}
        )
        for group in MUP.groups
    ]
    return MUP.model_copy(update={"groups": tuple(groups)})


@pytest.mark.slow
def test_a_rule_whose_first_step_grows_scores_worse_than_mup():
    objective = Objective.load("transfer")
    grid = LrGrid(low=0.174, high=1.392, step=1.0, window=1.0)
    fidelity = objective.fidelity.model_copy(update={"lr": grid})
    objective = objective.model_copy(update={"fidelity": fidelity})
    about = Setting(load_arch("mlp"), load_task("digits"), "width", "gd", objective, "cpu", 0)
    mup, other = Evaluator(about).evaluate([MUP, grown()], range(4), objective.stages[0])
    assert other.terms["loss"] < mup.terms["loss"]
    assert min(b - a for a, b in zip(mup.per_seed, other.per_seed, strict=True)) > 0.1
