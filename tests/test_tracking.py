"""Tracked optima against those of the dense grid, on curves made by formula."""

import numpy as np
import pytest

from paramsearch.discovery.tracking import REACH, across, around, missing, track
from paramsearch.score.curve import optimum

GRID = range(-24, 25)
WINDOW = range(-4, 5)  # the dense grid of one scale, around the base optimum
WIDE = range(29)  # the dense grid of the base
SEEDS = 3


def valley(bottom, depth=0.05, noise=0.0, cliff=np.inf, floor=0.3, seed=0):
    """Grid index -> losses (seeds,): a quadratic in log LR, noise, divergence from a point on."""
    draws = np.random.default_rng(seed).normal(size=(200, SEEDS))

    def losses(k):
        logs = depth * (k - bottom) ** 2 + noise * draws[k]
        return np.where(k >= cliff, np.inf, floor * np.exp(logs))

    return losses


def trainer(curves, rounds=None):
    """A population of curves; notes the points of every round."""

    def train(points):
        if rounds is not None:
            rounds.append(list(points))
        return np.stack([curves[rule](k) for rule, k in points])

    return train


def followed(curve, guess=0, limits=GRID):
    return track(trainer([curve]), [around(guess)], limits)[0]


def best(known):
    return optimum([2.0**k for k in known], np.stack([known[k] for k in known]))


def dense(curve, points):
    return best({k: curve(k) for k in points})


# bottom, what else is said of the valley
VALLEYS = [
    *[(bottom, {}) for bottom in (0.0, 0.4, -1.0, 1.3, 2.0, -2.6, 3.5, -5.2, 8.0, -11.7)],
    *[(bottom, {"depth": 0.3}) for bottom in (0.3, -1.8, 4.1)],
    *[(bottom, {"depth": 0.004}) for bottom in (0.3, -1.8, 4.1)],
    *[(bottom, {"cliff": np.ceil(bottom + 1)}) for bottom in (0.2, -2.7, 5.3, -9.6)],
    *[(bottom, {"floor": 40.0}) for bottom in (0.2, -2.7)],
]


@pytest.mark.parametrize(("bottom", "more"), VALLEYS)
def test_the_optimum_is_that_of_the_whole_grid(bottom, more):
    curve = valley(bottom, **more)
    found, full = best(followed(curve)), dense(curve, GRID)
    assert found.interior
    assert abs(found.log2_lr - full.log2_lr) <= 0.5
    assert found.loss == pytest.approx(full.loss, rel=0.05)


@pytest.mark.parametrize("bottom", [0.0, 0.4, -0.9, 1.3, -2.0])
def test_a_good_guess_costs_at_most_half_a_window(bottom):
    assert len(followed(valley(bottom), guess=round(bottom))) <= len(WINDOW) / 2


@pytest.mark.parametrize(("drift", "noise"), [(0.0, 0.01), (0.0, 0.05), (-1.0, 0.03), (0.6, 0.05)])
def test_noisy_valleys_followed_over_scales_for_half_the_members(drift, noise):
    few = many = 0
    for trial in range(12):
        guess = 0
        for scale in range(1, 5):
            curve = valley(drift * scale, noise=noise, seed=10 * trial + scale)
            known, full = followed(curve, guess), dense(curve, GRID)
            guess = round(best(known).log2_lr)
            assert same(curve, best(known), full)
            few += len(known)
            many += len(WINDOW) + 2 * max(0, int(np.ceil((abs(full.log2_lr) - 3) / 2)))
    assert few <= many / 2


def same(curve, found, full):
    """Whether two optima are within half a step, or the losses there within two standard errors."""
    gap = curve(round(found.log2_lr)) - curve(round(full.log2_lr))
    error = gap.std(ddof=1) / SEEDS**0.5
    return abs(found.log2_lr - full.log2_lr) <= 0.5 or gap.mean() <= 2 * error


