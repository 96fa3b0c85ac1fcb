"""The solver on models of the slopes whose answer is known."""

import numpy as np
import pytest
from scipy.optimize import minimize

from paramsearch.discovery.progress import Watch
from paramsearch.discovery.setting import Setting
from paramsearch.discovery.solver.base_rate import BaseRate, with_steps
from paramsearch.discovery.solver.certainty import certainty
from paramsearch.discovery.solver.gauss_newton import (
    NEAR,
    Along,
    approach,
    bend,
    descend,
    gauss_newton,
)
from paramsearch.discovery.solver.least_squares import step
from paramsearch.discovery.solver.linear_model import LinearModel
from paramsearch.discovery.solver.prober import Prober, Probing
from paramsearch.discovery.solver.readings import Readings
from paramsearch.discovery.solver.simple import chosen, rounded, simplest
from paramsearch.discovery.solver.solve import solve_axis
from paramsearch.errors import ParamsearchError
from paramsearch.probes.quantities import WORST_SLOPE
from paramsearch.rules.space import Space
from paramsearch.rules.variable import Variable
from paramsearch.score.objective import Objective
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import load_arch
from paramsearch.tracing.trace import trace

ANSWER = np.array([-0.4, 0.75, -1.3, 0.1])
MIXING = np.random.default_rng(0).normal(size=(9, 4))  # 9 probes see 4 exponents
RATIOS = np.array([1.0, 2.0, 4.0])
NAMES = tuple(f"update_share/g{k}" for k in range(9))


def variable(low=-2.0, high=2.0, start=0.0):
    return Variable("g", "lr", "width", low, high, 0.25, start)


class Fake:
    """Readings by formula in place of training, with noise per scale and seed."""

    def __init__(self, formula, one_sided=(), noise=0.0):
        self.formula, self.one_sided, self.seen, self.calls = formula, one_sided, [], []
        self.noise = noise * np.random.default_rng(1).normal(size=(9, 3, 4))

    def __call__(self, points):
        self.seen += points
        self.calls.append(len(points))
        slopes = np.stack([self.formula(np.array(point)) for point in points])
        logs = slopes[:, :, None, None] * np.log2(RATIOS)[:, None] * np.ones(4)
        names = NAMES[: slopes.shape[1]]
        one_sided = np.array([k in self.one_sided for k in range(len(names))])
        return Readings(names, one_sided, RATIOS, logs + self.noise[: len(names)])


def linear(x):
    return MIXING @ (x - ANSWER)


def bent(x):
    r = linear(x)
    return r + 0.1 * np.sin(2 * r)


def separable(x):
    return x - ANSWER


def beside(size):
    """Exponents at which the slopes of the linear model are so large, as a norm."""
    way = np.ones(4)
    return tuple(ANSWER + size * way / np.linalg.norm(MIXING @ way))


def solved(fake, variables, told=lambda wrong: None):
    near = approach(fake, variables, tuple(v.start for v in variables), told)
    return gauss_newton(fake, variables, descend(fake, variables, near, told), told)


@pytest.mark.parametrize(("formula", "error"), [(linear, 1e-5), (bent, 0.01), (separable, 1e-5)])
def test_the_zero_of_the_slopes_is_found(formula, error):
    np.testing.assert_allclose(solved(Fake(formula), [variable()] * 4).values, ANSWER, atol=error)


def test_a_jacobian_measured_near_by_is_not_measured_again():
    fake = Fake(linear)
    found = gauss_newton(fake, [variable()] * 4, beside(0.9 * NEAR), lambda wrong: None)
    assert [count for count in fake.calls if count > 1] == [5]
    np.testing.assert_allclose(found.linear()[1], MIXING, atol=1e-4)


def test_a_jacobian_measured_far_away_is_measured_again():
    fake = Fake(bent)
    gauss_newton(fake, [variable()] * 4, beside(3 * NEAR), lambda wrong: None)
    assert [count for count in fake.calls if count > 1] == [5, 5]


def test_where_a_long_step_leads_nowhere_a_shorter_one_is_made():
    fake = Fake(lambda x: np.arctan(8 * x))  # the slope at 0.5 promises far too much
    found = gauss_newton(fake, [variable()], (0.5,), lambda wrong: None)
    assert abs(found.values[0]) < 0.05


def test_an_approach_comes_near_with_one_jacobian():
    fake = Fake(bent)
    found = approach(fake, [variable()] * 4, (0.0,) * 4, lambda wrong: None)
    assert np.abs(found.values - ANSWER).max() < 0.1 and fake.calls.count(5) == 1


