"""The axes of training: every model has them, and nothing of it grows along them."""

import json
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

import paramsearch
from paramsearch.cli.main import app
from paramsearch.cli.tables import search_line
from paramsearch.discovery.base_curve import BASE_SEEDS
from paramsearch.discovery.curves import recipe, steps_at, train_members, workload_at
from paramsearch.discovery.progress import Watch
from paramsearch.discovery.setting import Setting
from paramsearch.errors import ParamsearchError
from paramsearch.jobs.checks import check_axis
from paramsearch.rules.rule import Rule
from paramsearch.score.objective import Objective
from paramsearch.tasks.catalog import load_task
from paramsearch.tasks.rebatched import batch_size, with_batch
from paramsearch.tracing.arch import Arch, load_arch
from paramsearch.tracing.trace import trace
from paramsearch.train.command import Command
from paramsearch.train.population import Member

TASKS = ["teacher:batch=8", "digits", "bytes:context=8", "mix:bytes=0.7,bigram=0.3,context=8"]
SIZES = {"batch": 8, "steps": 40}
TINY = """
paramsearch: 1
name: tiny
fidelity:
  ratios: [1, 2, 4]
  steps: 8
  seeds: 1
  lr: {low: 0.0005, high: 2.0, step: 2.0, window: 2}
weights: {loss: 1, lr_collapse: 1, sharpness_collapse: 0, probe_slopes: 0}
"""
NAMES = ["input", "output"]
SMALL = {"task": "teacher:batch=8", "options": {"width": 8}}


def setting(axis, objective="losses"):
    arch = check_axis(load_arch("mlp"), axis, "teacher:batch=8", SIZES["steps"])
    parts = load_task("teacher:batch=8"), axis, "adam", Objective.load(objective), "cpu", 0
    return Setting(arch, *parts)


def scaled(axis, power=0.0):
    """A rule by which the learning rate of every tensor goes as that power of the ratio."""
    groups = [{"match": {"name": "*"}, "lr": {axis: power}}]
    return Rule(name="scaled", optimizer="adam", axes=(axis,), groups=groups)


def losses(axis, size, power=0.0, lr=1e-2):
    """The losses of one member at a size along an axis, (1, steps)."""
    made = setting(axis)
    member = Member(0, lr, 0)
    place = workload_at(made, size)
    return train_members(made, place, [scaled(axis, power)], [member], Watch()).losses


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("share", [4, 1, 0.5, 1.5])
def test_other_batches_are_the_same_stream(name, share):
    task = load_task(name, seed=1)
    own, size = batch_size(task), int(share * batch_size(task))
    stream = torch.cat([task.batch(step)[0] for step in range(int(2 * share) + 1)])
    large = with_batch(task, size)
    assert torch.equal(large.batch(1)[0], stream[size : 2 * size])
    assert len(large.batch(1)[1]) == size and with_batch(large, size) is large
    assert torch.equal(large.evaluation()[0], task.evaluation()[0]) and own == batch_size(task)


def test_other_vocabularies_keep_the_batch():
    task = with_batch(load_task("copy:context=8,batch=8"), 32).with_vocabulary(48)
    assert (task.dims["vocabulary"], batch_size(task)) == (48, 32)


@pytest.mark.parametrize("axis", SIZES)
@pytest.mark.parametrize("name", ["gpt", "resmlp"])
def test_roles_are_those_of_the_models_own_axes(axis, name):
    plain, along = trace(name), trace(name, axis=axis)
    assert along.groups().keys() == plain.groups().keys() and along.undecided == plain.undecided
    assert {t.name: t.sites for t in along.tensors} == {t.name: t.sites for t in plain.tensors}
    for tensor, usual in zip(along.tensors, plain.tensors, strict=True):
        assert tensor.role == usual.role == along.roles[tensor.name][axis]
        assert not any(tensor.growth[axis])


def test_a_population_sees_larger_batches():
    made = setting("batch")
    small, large = workload_at(made, 8), workload_at(made, 32)
    assert [len(place.batch(0)[0]) for place in (small, large)] == [8, 32]
    assert len(small.evaluation()[0]) == len(large.evaluation()[0])
    assert large.ratios["batch"] == 4 and losses("batch", 32).shape == (1, 40)


def test_a_population_makes_more_updates():
    short, long = losses("steps", 40), losses("steps", 80)
    assert (short.shape, long.shape) == ((1, 40), (1, 80))
    torch.testing.assert_close(short, long[:, :40])


@pytest.mark.parametrize(("axis", "size"), [("batch", 32), ("steps", 160)])
def test_the_rule_scales_the_learning_rate(axis, size):
    torch.testing.assert_close(losses(axis, size, power=-0.5), losses(axis, size, lr=5e-3))


