"""Along depth, rules that scale residual branches down score better than the standard one."""

import pytest

from paramsearch.discovery.evaluate import Evaluator
from paramsearch.discovery.setting import Setting
from paramsearch.rules.rule import Rule
from paramsearch.score.fidelity import LrGrid
from paramsearch.score.objective import Objective
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import load_arch

RULES = {
    "adamw": ("sp", "depth-mup", "completep"),
    "sgd": ("sp", "depth-mup"),
}


@pytest.fixture(scope="module", params=RULES)
def evaluations(request):
    objective = Objective.load("transfer")
    lr = LrGrid(low=1e-3, high=1.0, step=1.0, window=1.0)
    less = {"steps": 20, "lr": lr, "sharpness": 3}
    objective = objective.model_copy(
        update={"fidelity": objective.fidelity.model_copy(update=less)}
    )
    optimizer, arch = request.param, load_arch("resmlp")
    about = Setting(arch, load_task("digits"), "depth", optimizer, objective, "cpu", 0)
    rules = [Rule.load(name, optimizer=optimizer) for name in RULES[optimizer]]
    return dict(zip(RULES[optimizer], Evaluator(about).evaluate(rules, (0, 1)), strict=True))


def test_rules_that_scale_branches_down_score_better(evaluations):
    for name in set(evaluations) - {"sp"}:
        gaps = zip(evaluations["sp"].per_seed, evaluations[name].per_seed, strict=True)
        assert min(sp - scaled for sp, scaled in gaps) > 0.3


def test_what_adds_up_over_the_stream_keeps_its_size(evaluations):
    ends, signal = "feature_change/hidden, ends of branches", "signal/hidden, ends of branches"
    assert evaluations["sp"].slopes[ends] > 0.3 and evaluations["sp"].slopes[signal] > 0.3
    assert abs(evaluations["depth-mup"].slopes[ends]) < 0.25
    assert evaluations["depth-mup"].slopes[signal] == pytest.approx(0, abs=0.1)