@pytest.mark.parametrize("noise", [0.0, 0.02])
@pytest.mark.parametrize("bottom", [3.3, 9.0, 13.6, 17.1, 24.8])
def test_the_wide_grid_is_searched_from_coarse_to_fine(bottom, noise):
    curve = valley(bottom, noise=noise, cliff=bottom + 6)
    (known,) = track(trainer([curve]), [across(WIDE)], WIDE)
    assert abs(best(known).log2_lr - dense(curve, WIDE).log2_lr) <= 0.5
    assert len(known) <= len(WIDE) / 2


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("noise", [0.0, 1e-6, 0.1])
def test_a_flat_curve_ends_within_the_spread(noise, seed):
    curve = valley(0.0, depth=0.0, noise=noise, seed=seed)
    known = followed(curve)
    assert len(known) <= len(WINDOW)
    assert best(known).loss >= best({k: curve(k) for k in GRID}).loss
    assert max(map(abs, known)) <= 3 * REACH


@pytest.mark.parametrize(("slope", "end"), [(0.1, GRID[0]), (-0.1, GRID[-1])])
def test_a_monotone_curve_ends_with_the_grid(slope, end):
    known = followed(lambda k: np.exp(slope * k) + np.zeros(SEEDS))
    assert end in known and not best(known).interior
    assert len(known) <= len(GRID) / 2


def test_where_everything_diverges_only_lower_points_are_tried():
    known = followed(lambda k: np.full(SEEDS, np.inf))
    assert max(known) == 1 and min(known) == GRID[0]
    assert len(known) <= 3 + -(-GRID.stop // REACH)


def test_one_diverged_seed_counts_as_divergence():
    curve = valley(2.0)
    broken = followed(lambda k: np.where((k > 0) & (np.arange(SEEDS) == 1), np.inf, curve(k)))
    assert best(broken).interior and min(broken, key=lambda k: broken[k].mean()) == 0


def test_not_a_number_is_divergence():
    curve = valley(-3.0)
    known = followed(lambda k: np.where(k > -1, np.nan, curve(k)))
    assert best(known).log2_lr == pytest.approx(-3.0)


def test_rules_are_trained_side_by_side_and_no_point_twice():
    rounds, curves = [], [valley(0.0), valley(-6.0), valley(3.0, cliff=5)]
    found = track(trainer(curves, rounds), [around(0)] * 3, GRID)
    assert {rule for rule, _ in rounds[0]} == {0, 1, 2}
    points = [point for some in rounds for point in some]
    assert len(points) == len(set(points)) == sum(map(len, found))
    alone = [followed(curve) for curve in curves]
    assert [list(curve) for curve in found] == [list(curve) for curve in alone]


def test_points_of_the_first_round_are_measured_whatever_the_curve():
    (known,) = track(trainer([valley(-8.0)]), [[5, *around(-8)]], GRID)
    assert list(known) == [-9, -8, -7, 5]


@pytest.mark.parametrize(("jump", "apart"), [(1.5, 1), (2, 1), (4, 2), (16, 2)])
def test_a_large_jump_of_the_scale_widens_the_first_round(jump, apart):
    assert around(7, jump) == [7 - apart, 7, 7 + apart]


def test_a_dip_above_the_optimum_does_not_hold_what_starts_wide():
    bump = valley(-6.0, depth=0.03)

    def dipped(k):
        return bump(k) * (0.6 if k == 0 else 1.0)

    wide = track(trainer([dipped]), [around(1, jump=16)], GRID)[0]
    assert best(wide).log2_lr == pytest.approx(-6.0, abs=0.5)
    assert best(followed(dipped, guess=0)).log2_lr == pytest.approx(0.0, abs=0.5)


def test_points_stay_on_the_grid():
    limits = range(0, 3)
    assert list(followed(valley(-9.0), guess=-9, limits=limits)) == [0, 1]
    assert list(followed(valley(9.0), guess=9, limits=limits)) == [1, 2]
    assert list(followed(valley(0.0), guess=0, limits=range(1))) == [0]


def test_a_second_neighbour_is_measured_where_the_first_is_tied():
    losses = {-1: [3.0, 1.0], 0: [1.0, 1.1], 1: [2.0, 2.1]}
    assert missing({k: np.array(v) for k, v in losses.items()}, GRID) == [-2]
    losses[-1] = [2.0, 2.1]
    assert missing({k: np.array(v) for k, v in losses.items()}, GRID) == []
