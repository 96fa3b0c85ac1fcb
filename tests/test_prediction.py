"""Operations, memory and time of a search, told before it starts."""

import dataclasses

import pytest
import torch
from test_evaluate import tiny
from test_plan import weighing

from paramsearch.discovery.predict import predict
from paramsearch.discovery.prediction import Growth, Prediction, rounded, short
from paramsearch.discovery.rounds import Plan, Population, Round, plan_of
from paramsearch.discovery.timing import PASSES
from paramsearch.errors import ParamsearchError
from paramsearch.jobs.announce import Consent, announce
from paramsearch.jobs.reports import Reports
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import Arch, load_arch
from paramsearch.train.command import Command
from paramsearch.train.cost import COMPILE_LEAST, forward_flops
from paramsearch.train.engine import cost_of, strategy
from paramsearch.train.pace import Pace, pace
from paramsearch.train.recipe import Engine, Execution, Recipe
from paramsearch.train.workload import prepare

PREDICTION = Prediction(90, 1_200_000, 4_000_000, 30_000, 1.3e15, 8e8, 12000.0)


@pytest.fixture(scope="module")
def workload():
    return prepare(load_arch("mlp"), load_task("digits"), {"width": 64})


def products(workload):
    """Multiply-adds per example of every weight matrix, first layer first."""
    return [t.shape[0] * t.shape[1] for t in workload.tensors if len(t.shape) == 2]


def test_a_forward_pass_is_two_operations_per_weight_and_example(workload):
    batch = workload.batch(0)
    assert forward_flops(workload, batch) == 2 * len(batch[0]) * sum(products(workload))


def test_a_step_is_six_less_the_gradient_of_the_inputs(workload):
    first, *others = products(workload)
    wanted = len(workload.batch(0)[0]) * (4 * first + 6 * sum(others))
    assert cost_of(workload, Recipe("adam", 40)).flops == wanted


def only(about, *populations):
    return Plan((Round("search", 1, 1),), populations, about.objective.fidelity.steps)


def test_flops_are_those_of_every_step_and_of_every_pass_of_the_probes():
    about = tiny()
    place = prepare(about.arch, about.task, {"width": 64})
    step = cost_of(place, Recipe("adam", 8)).flops
    looks = 2 * PASSES * forward_flops(place, place.batch(0))
    ends = 2 * forward_flops(place, place.evaluation())
    both = [Population(1, False, 1), Population(2, False, 5), Population(2, True, 3, 2.0, True)]
    found = predict(about, only(about, *both), only(about, *both))
    base = predict(about, *[only(about, both[0], Population(2, False, 1))] * 2).flops - 8 * step
    assert found.flops == pytest.approx(base + 8 * step * 11 + 6 * (looks + ends))


def test_seconds_and_memory_are_there_and_counts_repeat():
    about = tiny()
    plan = plan_of([Round("search", 2, 1)], about.objective)
    first, again = (predict(about, plan, plan) for _ in range(2))
    assert first.counts() == again.counts()
    assert first.seconds > 0 and first.memory > 1e8 and first.looped == ""


def test_compiling_is_counted_for_every_program():
    about = dataclasses.replace(tiny(), engine=Engine(compile=True))
    plan = plan_of([Round("search", 2, 1)], about.objective)
    quick = predict(tiny(), plan, plan).seconds
    assert predict(about, plan, plan).seconds > quick / 10 + 4 * COMPILE_LEAST


def test_the_strategy_is_that_of_the_engine(workload):
    recipe = Recipe("adam", 40)
    known = (cost_of(workload, recipe), workload, recipe, ())
    assert strategy(*known, Execution(chunk=7, compile=False)) == (False, 7)
    compiles, chunk = strategy(*known, Execution(work=10**9))
    assert compiles and chunk & (chunk - 1) == 0
    assert not strategy(*known, Execution(work=10))[0]


