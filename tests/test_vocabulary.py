"""The vocabulary as an axis: the task follows it, and the model follows the task."""

import math

import pytest
import torch

from paramsearch.errors import ParamsearchError
from paramsearch.rules.rule import Rule
from paramsearch.tasks.catalog import TASKS, load_task
from paramsearch.tasks.random_walk import graph_for
from paramsearch.tracing.arch import load_arch
from paramsearch.tracing.trace import trace
from paramsearch.train.engine import train
from paramsearch.train.population import Member
from paramsearch.train.recipe import Recipe
from paramsearch.train.workload import prepare

WALK = "random_walk:nodes=40,context=8,batch=8"
COPY = "copy:context=8,batch=8"
MIX = "mix:copy=0.5,random_walk=0.5,context=8,batch=8"


@pytest.mark.parametrize("name", [WALK, COPY, "random_walk:ba,nodes=99,kappa=1,edges=300"])
def test_a_resized_task_is_the_task_of_that_size(name):
    task = load_task(name, seed=3).with_vocabulary(48)
    again = load_task(name, seed=3).with_vocabulary(48)
    inputs, target = task.batch(1)
    assert (task.name, task.dims["vocabulary"], task.dims["outputs"]) == (name, 48, 48)
    assert inputs.max() < 48 and torch.equal(inputs, again.batch(1)[0])
    assert len(target) == len(load_task(name).batch(1)[1])
    assert task.with_vocabulary(48) is task


def test_a_resized_copy_is_the_same_task_with_other_options():
    resized, plain = load_task(COPY).with_vocabulary(31), load_task(f"{COPY},symbols=30")
    assert torch.equal(resized.batch(2)[0], plain.batch(2)[0])


def test_mixtures_resize_their_parts():
    task = load_task(MIX.replace("random_walk", "random_walk:nodes=16"))
    assert task.with_vocabulary(32).dims["vocabulary"] == 32


@pytest.mark.parametrize("density", [1.2, 1.6, 2.0])
def test_sparse_graphs_are_searched_for_a_component_of_the_right_size(density):
    nodes, edges = graph_for(60, "er", density)
    assert nodes >= 60 and edges - density * nodes < 8
    assert load_task(f"random_walk:nodes={nodes},edges={edges}").dims["outputs"] == 60


def test_tasks_with_one_vocabulary_name_those_with_any():
    names = [name for name, entry in TASKS.items() if not entry.needs_word and name != "cifar10"]
    for name in names:
        task = load_task(name)
        if name in ("copy", "random_walk"):
            assert task.with_vocabulary(24).dims["vocabulary"] == 24
            continue
        says = f"task '{name}' cannot have a vocabulary of 24; .* are copy and random_walk"
        with pytest.raises(ParamsearchError, match=says):
            task.with_vocabulary(24)


def test_roles_along_the_vocabulary():
    found = trace(load_arch("gpt"), axis="vocabulary", task=load_task(COPY))
    grown = {t.name: t for t in found.tensors if any(t.growth["vocabulary"])}
    assert {name: t.shape for name, t in grown.items()} == {
        "embed.weight": (64, 32),
        "readout.weight": (64, 32),
    }
    assert found.roles["embed.weight"]["vocabulary"] == "output"  # its fan-in grows
    assert found.roles["readout.weight"]["vocabulary"] == "input"
    assert [t.role for t in grown.values()] == ["input", "output"]  # as along the width
    assert all(t.growth["vocabulary"] == (1.0, 0.0) for t in grown.values())


@pytest.mark.parametrize("name", ["gpt", "rnn"])
@pytest.mark.parametrize("vocabulary", [64, 128])
def test_a_population_trains_at_any_vocabulary(name, vocabulary):
    arch = load_arch(name, {"width": 16}).along("vocabulary")
    workload = prepare(arch, load_task(WALK), {"vocabulary": vocabulary})
    assert workload.ratios["vocabulary"] == vocabulary / 64
    members = [Member(0, 1e-3, seed) for seed in (0, 1)]
    rule = Rule.load("sp").model_copy(update={"axes": ("width",)})
    outcome = train(workload, [rule], members, Recipe("adam", 4))
    assert outcome.losses[:, 0].mean() == pytest.approx(math.log(vocabulary), rel=0.05)


def test_the_base_size_can_be_set():
    arch = load_arch("gpt", {"vocabulary": "32"}).along("vocabulary")
    assert arch.axes["vocabulary"] == 32
    assert load_arch("gpt", {"vocabulary": "32"}).axes == load_arch("gpt").axes


@pytest.mark.parametrize(
    ("arch", "task", "message"),
    [
        ("gpt", "bytes", "task 'bytes' cannot have a vocabulary of 64; tasks that can have any ar"),
        ("mlp", "digits", "unknown axis of 'mlp' 'vocabulary'"),
    ],
)
def test_what_has_no_such_axis(arch, task, message):
    with pytest.raises(ParamsearchError, match=message):
        trace(arch, axis="vocabulary", task=load_task(task))


@pytest.mark.parametrize(
    ("task", "size", "message"),
    [
        ("copy", 1, "received a vocabulary of 1; allowed: at least 2"),
        ("random_walk", 4, "received edges=20 for nodes=4 of graph 'er'; allowed: 1 to 6"),
    ],
)
def test_vocabularies_that_are_too_small(task, size, message):
    with pytest.raises(ParamsearchError, match=message):
        load_task(task).with_vocabulary(size)


def test_files_state_a_whole_number(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("import paramsearch\narch = paramsearch.Arch(id, {'w': 2}, vocabulary='x')\n")
    with pytest.raises(ParamsearchError, match=r"mine\.py: vocabulary: received 'x'; allowed: a w"):
        load_arch(str(file))
