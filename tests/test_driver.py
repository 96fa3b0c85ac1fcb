import dataclasses
import itertools

import pytest
from fake_evaluator import FakeEvaluator

from paramsearch import Rule
from paramsearch.discovery.driver import Driver
from paramsearch.discovery.encoding import Choices
from paramsearch.discovery.ledger import Ledger, key_of
from paramsearch.discovery.nearest import nearest, published_rules
from paramsearch.discovery.progress import silent
from paramsearch.discovery.proposer import SAMPLERS, Proposer, Sampling
from paramsearch.discovery.settings import SearchSettings
from paramsearch.discovery.store import Store
from paramsearch.discovery.summary import group_table, summarize
from paramsearch.errors import ParamsearchError
from paramsearch.rules.space import Space
from paramsearch.tracing.tensor import TensorInfo


def tensor(role, growth):
    return TensorInfo(role, (8, 8), "linear", role, 8, 8, {"width": growth}, False, role)


GROUPS = {
    "input": (tensor("input", (1, 0)),),
    "hidden": (tensor("hidden", (1, 1)),),
    "output": (tensor("output", (0, 1)),),
}
ENCODING = Space.load("width").encode(GROUPS, "adam")
MUP = tuple(ENCODING.indices(Rule.load("mup")))


def settings(**changed):
    asked = {"budget": 24, "generation": 8, "patience": 0} | changed
    return SearchSettings("mlp", "width", "adam", "digits", "width", "transfer", **asked)


def driver(store, evaluator, published=None, **changed):
    ledger = Ledger(evaluator, store)
    return Driver(settings(**changed), ENCODING, ledger, published or {}, silent)


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "trials.db")
    yield opened
    opened.close()


@pytest.mark.parametrize("counts", [(5, 9), (1, 13, 2), (3,), (9, 14, 9)])
def test_choices_reach_every_grid_point_and_come_back(counts):
    choices = Choices(counts)
    for point in itertools.product(*map(range, counts)):
        assert choices.point(choices.choices(point)) == point
    assert {choices.point([c] * len(counts))[0] for c in range(choices.size)} == set(
        range(counts[0])
    )


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("counts", [(5,), (9, 15, 9, 15)])
def test_proposals_repeat_and_begin_with_what_is_enqueued(sampler, counts):
    start, other = (1,) * len(counts), (3,) * len(counts)
    runs = []
    for _ in range(2):
        proposer = Proposer(counts, start, Sampling(sampler, seed=4, generation=6, budget=18))
        proposer.enqueue([start, other])
        runs.append([])
        for _ in range(3):
            points = proposer.ask(6)
            runs[-1] += points
            proposer.tell([float(sum(point)) for point in points])
    assert runs[0] == runs[1]
    assert runs[0][:2] == [start, other]
    assert all(0 <= i < n for point in runs[0] for i, n in zip(point, counts, strict=True))


@pytest.mark.parametrize(
    ("sampler", "counts", "match"),
    [
        ("LargeDiagCM", (5, 5), r"unknown sampler 'LargeDiagCM'; did you mean 'LargeDiagCMA'\?"),
        ("Cobyla", (5, 5), "'Cobyla' cannot propose several candidates at a time"),
        ("CMA", (), "leaves no exponent free"),
        ("CMA", (1, 1), "leaves no exponent free"),
    ],
)
def test_bad_samplers(sampler, counts, match):
    with pytest.raises(ParamsearchError, match=match):
        Proposer(counts, (0,) * len(counts), Sampling(sampler))


def test_the_key_is_the_same_for_every_gauge():
    rule = Rule.load("ntk")
    keys = {key_of(r, [0, 1]) for r in (rule, rule.regauge("unit-init"), rule.canonical())}
    assert len(keys) == 1
    assert key_of(rule, [0]) not in keys


def test_a_candidate_is_trained_once(store):
    evaluator = FakeEvaluator()
    ledger = Ledger(evaluator, store)
    rule = ENCODING.rule(MUP, "a")
    first = ledger.measure([rule, rule.regauge("unit-init")], [0], "search", 0)
    again = ledger.measure([rule], [0], "search", 1)
    assert evaluator.calls == [(1, (0,))]
    assert len({m.trial for m in (*first, *again)}) == 1


def test_members_count_the_shared_base_once_per_seeds(store):
    ledger = Ledger(FakeEvaluator(), store)
    rules = [ENCODING.rule(point, "a") for point in (MUP, ENCODING.start_indices)]
    ledger.measure(rules, [0, 1], "search", 0)
    ledger.measure(rules, [7], "polish", 0)
    assert ledger.members() == 3 + (2 * 3 * 2 + 3 * 2) + (2 * 3 + 3)


def test_blind_search_finds_the_hidden_rule(store):
    evaluator = FakeEvaluator()
    found = driver(store, evaluator, budget=60, polish_rounds=20).run()
    assert found.rule.equivalent(
        Rule.load("mup"), tensors=[t for ts in GROUPS.values() for t in ts]
    )
    assert found.steps[0].point == MUP  # where the climb from the solver's rule has ended
    assert found.steps[1].point == tuple(ENCODING.start_indices)
    assert len({step.point for step in found.steps}) == len(found.steps) == 60
    assert found.baselines == {}


