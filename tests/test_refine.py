"""More seeds at the solution bring the exponents nearer to the answer."""

import numpy as np
import pytest
from test_solver import ANSWER, NAMES, RATIOS, linear, variable

from paramsearch.discovery.solver.certainty import certainty
from paramsearch.discovery.solver.gauss_newton import bend, gauss_newton
from paramsearch.discovery.solver.readings import Readings
from paramsearch.discovery.solver.refine import chance, refined

VARIABLES = [variable()] * len(ANSWER)
SEEDS = range(100, 112)


class Noisy:
    """Readings by formula, every seed with a noise of its own."""

    def __init__(self, noise, which):
        self.noise, self.which, self.asked = noise, which, []

    def read(self, points, seeds):
        slopes = np.stack([linear(np.array(point)) for point in points])
        shape = (len(NAMES), len(RATIOS))
        draws = [np.random.default_rng((self.which, seed)).normal(size=shape) for seed in seeds]
        logs = slopes[:, :, None, None] * np.log2(RATIOS)[:, None]
        logs = logs + self.noise * np.stack(draws, axis=-1)
        return Readings(NAMES, np.zeros(len(NAMES), bool), RATIOS, logs)

    def more(self, point, seeds):
        self.asked.append(list(seeds))
        return self.read([point], seeds)


def off(values):
    return float(np.linalg.norm(np.array(values) - ANSWER))


def test_more_seeds_bring_the_exponents_nearer():
    before, after, widths = [], [], []
    for which in range(20):
        noisy = Noisy(0.4, which)
        found = gauss_newton(
            lambda points, noisy=noisy: noisy.read(points, range(4)),
            VARIABLES,
            (0.0,) * 4,
            lambda wrong: None,
        )
        better = refined(found, VARIABLES, noisy.more, SEEDS)
        before.append(off(found.values))
        after.append(off(better.values))
        ends = [certainty(each, VARIABLES) for each in (found, better)]
        widths.append([float((each.high - each.low).mean()) for each in ends])
        assert noisy.asked == [list(SEEDS[:4]), list(SEEDS[4:])]
    assert np.mean(np.square(after)) < 0.5 * np.mean(np.square(before))
    assert np.mean(widths, axis=0)[1] < 0.8 * np.mean(widths, axis=0)[0]


def test_what_is_known_well_is_not_measured_again():
    noisy = Noisy(0.02, 0)
    found = bend(lambda points: noisy.read(points, range(4)), VARIABLES, tuple(ANSWER))
    assert chance(found.here) < 0.05
    assert refined(found, VARIABLES, noisy.more, SEEDS) is found and not noisy.asked


def test_few_seeds_are_doubled_though_they_happen_to_agree():
    noisy = Noisy(0.02, 0)
    found = bend(lambda points: noisy.read(points, range(2)), VARIABLES, tuple(ANSWER))
    assert chance(found.here) < 0.05
    better = refined(found, VARIABLES, noisy.more, SEEDS)
    assert noisy.asked == [list(SEEDS[:2])] and better.here.logs.shape[-1] == 4


def test_readings_are_foretold_where_the_exponents_move():
    noisy = Noisy(0.4, 3)
    found = bend(lambda points: noisy.read(points, range(4)), VARIABLES, (0.0,) * 4)
    better = refined(found, VARIABLES, noisy.more, SEEDS)
    there = noisy.read([better.values], [*range(4), *SEEDS])
    assert better.here.slopes() == pytest.approx(there.slopes(), abs=1e-5)
