"""Collapse terms on curves made by formula."""

import numpy as np
import pytest

from paramsearch.probes.quantities import counted_slopes
from paramsearch.score.collapse import (
    log_losses,
    lr_collapse,
    probe_slopes,
    sharpness_collapse,
    transferred_loss,
)
from paramsearch.score.measured import Measured
from paramsearch.score.objective import Objective

LRS = 2.0 ** (np.arange(-4, 5) / 2)


def measured(
    ratio: float = 1.0,
    *,
    drift: float = 0.0,
    depth: float = 0.1,
    floor: float = 1.0,
    sharpness: float = 8.0,
    probes: dict[str, float] | None = None,
) -> Measured:
    """A parabola in log LR with its optimum ``drift`` octaves off, two equal seeds."""
    losses = floor * np.exp(depth * (np.log2(LRS) - drift) ** 2)
    return Measured(
        scale=int(32 * ratio),
        ratio=ratio,
        lrs=LRS,
        losses=np.stack([losses, losses], axis=1),
        survived=np.ones((len(LRS), 2)),
        center=4,
        steps=np.array([4, 20]),
        sharpness=np.full((2, 2), sharpness),
        probes={k: np.full(2, v) for k, v in (probes or {"update_share/hidden": 1.0}).items()},
    )


def diverged(survived: float) -> Measured:
    base = measured(2.0)
    return Measured(
        **{
            **{name: getattr(base, name) for name in Measured.__dataclass_fields__},
            "losses": np.full_like(base.losses, np.inf),
            "survived": np.full_like(base.losses, survived),
        }
    )


def test_equal_curves_collapse_perfectly() -> None:
    curves = [measured(1.0), measured(2.0), measured(4.0)]
    for term in (lr_collapse, sharpness_collapse):
        np.testing.assert_allclose(term(curves), 0.0, atol=1e-12)


def test_a_lower_loss_at_every_lr_is_no_distance_but_a_better_loss() -> None:
    curves = [measured(1.0), measured(2.0, floor=0.5)]
    np.testing.assert_allclose(lr_collapse(curves), 0.0, atol=1e-12)
    np.testing.assert_allclose(transferred_loss(curves, [1.0, 1.0]), np.log(0.5))


@pytest.mark.parametrize("drift", [0.5, 1.0, 2.0])
def test_drift_costs_collapse_and_transferred_loss(drift: float) -> None:
    curves = [measured(1.0), measured(2.0, drift=drift)]
    less = [measured(1.0), measured(2.0, drift=drift / 2)]
    assert (lr_collapse(curves) > lr_collapse(less)).all()
    np.testing.assert_allclose(transferred_loss(curves, [1.0, 1.0]), 0.1 * drift**2)


def test_a_flat_curve_does_not_collapse_onto_the_base() -> None:
    flat = [measured(1.0), measured(2.0, depth=0.0)]
    assert (lr_collapse(flat) > 0.1).all()


def test_sharpness_is_compared_in_octaves_and_undetermined_is_worst() -> None:
    np.testing.assert_allclose(sharpness_collapse([measured(), measured(2.0, sharpness=16.0)]), 1.0)
    np.testing.assert_allclose(
        sharpness_collapse([measured(), measured(2.0, sharpness=float("nan"))]), 4.0
    )


@pytest.mark.parametrize("power", [-1.0, -0.5, 0.0, 0.5])
def test_slopes_are_the_powers_of_the_ratio(power: float) -> None:
    curves = [measured(m, probes={"feature_change/hidden": 3 * m**power}) for m in (1.0, 2.0, 4.0)]
    np.testing.assert_allclose(probe_slopes(curves)["feature_change/hidden"], power, atol=1e-12)


def test_where_a_stage_measured_losses_alone_there_are_no_slopes() -> None:
    """The base, which all rules share, has its probes nevertheless."""
    curves = [measured(1.0, probes={"feature_change/hidden": 1.0}), measured(2.0)]
    assert probe_slopes(curves) == {}


def test_a_negative_or_vanishing_probe_has_the_worst_slope() -> None:
    curves = [measured(m, probes={"update_share/hidden": 2 - m}) for m in (1.0, 2.0, 4.0)]
    np.testing.assert_allclose(probe_slopes(curves)["update_share/hidden"], -4.0)


def test_the_readout_may_shrink_but_not_grow_at_initialization() -> None:
    two = np.array([-0.5, 0.5])
    slopes = {"signal/output": two, "signal/hidden": two, "signal/vector": two}
    slopes |= {"update_share/vector": two, "update_share/scalar": two}
    counted = counted_slopes(slopes)
    assert sorted(counted) == ["signal/hidden", "signal/output", "update_share/vector"]
    np.testing.assert_allclose(counted["signal/output"], [0.0, 0.5])
    np.testing.assert_allclose(counted["signal/hidden"], two)


def test_divergence_is_finite_and_ranked_by_how_soon() -> None:
    early, late = (log_losses(diverged(survived), 1.0) for survived in (0.1, 0.9))
    bad = log_losses(measured(2.0, floor=1e30), 1.0)
    assert np.isfinite(early).all()
    assert (early > late).all() and (late > bad).all()


def test_a_diverged_rule_scores_finitely_and_worse_than_any_other() -> None:
    objective = Objective.load("transfer")
    references = [1.0, 1.0]
    fine = objective.score([measured(), measured(2.0, drift=1.0)], references)
    lost = objective.score([measured(), diverged(0.2)], references)
    assert np.isfinite(lost.total) and lost.total > fine.total