def test_a_descent_measures_no_jacobian_and_comes_nearer():
    rough = approach(Fake(lambda x: linear(x) + 0.3), [variable()] * 4, (0.0,) * 4, lambda w: None)
    fake = Fake(bent)
    found = descend(fake, [variable()] * 4, rough, lambda wrong: None)
    before, after = (np.square(bent(np.array(x))).sum() for x in (rough.values, found))
    assert set(fake.calls) == {1} and after < 0.1 * before


def test_a_descent_that_gains_nothing_stays():
    at = Along(beside(1.0), Fake(linear)([beside(1.0)]), -MIXING)  # points the wrong way
    assert descend(Fake(linear), [variable()] * 4, at, lambda wrong: None) == at.values


def test_rounds_are_told_with_what_is_still_wrong():
    wrongs = []
    solved(Fake(linear), [variable()] * 4, told=wrongs.append)
    assert wrongs[-1] < 1e-6 and wrongs == sorted(wrongs, reverse=True)


def test_without_an_exact_zero_the_least_squares_answer_is_found():
    off = np.random.default_rng(1).normal(size=9) * 0.1
    best = ANSWER - np.linalg.lstsq(MIXING, off, rcond=None)[0]
    found = solved(Fake(lambda x: linear(x) + off), [variable()] * 4)
    np.testing.assert_allclose(found.values, best, atol=1e-4)


@pytest.mark.parametrize("start", [-0.5, 0.0, 0.5])
def test_bounds_hold_for_every_exponent_measured(start):
    fake = Fake(separable)
    found = solved(fake, [variable(-0.5, 0.5, start)] * 4)
    np.testing.assert_allclose(found.values, np.clip(ANSWER, -0.5, 0.5), atol=1e-5)
    assert np.abs(fake.seen).max() <= 0.5


def determined(known, variables):
    return [v.determined(a, b) for v, a, b in zip(variables, known.low, known.high, strict=True)]


def test_an_exponent_that_moves_no_probe_stays_put_and_is_open():
    blind = MIXING * np.array([1, 0, 1, 1])
    variables = [variable(start=0.25)] * 4
    found = solved(Fake(lambda x: blind @ (x - ANSWER)), variables)
    np.testing.assert_allclose(found.values, [ANSWER[0], 0.25, *ANSWER[2:]], atol=1e-4)
    known = certainty(found, variables)
    assert determined(known, variables) == [True, False, True, True]
    assert (known.low[1], known.high[1]) == (-2, 2)


def test_of_two_exponents_that_act_as_one_only_the_sum_is_known():
    variables = [variable(start=0.5), variable(start=-0.25)]
    found = solved(Fake(lambda x: np.array([x[0] + x[1] - 1.0])), variables)
    np.testing.assert_allclose(found.values, [0.875, 0.125], atol=1e-3)
    known = certainty(found, variables)
    assert not any(determined(known, variables))
    (way,) = known.open
    np.testing.assert_allclose(way.weights[0] + way.weights[1], 0, atol=1e-6)


def test_a_quantity_that_may_fall_holds_nothing_back_but_growth():
    fake = Fake(lambda x: np.array([x[0] + 0.5, x[0] - 1.0]), one_sided=[1])
    np.testing.assert_allclose(solved(fake, [variable()]).values, [-0.5], atol=1e-5)
    fake = Fake(lambda x: np.array([x[0] - 1.0, x[0]]), one_sided=[1])
    np.testing.assert_allclose(solved(fake, [variable()]).values, [0.5], atol=1e-2)


def test_slopes_that_nothing_improves_leave_the_start():
    fake = Fake(lambda x: np.ones(9))
    assert solved(fake, [variable(start=0.5)] * 2).values == (0.5, 0.5)


@pytest.mark.parametrize("seed", range(5))
def test_one_sided_least_squares_agrees_with_a_general_minimizer(seed):
    random = np.random.default_rng(seed)
    r, jacobian, one_sided = random.normal(size=9), MIXING, random.random(9) < 0.5
    found = step(r, jacobian, one_sided, 1e-9)

    def height(d):
        q = r + jacobian @ d
        return np.square(np.where(one_sided, np.maximum(q, 0), q)).sum()

    assert height(found) <= minimize(height, np.zeros(4), tol=1e-12).fun + 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_intervals_hold_the_answer_in_spite_of_noise(seed):
    fake = Fake(linear)
    fake.noise = 0.3 * np.random.default_rng(seed).normal(size=(9, 3, 4))
    variables = [variable()] * 4
    known = certainty(solved(fake, variables), variables)
    assert (known.low <= ANSWER).all() and (known.high >= ANSWER).all()
    assert (known.high - known.low < 1).all()


def test_more_noise_means_wider_intervals():
    widths = []
    for noise in (0.02, 0.5):
        variables = [variable()] * 4
        known = certainty(solved(Fake(linear, noise=noise), variables), variables)
        widths.append((known.high - known.low).mean())
    assert widths[1] > 1.5 * widths[0]