def test_the_schedule_follows_the_number_of_steps():
    long = setting("steps")
    assert [recipe(long, steps_at(long, size)).steps for size in (40, 80)] == [40, 80]
    assert recipe(setting("batch")).steps == steps_at(setting("batch"), 32) == 40


@pytest.mark.parametrize(("axis", "size"), [("batch", 32), ("steps", 160)])
def test_a_program_is_told_the_size(axis, size):
    made = replace(setting(axis), command=Command(f"""echo '{{"loss": {{{axis}}}}}'"""))
    told = train_members(made, workload_at(made, size), [scaled(axis)], [Member(0, 1, 0)], Watch())
    assert told.final.tolist() == [size]


@pytest.fixture(scope="module", params=SIZES)
def searched(request, tmp_path_factory):
    """A search with nine candidates along an axis of training: the axis, result and notes."""
    folder, heard = tmp_path_factory.mktemp(request.param), []
    (folder / "tiny.yaml").write_text(TINY)
    words = {"objective": str(folder / "tiny.yaml"), "budget": 9, "out": folder / "run"}
    found = paramsearch.search(
        "uv", axis=request.param, **SMALL, **words, compile=False, listen=heard.append
    )
    return request.param, found, [progress.note for progress in heard if progress.note]


def test_a_search_finds_exponents_of_the_learning_rate(searched):
    axis, found, notes = searched
    assert found.rule.axes == (axis,) and all(axis in group.lr for group in found.rule.groups)
    assert [group["name"] for group in found.groups] == NAMES
    assert any("no solver: objective" in note for note in notes)


def test_longer_runs_are_counted_as_what_they_take(searched):
    axis, found, _ = searched
    (session,) = found.timing["sessions"]
    start = BASE_SEEDS * 3 * 8 * {"batch": 2, "steps": 6}[axis]  # references at ratios 2, 4
    assert session["member_steps"] - start == found.summary["member_steps"]
    assert found.summary["predicted"]["member_steps"] < 4 * session["member_steps"]


def test_the_rule_is_held_against_the_start_over_longer_runs(searched, tmp_path):
    axis, found, _ = searched
    longer = found.summary["longer"]
    if axis == "steps":  # the search itself is about longer runs
        assert longer is None
        return
    assert (longer["steps"], longer["scale"], set(longer["rules"])) == (32, 32, {"found", "start"})
    assert longer["sentence"] in search_line(found.summary, tmp_path)
    assert "ver 32 steps it" in longer["sentence"]


def test_a_rule_is_verified_along_the_axis(searched):
    axis, found, _ = searched
    held_out = {"batch": 64, "steps": 48}[axis]
    proof = paramsearch.verify(found.folder, [held_out], baselines=[], seeds=1)
    (curves,) = proof.certificate["rules"].values()
    assert proof.certificate["base_scale"] == {"batch": 8, "steps": 8}[axis]
    assert list(curves["scales"]) == [str(proof.certificate["base_scale"]), str(held_out)]


BAD = [
    (["solve", "mlp", "--axis", "batch"], "solve works on update probes, whose slopes need not v"),
    (["solve", "mlp", "--axis", "width", "--axis", "steps"], "need not vanish along steps; use se"),
    (["search", "mlp", "--axis", "batch", "--objective", "transfer"], "weighs probe_slopes 2, whi"),
    (["search", "mlp", "--axis", "stesp"], "did you mean 'steps'"),
    (["trace", "mlp", "--axis", "bacth"], "did you mean 'batch'"),
    (["verify", "mup", "--arch", "mlp", "--axis", "batch", "--scales", "128"], "says nothing abou"),
]


@pytest.mark.parametrize(("words", "message"), BAD)
def test_what_cannot_be(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(app, words)
    assert ended.exit_code == 2 and message in " ".join(ended.stderr.split())


@pytest.mark.parametrize("axis", SIZES)
def test_an_axis_of_training_needs_its_base(axis):
    with pytest.raises(ParamsearchError, match=f"axis '{axis}' .* base: received None; allowed"):
        load_arch("mlp").along(axis)
    with pytest.raises(ParamsearchError, match="batch: received 0; allowed: at least 1"):
        with_batch(load_task("teacher:batch=8"), 0)


def test_a_size_of_the_model_goes_before_an_axis_of_training():
    arch = Arch(torch.nn.Linear, {"in_features": 3}, options={"steps": 5}).along("steps")
    assert (arch.axes["steps"], arch.training) == (5, ())


def test_the_command_line_traces_them():
    ended = CliRunner().invoke(app, ["trace", "mlp", "--axis", "batch", "--json"])
    assert json.loads(ended.stdout)["scale"] == {"width": 32, "depth": 3, "batch": 64}
