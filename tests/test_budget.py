"""Budgets in candidates, member-steps and time; rules that a user suggests."""

import itertools

import pytest
from fake_evaluator import without_training
from test_driver import ENCODING, MUP

from paramsearch.discovery.budget import Budget, Purse
from paramsearch.discovery.prediction import Growth, Prediction
from paramsearch.discovery.store import Store
from paramsearch.errors import ParamsearchError
from paramsearch.jobs.announce import Consent, announce
from paramsearch.jobs.reports import Reports
from paramsearch.jobs.search import search
from paramsearch.jobs.spending import EXPLORED, spending
from paramsearch.jobs.suggestions import suggested
from paramsearch.rules.rule import Rule


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        (12, 12, "trials"),
        ("12", 12, "trials"),
        ("2e6steps", 2e6, "steps"),
        ("90 s", 90, "seconds"),
        ("1.5h", 5400, "seconds"),
        ("5 Min", 300, "seconds"),
    ],
)
def test_budgets_are_read(text, amount, unit):
    assert Budget.read(text) == Budget(amount, unit)


@pytest.mark.parametrize("text", ["", "0", "-3", "1.5", "5 weeks", "min", "1e", "nan", "0min"])
def test_what_is_not_a_budget_is_said(text):
    with pytest.raises(ParamsearchError, match="budget: received "):
        Budget.read(text)


def test_the_sampler_stops_where_the_rest_must_begin():
    clock = itertools.count(0, 10)
    purse = Purse(Budget.read("100s"), 8, lambda: float(next(clock)), fixed=35.0, each=10.0)
    asked = list(itertools.takewhile(bool, (purse.next(8 * n) for n in range(99))))
    assert asked == [8] * 6  # after 60 seconds there is no room for another generation


def test_one_generation_is_always_asked():
    purse = Purse(Budget.read("10s"), 8, lambda: 9.0, fixed=9.0, each=5.0)
    assert purse.next(0) == 8 and purse.next(8) == 0


def test_a_continued_run_stops_where_it_stopped_before():
    purse = Purse(Budget.read("10s"), 8, lambda: 0.0, ended=12)
    assert [purse.next(0), purse.next(8), purse.next(12)] == [8, 4, 0]


def linear(trials):
    return Prediction(trials, 1000 + 10 * trials, 0, 0, seconds=5.0 + trials)


@pytest.mark.parametrize(("budget", "trials"), [("77", 77), ("1480steps", 48), ("60s", 48)])
def test_a_budget_becomes_candidates(budget, trials):
    assert spending(Budget.read(budget), 16, linear).trials == trials


@pytest.mark.parametrize("budget", ["7", "1079steps", "12s"])
def test_a_budget_holds_one_generation(budget):
    with pytest.raises(ParamsearchError, match="too few for one generation of 8 candidates"):
        spending(Budget.read(budget), 8, linear)


def test_a_generation_is_no_larger_than_the_grid(tmp_path, monkeypatch):
    without_training(monkeypatch)
    asked = {"space": "batch", "axis": "batch", "out": tmp_path / "run"}  # nine rules
    with pytest.raises(ParamsearchError, match=r"8 trials, .* generation of 9 candidates; allowed"):
        search("mlp", budget=8, **asked)
    assert len(search("mlp", budget=9, **asked).summary["candidates"]) <= 9


def test_time_cannot_be_foreseen_for_a_program():
    with pytest.raises(ParamsearchError, match="time of a program's runs cannot be foreseen"):
        spending(Budget.read("60s"), 16, lambda trials: Prediction(1, 1, 1, 1))


def test_a_search_keeps_to_its_member_steps(tmp_path, monkeypatch):
    without_training(monkeypatch)
    forecast = "paramsearch.jobs.search.forecast"
    monkeypatch.setattr(forecast, lambda *a: Prediction(9, 9000 + 480 * a[-1], 0, 0, 1, 1, 1))
    found = search("mlp", axis="width", budget="26000steps", out=tmp_path / "run")
    store = Store(tmp_path / "run" / "trials.db")
    assert store.get(EXPLORED) == len(found.summary["candidates"])
    assert 8 <= store.get(EXPLORED) <= 48
    store.close()


def test_a_suggestion_is_tried_right_after_the_start(tmp_path, monkeypatch):
    without_training(monkeypatch)
    found = search("mlp", axis="width", budget=16, suggest=["mup"], solve=False, out=tmp_path / "r")
    scores = [candidate["score"] for candidate in found.summary["candidates"]]
    assert scores[1] == min(scores)
    assert "--suggest mup" in found.summary["command"]


def test_suggestions_are_points_of_the_grid():
    assert suggested(ENCODING, ["mup"], blind=False) == [MUP]


def test_a_suggestion_beyond_the_bounds_is_refused(tmp_path):
    rule = Rule.load("mup")
    far = rule.groups[0].with_exponents({"lr": {"width": 9.0}})
    path = tmp_path / "far.yaml"
    rule.model_copy(update={"groups": (far, *rule.groups[1:]), "name": "far"}).save(path)
    says = r"far.yaml: suggestion 'far' lies outside the space: input lr width is .*allowed: -2 to"
    with pytest.raises(ParamsearchError, match=says):
        suggested(ENCODING, [str(path)], blind=False)


def told(predicted, yes):
    consent = Consent("mine", "lower --budget", yes)
    announce(predicted, consent, Reports(lambda progress: None, 1))


def growing(times, power, seconds=7200.0, memory=2e11, **others):
    growth = Growth("width", 32, 64, times, power)
    return Prediction(90, 10, 20, 5, 1e9, memory, seconds, growth=growth, **others)


@pytest.mark.parametrize(("times", "power"), [(9.0, 3.1), (300.0, 2.0)])
def test_an_axis_along_which_cost_explodes_is_asked_about(times, power):
    says = f"at width 64 a step of architecture 'mine' costs {times:.0f} times one at the base, "
    says += "width 32, and all takes about 2 h; lower --budget, or add --yes"
    with pytest.raises(ParamsearchError, match=says):
        told(growing(times, power), yes=False)
    told(growing(times, power), yes=True)


@pytest.mark.parametrize("milder", [(8.6, 3.1, 600.0), (300.0, 2.0, 600.0), (255.0, 2.0, 7200.0)])
def test_a_short_or_a_usual_job_is_not(milder):
    times, power, seconds = milder
    told(growing(times, power, seconds=seconds), yes=False)


def test_more_memory_than_there_is_is_asked_about():
    large = growing(4.0, 2.0, room=2.5e10)
    says = "'mine' takes about 200 GB of memory at width 64, and there are 25 GB; lower --budget"
    with pytest.raises(ParamsearchError, match=says):
        told(large, yes=False)
    told(large, yes=True)
