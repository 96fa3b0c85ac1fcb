"""The front of loss and limit behaviour, on rules whose places are known."""

import pytest
from fake_limits import RATIOS, evaluation, front_of, rule

from paramsearch.discovery.answers.front import climb_by_loss, entries


def names(front):
    return [entry.name for entry in front.members]


def test_the_front_runs_from_the_limit_end_to_the_loss_end():
    front = front_of(
        best=(-0.2, -0.5), mup=(0.0, 0.0), between=(-0.1, -0.2), worse=(0.1, -0.3), sp=(0.3, 0.6)
    )
    assert names(front) == ["mup", "between", "best"]
    assert (front.limit.name, front.loss.name) == ("mup", "best")
    assert {entry.name for entry in front.others} == {"worse", "sp"}


def test_no_member_is_beaten_in_both():
    places = {f"r{k}": (-0.1 * (k % 5), -0.13 * (k % 7)) for k in range(35)}
    front = front_of(**places)
    for member in front.members:
        for entry in (*front.members, *front.others):
            better = entry.loss.mean < member.loss.mean - 1e-3
            assert not (better and entry.limit.departure[0] < member.limit.departure[0] - 1e-3)


def test_what_is_tied_in_loss_does_not_displace_the_limit_end():
    noisy = evaluation(-0.01, -0.5, own=0.03)
    assert names(front_of(mup=(0.0, 0.0), noisy=noisy)) == ["mup"]
    sure = evaluation(-0.01, -0.5)
    assert names(front_of(mup=(0.0, 0.0), sure=sure)) == ["mup", "sure"]


def test_small_differences_of_slope_do_not_displace_a_lower_loss():
    assert names(front_of(flat=(0.0, 0.0), mup=(-0.05, -0.01))) == ["mup"]


def test_one_rule_can_be_both_ends():
    front = front_of(mup=(0.0, 0.0), lazy=(0.1, -0.5))
    assert front.limit == front.loss


def test_a_diverged_rule_is_far_from_the_front():
    wild = evaluation(-1.0)
    for curve in wild.curves[1:]:
        curve["losses"] = [[None] * 4]
        curve["survived"] = [[0.25] * 4]
        curve["probes"]["feature_change/hidden"] = [None] * 4
    front = front_of(mup=(0.0, 0.0), wild=wild)
    assert names(front) == ["mup"]
    assert front.others[0].loss.mean == pytest.approx(3.75)


def test_equal_rules_are_one_entry_under_their_shortest_name():
    same = [(name, rule(-1.0), evaluation()) for name in ("", "mean-field", "mup")]
    (entry,) = entries(same)
    assert entry.name == "mup"


def test_without_references_losses_are_as_they_were_scored():
    found = evaluation(0.7)
    found.terms["loss"] = 0.2
    (entry,) = entries([("a", rule(0.0), found)])
    assert entry.loss.mean == pytest.approx(0.2)


def test_the_front_as_plain_data():
    data = front_of(mup=(0.0, 0.0), lazy=(-0.1, -0.5), sp=(0.2, 0.5)).to_json()["entries"]
    assert [(e["name"], e["front"]) for e in data] == [("mup", True), ("lazy", True), ("sp", False)]
    assert data[1]["rule"]["groups"][0]["lr"] == {"width": -1.0} and "rule" not in data[2]
    assert data[1]["against_limit"]["word"] == "lower"


def test_a_climb_by_loss_walks_downhill_and_tells_what_it_met():
    asked = []

    def measure(points, stage, number, rival=None):
        asked.append((stage, number))
        return [evaluation(0.1 * abs(p[0] - 5) + 0.1 * abs(p[1] - 2)) for p in points]

    met = climb_by_loss(measure, (9, 5), (3, 2), [1.0] * len(RATIOS))
    assert (5, 2) in met and asked[0] == ("loss", 0)
    assert max(number for _, number in asked) <= 3
    assert met[5, 2].score == pytest.approx(0.0005)
