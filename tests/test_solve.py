"""The solver on models of the slopes whose answer is known, and blind on a real model."""

import numpy as np
import pytest

from paramsearch.discovery.evaluate import Evaluator
from paramsearch.discovery.evaluation import Evaluation
from paramsearch.discovery.setting import Setting
from paramsearch.discovery.solve import solve
from paramsearch.rules.encoding import Variable
from paramsearch.rules.rule import Rule
from paramsearch.rules.space import Space
from paramsearch.score.objective import Objective
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import load_arch
from paramsearch.tracing.trace import trace

ANSWER = np.array([-0.4, 0.75, -1.3, 0.1])
MIXING = np.random.default_rng(0).normal(size=(9, 4))  # 9 probes see 4 exponents
LABELS = [f"update_share/g{k}" for k in range(9)]


def variable(low=-2.0, high=2.0, start=0.0):
    return Variable("g", "lr", "width", low, high, 0.25, start)


class Fake:
    """Slopes by formula in place of training; remembers the exponents that were measured."""

    def __init__(self, formula):
        self.formula, self.seen, self.rounds = formula, [], []

    def __call__(self, points, number):
        self.seen += points
        self.rounds.append((number, len(points)))
        return [self.evaluation(np.array(point)) for point in points]

    def evaluation(self, x):
        slopes = dict(zip(LABELS, self.formula(x), strict=False))
        return Evaluation(0.0, 0.0, (0.0,), {}, [], slopes)


def linear(x):
    return MIXING @ (x - ANSWER)


def bent(x):
    r = linear(x)
    return r + 0.1 * np.sin(2 * r)


def separable(x):
    return x - ANSWER


@pytest.mark.parametrize(
    ("formula", "rounds", "error"),
    [(linear, 4, 1e-5), (bent, 12, 1e-4), (bent, 4, 0.02), (separable, 4, 1e-5)],
)
def test_the_zero_of_the_slopes_is_found(formula, rounds, error):
    found = solve(Fake(formula), [variable()] * 4, rounds)
    np.testing.assert_allclose(found, ANSWER, atol=error)


def test_without_an_exact_zero_the_least_squares_answer_is_found():
    off = np.random.default_rng(1).normal(size=9) * 0.1
    best = ANSWER - np.linalg.lstsq(MIXING, off, rcond=None)[0]
    found = solve(Fake(lambda x: linear(x) + off), [variable()] * 4)
    np.testing.assert_allclose(found, best, atol=1e-4)


@pytest.mark.parametrize("start", [-0.5, 0.0, 0.5])
def test_bounds_hold_for_every_exponent_measured(start):
    fake = Fake(separable)
    found = solve(fake, [variable(-0.5, 0.5, start)] * 4)
    np.testing.assert_allclose(found, np.clip(ANSWER, -0.5, 0.5), atol=1e-5)
    assert np.abs(fake.seen).max() <= 0.5


def test_an_exponent_that_moves_no_probe_stays_put():
    blind = MIXING * np.array([1, 0, 1, 1])
    found = solve(Fake(lambda x: blind @ (x - ANSWER)), [variable(start=0.25)] * 4)
    np.testing.assert_allclose(found, [ANSWER[0], 0.25, *ANSWER[2:]], atol=1e-5)


def test_of_two_exponents_that_act_as_one_only_the_sum_moves():
    fake = Fake(lambda x: np.array([x[0] + x[1] - 1.0]))
    found = solve(fake, [variable(start=0.5), variable(start=-0.25)])
    np.testing.assert_allclose(found, [0.875, 0.125], atol=1e-5)


def test_a_start_that_is_right_costs_one_measurement():
    fake = Fake(lambda x: np.zeros(9))
    assert solve(fake, [variable(start=0.5)]) == (0.5,)
    assert fake.rounds == [(0, 1)]


def test_slopes_that_nothing_improves_leave_the_start():
    fake = Fake(lambda x: np.ones(9))
    assert solve(fake, [variable(start=0.5)] * 2) == (0.5, 0.5)


def test_a_round_trains_its_differences_and_its_steps_as_two_populations():
    fake = Fake(bent)
    solve(fake, [variable()] * 4, rounds=2)
    assert fake.rounds == [(0, 1), (1, 4), (1, 3), (2, 4), (2, 3)]


@pytest.mark.slow
def test_blind_from_sp_the_solver_arrives_near_mup():
    arch, task, objective = load_arch("mlp"), load_task("digits"), Objective.load("transfer")
    encoding = Space.load("width").encode(trace(arch, task=task).groups(), "adam")
    evaluator = Evaluator(Setting(arch, task, "width", "adam", objective, "cpu", 0))

    def measure(points, number):
        return evaluator.evaluate([encoding.rule_at(p, "trial") for p in points], [0, 1])

    labels = [v.label.removesuffix(" width") for v in encoding.variables]
    found = dict(zip(labels, solve(measure, encoding.variables), strict=True))
    mup = dict(zip(labels, encoding.values(Rule.load("mup")), strict=True))
    for label in ("input lr", "hidden init", "hidden lr", "output lr"):
        assert found[label] == pytest.approx(mup[label], abs=0.25), (label, found)