def test_the_same_seed_gives_the_same_intervals():
    variables = [variable()] * 4
    at = bend(Fake(linear, noise=0.1), variables, (0.0,) * 4)
    assert certainty(at, variables).low.tolist() == certainty(at, variables).low.tolist()


def model(answer, jacobian, sigma=0.05):
    sides = np.zeros(len(jacobian), dtype=bool)
    return LinearModel(-jacobian @ answer, jacobian, sides, np.full(len(jacobian), sigma))


def test_exponents_are_rounded_where_the_slopes_cannot_tell():
    close = model(np.zeros(4), MIXING / 3)
    assert simplest(close, (-0.96, 0.52, 0.03, -0.49), [variable()] * 4) == (-1, 0.5, 0, -0.5)


def test_exponents_that_the_slopes_can_tell_are_not_rounded():
    sharp = model(np.zeros(4), 10 * MIXING)
    assert simplest(sharp, (-0.9, 0.6, 0.1, -0.4), [variable()] * 4) == (-0.9, 0.6, 0.1, -0.4)
    assert simplest(sharp, (-0.7501, 0.5, 0.25, 0), [variable()] * 4) == (-0.75, 0.5, 0.25, 0)


def test_exponents_that_act_alike_are_rounded_together():
    both = model(np.zeros(2), np.array([[10.0, 10.0], [0.1, -0.1]]))
    found = simplest(both, (0.3, 0.2), [variable()] * 2)
    assert found in ((0.5, 0.0), (0.0, 0.5))  # each by itself would give (0.5, 0) or (0, 0)


def test_a_probe_that_is_not_positive_has_the_worst_slope():
    logs = np.zeros((1, 1, 3, 2))
    logs[0, 0, 2, 0] = np.nan
    readings = Readings(("signal/hidden",), np.array([False]), RATIOS, logs)
    assert readings.slopes().item() == -WORST_SLOPE / 2  # of two seeds one is well
    assert not readings.trained().any()


def mlp(space, optimizer):
    model, task = load_arch("mlp", {"width": 8}), load_task("digits")
    encoding = Space.load(space).encode(trace(model, axis="width", task=task).groups(), optimizer)
    return Setting(model, task, "width", optimizer, Objective.load("transfer"), "cpu", 0), encoding


def test_weight_decay_that_is_zero_at_the_base_cannot_be_solved_for():
    base = BaseRate.given(0.01, 2)
    with pytest.raises(ParamsearchError, match="weight decay of objective 'transfer' is 0"):
        solve_axis(*mlp("weight-decay", "adamw"), base, (1, 2, 4), (0, 1))


def test_at_the_base_scale_one_rule_stands_for_all():
    setting, encoding = mlp("width", "adam")
    counts = []
    short, how = with_steps(setting, 2), Probing((1, 2), 0.01, (0, 1))
    rules = [tuple(v.start + shift for v in encoding.variables) for shift in (0.0, 0.5, -0.25)]
    both = Prober(short, encoding, Watch(counts.append)).read(rules, how)
    assert sum(counts) == 2 * (2 + 3 * 2)  # steps x (seeds at the base, rules x seeds beyond it)
    alone = Prober(short, encoding, Watch()).read(rules[1:2], how)
    np.testing.assert_allclose(both.rule(1).logs, alone.logs, atol=1e-4)


CHOSEN = [  # F of the solution, of the joint rule and of the rounded one; which is taken, if any
    ((1.0, 9.0, 5.0), 1, True),  # the joint one is 1/2 farther from the start: 2 more
    ((1.0, 5.0, 9.0), 0, True),
    ((1.0, 6.0, 5.0), 1, True),
    ((1.0, 50.0, 5.0), 1, True),
    ((1.0, 50.0, 60.0), 0, False),
    ((1.0, np.inf, 5.0), 1, True),
    ((np.inf, np.inf, np.inf), 0, False),
]


@pytest.mark.parametrize(("wrong", "which", "confirmed"), CHOSEN)
def test_what_is_measured_of_simple_rules_decides(wrong, which, confirmed):
    offered = [(-1.5, 0.5), (-1.0, 0.5)]
    squares = np.array(wrong)[:, None]
    assert chosen(offered, squares, [variable()] * 2) == (offered[which], confirmed)


def test_halves_go_before_quarters_and_either_is_rounded_by_itself():
    assert rounded((-1.22, 0.3, 5.0), [variable()] * 3) == (-1.0, 0.5, variable().high)
    offered = [(-0.75, 0.5), (-1.0, 0.5)]
    assert chosen(offered, np.array([[1.0], [2.0], [9.0]]), [variable()] * 2) == (offered[1], True)