@pytest.mark.parametrize("solve", [True, False])
def test_the_sampler_begins_where_a_climb_from_the_solver_has_ended(store, solve):
    heard = []
    asked = settings(budget=16, polish_rounds=20, solve=solve)
    found = Driver(asked, ENCODING, Ledger(FakeEvaluator(), store), {}, heard.append).run()
    stages = [progress.stage for progress in heard]
    order = [stage for stage, before in zip(stages, ["", *stages], strict=False) if stage != before]
    first = ["solve", "climb"] if solve else []
    assert order[: len(first) + 2] == [*first, "search", "climb"]
    start = tuple(ENCODING.start_indices)
    assert found.steps[0].point == (MUP if solve else start)
    assert found.best.point == MUP


def test_search_and_polish_use_different_seeds(store):
    evaluator = FakeEvaluator()
    driver(store, evaluator, seed=2).run()
    fresh, confirming = (2002, 2003, 2004, 2005), (2014, 2015, 2016, 2017)
    assert {seeds for _, seeds in evaluator.calls} == {(2000, 2001), fresh, confirming}


def test_known_rules_are_suggested_and_reported(store):
    published = published_rules("adam", "width")
    found = driver(store, FakeEvaluator(), published).run()
    assert set(found.baselines) == set(published)
    assert found.baselines["mup"].terms["distance"] == 0
    assert MUP in [step.point for step in found.steps[: len(published) + 1]]


def test_a_converged_sampler_ends_the_search(store):
    small = Space.model_validate(
        {
            "name": "one",
            "gauge": "no-multipliers",
            "axes": ["width"],
            "groups": [
                {
                    "match": {"name": "*"},
                    "lr": {"width": {"low": -1, "high": 0, "step": 0.5, "start": 0}},
                }
            ],
        }
    ).encode({"hidden": GROUPS["hidden"]}, "adam")
    asked = settings(budget=50, sampler="RandomSearch")
    evaluator = FakeEvaluator()
    evaluator.indifferent = [(None, "init"), (None, "lr"), ("hidden", "init"), ("hidden", "lr")]
    steps = Driver(asked, small, Ledger(evaluator, store), {}, silent).explore()
    assert len(steps) == 3


def test_an_indifferent_exponent_is_undetermined(store):
    evaluator = FakeEvaluator()
    evaluator.indifferent = [("output", "lr")]
    found = driver(store, evaluator, budget=40, polish_rounds=20).run()
    table = {g["name"]: g for g in group_table(found, ENCODING, GROUPS)}
    loose, tight = table["output"]["lr"]["width"], table["hidden"]["lr"]["width"]
    assert (loose["low"], loose["high"], loose["determined"]) == (-2, 1.5, False)
    assert loose["value"] * 2 == round(loose["value"] * 2)
    known = {"determined": True, "at_bound": False, "fixed": False}
    assert tight == {"value": -1, "low": -1, "high": -1, **known}


def test_an_interval_that_a_bound_cuts_off_is_undetermined(store):
    found = driver(store, FakeEvaluator(), budget=16, polish_rounds=1).run()
    cut = dataclasses.replace(found.best, point=MUP, low=(0, *MUP[1:]), high=MUP)
    table = group_table(dataclasses.replace(found, best=cut), ENCODING, GROUPS)
    first, second = (table[0][quantity]["width"] for quantity in ("init", "lr"))
    assert first["low"] < first["value"] == first["high"] and not first["at_bound"]
    assert not first["determined"] and second["determined"]


def test_the_summary_names_the_nearest_rule(store):
    found = driver(store, FakeEvaluator(), budget=60, polish_rounds=20).run()
    summary = summarize(settings(), found, ENCODING, GROUPS, published_rules("adam", "width"))
    near = summary["nearest"]
    assert near["distance"] == 0 and near["differences"] == {}
    assert [each["trial"] for each in summary["candidates"]] == [step.trial for step in found.steps]
    assert [g["role"] for g in summary["groups"]] == ["input", "hidden", "output"]


def test_differences_are_found_minus_published():
    ntk, mup = Rule.load("ntk"), Rule.load("mup")
    near = nearest(ntk, {"mup": mup}, GROUPS, "width")
    assert near["differences"]["output"]["init"] == {"width": 0.5}


def test_published_rules_come_in_the_form_for_the_optimizer():
    assert published_rules("sgd", "width")["mup"].name == "mup-sgd"
    assert not [name for name in published_rules("adam", "width") if name.endswith("-sgd")]
    assert published_rules("adam", "nothing") == {}


class Solved(FakeEvaluator):
    """The solver finds the best rule, so that no generation after the first brings a better one."""

    def solve(self, encoding, seeds):
        found = [v.values[k] for v, k in zip(encoding.variables, MUP, strict=True)]
        return {"values": found, "measured": found, "confirmed": True, "open": []}


def test_the_sampler_stops_where_patience_ends(tmp_path):
    steps = []
    for patience in (0, 2, None):
        kept = Store(tmp_path / f"{patience}.db")
        asked = settings(budget=40, patience=patience)
        steps.append(Driver(asked, ENCODING, Ledger(Solved(), kept), {}, silent).explore())
        kept.close()
    assert [len(some) for some in steps] == [40, 16, 8]


def test_all_suggestions_are_tried_before_patience_ends(tmp_path):
    around = [(*MUP[:-1], k) for k in range(len(ENCODING.variables[-1].values))]
    kept = Store(tmp_path / "trials.db")
    asked = settings(budget=40, generation=2, patience=1)
    driver = Driver(asked, ENCODING, Ledger(Solved(), kept), {}, silent, suggested=around)
    assert set(around) <= {step.point for step in driver.explore()}
    kept.close()
