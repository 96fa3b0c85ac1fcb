"""Optimum of loss-versus-learning-rate curves."""

import numpy as np
import pytest

from paramsearch.score.curve import interpolate, optimum

LRS = [2.0 ** (k / 2) for k in range(-20, 1)]


@pytest.mark.parametrize("center", [-7.3, -5.0, -2.81])
@pytest.mark.parametrize("curvature", [0.02, 0.3])
def test_the_vertex_of_a_parabola_in_log_log_is_found(center: float, curvature: float) -> None:
    losses = 0.4 * np.exp(curvature * (np.log2(LRS) - center) ** 2)
    best = optimum(LRS, losses)
    assert best is not None and best.interior
    assert best.log2_lr == pytest.approx(center, abs=1e-6)
    assert best.loss == pytest.approx(0.4, rel=1e-6)


def test_diverged_neighbours_and_seeds_are_left_out() -> None:
    losses = np.stack([0.4 + 0.1 * (np.log2(LRS) + 5) ** 2] * 2, axis=1)
    losses[11:, 1] = np.inf  # one seed diverges just above the best learning rate
    best = optimum(LRS, losses)
    assert best is not None
    assert abs(best.log2_lr + 5) <= 0.5


def test_a_curve_that_diverged_everywhere_has_no_optimum() -> None:
    assert optimum(LRS, np.full(len(LRS), np.inf)) is None


def test_an_optimum_at_the_edge_is_not_interior() -> None:
    best = optimum(LRS, np.arange(len(LRS)) + 1.0)
    assert best is not None and not best.interior and best.lr == LRS[0]


def test_reading_between_grid_points() -> None:
    lrs, losses = [1.0, 2.0, 4.0], [3.0, 1.0, np.inf]
    assert interpolate(lrs, losses, 2.0) == 1.0
    assert interpolate(lrs, losses, 2**0.5) == pytest.approx(2.0)
    assert interpolate(lrs, losses, 2.1) == np.inf
    assert interpolate(lrs, losses, 8.0) == np.inf
