"""Limit behaviour: slopes of the feature change are those of the power law, and are named right."""

import math

import pytest
from fake_limits import evaluation

from paramsearch.discovery.answers.limit import has_limit, limit_of
from paramsearch.discovery.evaluation import Evaluation
from paramsearch.discovery.paired import gap
from paramsearch.errors import ParamsearchError

CASES = [  # slope of hidden layers, of the output, name of the limit
    (0.0, 0.0, "features learn"),
    (-0.2, 0.1, "features learn"),
    (-0.5, 0.0, "lazy"),
    (-0.3, 0.0, "lazy"),
    (0.5, 0.0, "blows up"),
    (-0.5, 0.5, "blows up"),
    (0.0, -0.5, "features learn"),  # an output that moves less is no feature that freezes
    (-0.25, 0.0, "undecided"),
    (0.0, 0.25, "undecided"),
]


@pytest.mark.parametrize(("hidden", "output", "label"), CASES)
def test_limits_have_names(hidden, output, label):
    limit = limit_of(evaluation(hidden=hidden, output=output))
    assert limit.label == label
    assert limit.slowest.group == "hidden"
    assert limit.slowest.size.mean == pytest.approx(hidden + 0.0005)
    assert limit.sentence.startswith(label)


def test_the_slope_of_every_seed_is_recomputed():
    limit = limit_of(evaluation(hidden=-0.5, noise=(0.0, 0.1)))
    assert limit.slowest.per_seed == pytest.approx((-0.5, -0.4))
    assert limit.slowest.size.error == pytest.approx(0.05)
    assert limit.departure == pytest.approx((0.5, 0.4))


def test_a_spread_that_reaches_over_the_threshold_leaves_it_open():
    assert limit_of(evaluation(hidden=-0.35, noise=(0.1, -0.1))).label == "undecided"
    assert limit_of(evaluation(hidden=-0.6, noise=(0.1, -0.1))).label == "lazy"


@pytest.mark.parametrize(("slope", "factor"), [(-0.5, 4), (0.5, 2), (-0.125, 4), (0.125, 2)])
def test_features_hold_to_where_their_change_is_a_quarter_or_twofold(slope, factor):
    limit = limit_of(evaluation(hidden=slope, noise=(0.0,)))
    assert limit.holds_to == pytest.approx(factor ** (1 / abs(slope)))
    assert limit.ends_by == ("freeze to a quarter" if slope < 0 else "grow twofold")
    assert limit.holds_at(limit.holds_to * 0.99) and not limit.holds_at(limit.holds_to * 1.01)


WIDE = (0.3, -0.3, 0.3, -0.3)
FLAT = {"hidden": (0.01, 0.0)}
LASTING = [  # slopes of hidden layers and of the output, scatter, first steps, whether it lasts
    (-0.03, 0.0, WIDE, FLAT, True),
    (-0.8, 0.0, WIDE, FLAT, False),  # known to depart more
    (-0.03, 0.05, WIDE, FLAT, True),
    (-0.03, 0.08, WIDE, FLAT, False),
    (-0.03, 0.0, WIDE, {"hidden": (0.01, 0.9)}, False),  # 1 at ratio 167, before errors
    (-0.15, 0.0, (0.01, -0.01), FLAT, True),  # holds
]


@pytest.mark.parametrize(("hidden", "output", "noise", "first", "lasts"), LASTING)
def test_what_cannot_be_told_from_the_one_that_departs_the_least_lasts(
    hidden, output, noise, first, lasts
):
    least = limit_of(evaluation(noise=WIDE, first=FLAT))
    limit = limit_of(evaluation(hidden=hidden, output=output, noise=noise, first=first))
    assert not least.holds_at(256.0) and least.lasts(256.0, least)
    assert limit.lasts(256.0, least) == lasts


def test_a_flat_rule_holds_everywhere():
    limit = limit_of(evaluation(noise=(0.0, 0.0)))
    assert limit.holds_to is None and limit.holds_at(1e9)


@pytest.mark.parametrize(("group", "holds"), [("output", True), ("hidden", False)])
def test_scatter_of_the_readouts_signal_is_no_growth(group, holds):
    """It is that of few outputs, which are drawn anew at every scale."""
    found = evaluation()
    for curve in found.curves:
        powers = (0.6, -0.4, 0.3, -0.3)  # 0.05 +- 0.24
        curve["probes"][f"signal/{group}"] = [curve["ratio"] ** power for power in powers]
    assert limit_of(found).holds_at(256) == holds
    for curve in found.curves:
        powers = (0.6, 0.4, 0.7, 0.3)
        curve["probes"][f"signal/{group}"] = [curve["ratio"] ** power for power in powers]
    assert limit_of(found).ends_by == "grow twofold" and not limit_of(found).holds_at(4)


def test_branches_count_among_the_hidden_and_biases_do_not():
    found = evaluation(noise=(0.0,))
    for curve in found.curves:
        m = curve["ratio"]
        curve["probes"] |= {"feature_change/hidden, ends of branches": [m**-0.5]}
        curve["probes"] |= {"feature_change/vector.norm": [m**-2], "feature_change/logits": [m**-1]}
    limit = limit_of(found)
    assert limit.slowest.group == "hidden, ends of branches"
    assert "vector.norm" not in limit.to_json()["groups"]


def test_without_hidden_layers_the_input_holds_the_features():
    found = evaluation(output=-1.0, noise=(0.0,))
    for curve in found.curves:
        del curve["probes"]["feature_change/hidden"]
    assert limit_of(found).slowest.group == "input"


def test_what_is_not_finite_diverges():
    found = evaluation()
    found.curves[2]["probes"]["feature_change/hidden"][1] = None
    limit = limit_of(found)
    assert limit.label == "diverges" and not limit.holds_at(2)
    assert (limit.holds_to, limit.ends_by) == (1.0, "diverge")


def test_without_probes_there_is_no_limit():
    bare = Evaluation(0.0, 0.0, (0.0,), {}, [{"probes": {}}])
    assert not has_limit(bare) and has_limit(evaluation())
    with pytest.raises(ParamsearchError, match=r"weights\.probe_slopes above 0"):
        limit_of(bare)


def test_paired_differences():
    assert gap([1.0, 2.0, 3.0], [0.0, 2.0, 1.0]).error == pytest.approx(1 / math.sqrt(3))
    assert gap([1.0, 5.0], [1.1, 5.1]).word() == "lower"
    assert gap([1.0, 5.0], [1.1, 4.7]).word() == "tied"