def test_a_command_is_counted_but_not_timed():
    about = weighing(tiny(), sharpness_collapse=0.0, probe_slopes=0.0)
    about = dataclasses.replace(about, command=Command("train {rule} {lr} {width}"))
    found = predict(about, *[plan_of([Round("search", 2, 1)], about.objective)] * 2)
    assert (found.seconds, found.flops, found.memory) == (None, None, None)
    assert found.sentence().startswith(f"about {found.members} runs of the command (")


class Picky(torch.nn.Module):
    """Asks for the value of a tensor, which ``vmap`` does not give."""

    def __init__(self, inputs, outputs, width):
        super().__init__()
        self.a, self.b = torch.nn.Linear(inputs, width), torch.nn.Linear(width, outputs)

    def forward(self, x):
        h = self.a(x)
        return self.b(h if h.abs().max().item() < 1e9 else h / 2)


@pytest.mark.parametrize(("backend", "looped"), [("auto", True), ("loop", False)])
def test_members_one_by_one_are_noticed_unless_asked_for(backend, looped):
    arch = Arch(build=Picky, axes={"width": 8}, task="digits")
    about = dataclasses.replace(tiny(), arch=arch, engine=Engine(backend=backend))
    plan = only(about, Population(1, False, 2), Population(2, False, 2))
    assert bool(predict(about, plan, plan).looped) == looped


def told(predicted, yes=False, done=0):
    heard = []
    consent = Consent("mine", "lower --budget", yes)
    announce(predicted, consent, Reports(heard.append, 1), done)
    return [progress.note for progress in heard]


SLOW = dataclasses.replace(PREDICTION, looped="no batching rule")
WHY = "architecture 'mine' cannot run under torch.func.vmap (no batching rule), so its members "
WHY += "train one by one"


def test_a_long_search_one_by_one_is_refused():
    says = rf"{WHY}: about 3 h 20 min; lower --budget, or add --yes$".replace("(", r"\(")
    with pytest.raises(ParamsearchError, match=says.replace(")", r"\)")):
        told(SLOW)


@pytest.mark.parametrize(
    ("predicted", "yes", "done"),
    [(SLOW, True, 0), (dataclasses.replace(SLOW, seconds=599.0), False, 0), (SLOW, False, 88)],
)
def test_with_consent_or_if_short_it_goes_on_and_says_why(predicted, yes, done):
    assert told(predicted, yes, done) == [WHY, predicted.sentence(done)]


def test_a_job_may_be_long_along_a_usual_axis():
    growth = Growth("width", 32, 128, times=16.0, power=2.0)
    (said,) = told(dataclasses.replace(PREDICTION, growth=growth, room=1e9))
    assert said == "about 3 h 20 min, 1.3e15 FLOPs, 0.8 GB (1.2e6 member-steps)"


def test_a_continued_search_says_what_is_left():
    assert PREDICTION.sentence(45).startswith("about 3 h 20 min, 1 h 40 min of them left, ")


TIMES = [(0.0, "1 s"), (17, "17 s"), (18, "20 s"), (119, "120 s"), (121, "2 minutes")]
TIMES += [(5399, "1 h 30 min"), (7200, "2 h"), (7800, "2 h 10 min"), (172_800, "2 days")]


@pytest.mark.parametrize(("seconds", "words"), TIMES)
def test_times_in_words(seconds, words):
    assert rounded(seconds) == words


@pytest.mark.parametrize(
    ("value", "words"), [(0, "0"), (999, "999"), (1e3, "1.0e3"), (9.96e9, "1.0e10")]
)
def test_counts_in_words(value, words):
    assert short(value) == words


def test_the_pace_of_a_known_clock_is_found(monkeypatch):
    true, now = Pace(1.0, 0.5, 0.25, 0.125), [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def run(members, steps):
        now[0] += true.seconds(members, steps)

    assert pace(run, 64, seconds=1e4) == true


def test_what_the_first_run_of_a_size_does_once_is_not_timed(monkeypatch):
    true, now, seen = Pace(1.0, 0.5, 0.25, 0.125), [0.0], set()
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def run(members, steps):
        now[0] += true.seconds(members, steps) + 1e3 * (members not in seen)  # as to build
        seen.add(members)

    assert pace(run, 64, 1e5) == true
