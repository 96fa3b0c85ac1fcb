"""muP with one of its parts knocked out scores worse than full muP, on a small transformer.

The knock-outs are those of nanoGPT-mup (Dey et al. 2024, The Practitioner's Guide to the Maximal
Update Parameterization): the learning rate of hidden layers not scaled, attention over ``sqrt(d)``
instead of d, the readout without its multiplier. Without multipliers, a readout with multiplier 1/m
has init and learning rate 1/m, and one without has neither.
"""

import numpy as np
import pytest

from paramsearch.discovery.evaluate import Evaluator
from paramsearch.discovery.setting import Setting
from paramsearch.rules.rule import Rule
from paramsearch.score.fidelity import LrGrid
from paramsearch.score.objective import Objective
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import load_arch

MUP = Rule.load("mup", optimizer="adamw")
MANY, FEW = range(6), range(2)


def with_group(role, **exponents):
    """Full muP, but for one group."""
    change = {quantity: {"width": value} for quantity, value in exponents.items()}
    groups = [g.model_copy(update=change) if g.match.role == role else g for g in MUP.groups]
    return MUP.model_copy(update={"groups": tuple(groups)})


def with_logits(exponent):
    """Full muP, but for the scale of attention logits beyond ``1 / sqrt(d)``."""
    change = {"multiplier": {"width": exponent}}
    sites = [s.model_copy(update=change) if s.match.site == "logits" else s for s in MUP.sites]
    return MUP.model_copy(update={"sites": tuple(sites)})


KNOCKED_OUT = {
    "hidden learning rate": with_group("hidden", lr=0.0),
    "attention scale": with_logits(0.0),
    "readout multiplier": with_group("output", init=0.0, lr=0.0),
}


@pytest.fixture(scope="module")
def evaluations():
    """By the first stage of the shipped objective: its loss and its slopes, at one learning rate.

    The scale of attention shows least: the slope of one quantity of sixteen. It takes more seeds.
    """
    objective = Objective.load("transfer")
    lr = LrGrid(low=0.0077, high=0.2, step=1.0, window=1.0)
    fidelity = objective.fidelity.model_copy(update={"lr": lr})
    objective = objective.model_copy(update={"fidelity": fidelity})
    about = Setting(load_arch("gpt"), load_task("bytes"), "width", "adamw", objective, "cpu", 0)
    evaluator, stage = Evaluator(about), objective.stages[0]
    subtle, *plain = sorted(KNOCKED_OUT)
    found = evaluator.evaluate([MUP, KNOCKED_OUT[subtle]], MANY, stage)
    rest = evaluator.evaluate([KNOCKED_OUT[name] for name in plain], FEW, stage)
    return dict(zip(("full", subtle, *plain), (*found, *rest), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("part", KNOCKED_OUT)
def test_each_part_of_mup_lowers_the_score_by_more_than_the_spread(evaluations, part):
    without = np.array(evaluations[part].per_seed)
    gaps = without - np.array(evaluations["full"].per_seed[: len(without)])
    assert gaps.mean() > 2 * gaps.std(ddof=1) / len(gaps) ** 0.5


@pytest.mark.slow
def test_attention_over_the_root_of_d_lets_logits_change_more_with_width(evaluations):
    slopes = {name: e.slopes["feature_change/logits"] for name, e in evaluations.items()}
    assert slopes["attention scale"] - slopes["full"] == pytest.approx(0.5, abs=0.25)
