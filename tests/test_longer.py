"""Rules trained four times as long: who still wins, on known losses, and once for real."""

import math
from dataclasses import replace

import numpy as np
import pytest
from fake_limits import front_of
from lr_curves import lr_losses
from test_evaluate import tiny

from paramsearch.discovery.answers.choice import choose
from paramsearch.discovery.answers.later import after, to_train
from paramsearch.discovery.answers.longer import Longer, train_longer
from paramsearch.discovery.answers.outlast import outlasting, told_later
from paramsearch.discovery.settings import SearchSettings
from paramsearch.discovery.solver.base_rate import with_steps
from paramsearch.rules.rule import Rule
from paramsearch.score.objective import Objective

SHARED = (1.0, 1.2, 0.9, 1.1)


def longer(**factors):
    """Losses of rules as multiples of the limit end's."""
    losses = {name: tuple(factor * s for s in SHARED) for name, factor in factors.items()}
    return Longer(160, 128, 0.01, 1.0, {"limit": SHARED, **losses})


def winner(prefer=None):
    return choose(front_of(mup=(0.0, 0.0), winner=(-0.1, -0.1)), prefer)


CASES = [  # loss over the limit end's, preference, recommended, what is said
    (0.9, None, "winner", "Over 160 steps it still has the lower loss, 10.0% ± 0.0% lower."),
    (1.1, None, "mup", "that rule is not better any more, 10.0% ± 0.0% higher, so the limit end"),
    (1.0, None, "winner", "Over 160 steps it is as good, 0.0% ± 0.0% higher."),
    (1.1, "loss", "winner", "Warning: over 160 steps it is not better any more, 10.0%"),
    (0.9, "loss", "winner", "it still has the lower loss"),
    (0.9, "limit", "mup", "Over 160 steps the loss end is still better, 10.0% ± 0.0% lower."),
    (1.1, "limit", "mup", "Over 160 steps the loss end is not better, 10.0% ± 0.0% higher."),
    (math.inf, None, "mup", "that rule is not better any more"),
]


@pytest.mark.parametrize(("factor", "prefer", "name", "said"), CASES)
def test_a_winner_that_loses_later_is_not_recommended(factor, prefer, name, said):
    choice = after(winner(prefer), longer(loss=factor, recommended=factor))
    assert choice.recommended.name == name
    assert said in choice.reason


RIVALS = [  # losses of the winner and of one between over the limit end's, recommended, said
    (1.1, 0.9, "middle", "another is recommended in its place, 10.0% ± 0.0% lower than the limit"),
    (1.1, 1.0, "middle", "another is recommended in its place, 0.0% ± 0.0% higher than the limit"),
    (0.95, 0.9, "far", "it still has the lower loss, 5.0% ± 0.0% lower"),
    (1.1, 1.05, "mup", "so the limit end is recommended in its place"),
]


@pytest.mark.parametrize(("winner", "between", "name", "said"), RIVALS)
def test_the_first_that_is_not_worse_later_stays(winner, between, name, said):
    first = choose(front_of(mup=(0.0, 0.0), middle=(-0.1, -0.1), far=(-0.2, -0.2)))
    rules = to_train(first, Rule.load("sp"))
    assert first.recommended.name == "far" and "rival 1" in rules
    again = after(first, longer(loss=winner, recommended=winner, **{"rival 1": between}))
    assert again.recommended.name == name and said in again.reason


def test_the_old_reason_is_kept():
    choice = after(winner(), longer(loss=1.1, recommended=1.1))
    first = "Over the search another came first: its loss is 9.5% ± 0.0% lower"
    assert choice.reason.startswith(first)


def test_one_rule_for_both_ends_needs_no_second_look():
    choice = choose(front_of(mup=(0.0, 0.0)))
    assert after(choice, longer(loss=1.0, recommended=1.0)) is choice


def test_a_diverged_seed_counts_as_the_worst():
    found = longer(loss=1.0)
    losses = {**found.losses, "loss": (math.inf, *SHARED[1:])}
    wild = Longer(160, 128, 0.01, 1.0, losses)
    assert wild.against("loss").mean == pytest.approx(4.0 / 4)
    assert wild.to_json()["rules"]["loss"]["losses"][0] is None


def test_plain_data_and_back():
    found = longer(loss=0.9, start=math.inf)
    assert Longer.from_json(found.to_json()) == found
    against = found.to_json()["rules"]["loss"]["against_limit"]
    assert against["word"] == "lower" and against["mean"] == pytest.approx(math.log(0.9))


def held_against_the_start(factor):
    losses = {"start": SHARED, "found": tuple(factor * s for s in SHARED)}
    return Longer(1600, 64, 0.01, 1.0, losses)


LATER = [  # loss of the rule found over that of the start, after longer runs, and what is said
    (0.9, "Over 1600 steps it still has a lower loss than the start, 10.0% ± 0.0% lower."),
    (1.001, "Warning: over 1600 steps it cannot be told from the start, 0.1% ± 0.0% higher."),
    (1.1, "Warning: over 1600 steps it is worse than the start, 10.0% ± 0.0% higher."),
]


@pytest.mark.parametrize(("factor", "said"), LATER)
def test_what_was_found_by_its_loss_alone_is_held_against_the_start(factor, said):
    found = held_against_the_start(factor)
    assert told_later(found) == said
    assert found.to_json()["rules"]["found"]["against_start"]["mean"] == pytest.approx(
        math.log(factor)
    )


def test_rules_of_a_choice_are_told_with_it():
    assert told_later(longer(loss=0.9)) is None


ASKED = SearchSettings("mlp", "width", "adamw", "digits", "width", "decay", 8)


def test_front_steps_axis_and_command_need_no_second_look_at_the_start():
    decay = Objective.load("decay")
    assert outlasting(ASKED, decay)
    assert not outlasting(ASKED, Objective.load("transfer"))
    assert not outlasting(replace(ASKED, axis="steps"), decay)
    assert not outlasting(replace(ASKED, program="python train.py"), decay)


def test_rules_train_four_times_as_long_at_the_largest_scale():
    about, mup = tiny(), Rule.load("mup")
    rules = {"limit": mup, "loss": Rule.load("sp"), "same": mup.regauge("unit-init")}
    found = train_longer(about, rules, [0, 1])
    assert (found.steps, found.scale) == (32, 64)
    assert found.losses["same"] == found.losses["limit"] != found.losses["loss"]
    plain = lr_losses(with_steps(about, 32), 64, [mup], [found.lr], [0, 1])
    np.testing.assert_allclose(found.losses["limit"], plain[0, 0], rtol=1e-4)


def test_the_ends_the_recommended_rule_and_the_start_are_trained():
    choice, start = winner(), Rule.load("sp")
    rules = to_train(choice, start)
    assert list(rules) == ["limit", "loss", "recommended", "start"]
    assert rules["loss"] == choice.front.loss.rule and rules["start"] == start
