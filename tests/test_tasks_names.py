"""Names of tasks: options, mixtures, users' files, and what is said when they are wrong."""

import pytest
import torch

from paramsearch.errors import ParamsearchError
from paramsearch.tasks.catalog import load_task
from paramsearch.tasks.mixture import shares
from paramsearch.tracing.arch import load_arch
from paramsearch.tracing.trace import trace

WRONG = {
    "digit": r"unknown task 'digit'; did you mean 'digits'\?",
    "bytes:64": r"task 'bytes': received '64'; allowed: bytes:context=",
    "bytes:contex=3": r"unknown option of task 'bytes' 'contex'; did you mean 'context'\?",
    "bytes:context=0": r"context: received '0'; allowed: a whole number of at least 1",
    "bytes:context=3,context=4": "option 'context' is given twice",
    "copy:context=7": r"context=7; allowed: an even number",
    "random_walk:xx": r"unknown graph 'xx' \(known: ba, er\)",
    "random_walk:kappa=-1": r"kappa: received '-1'; allowed: a number of at least 0",
    "random_walk:nodes=10,edges=99": r"edges=99 for nodes=10 of graph 'er'; allowed: 1 to 45",
    "random_walk:nodes=10,er": r"received 'er'; allowed: random_walk:GRAPH,nodes=",
    "sparse_parity:degree=99": r"degree=99; allowed: 1 to inputs=64",
    "tokens": r"task 'tokens' needs a file: tokens:FILE,",
    "mix": r"task 'mix' needs parts, for instance",
    "mix:bytes": r"task 'mix': received 'bytes'; allowed: each task once",
    "mix:bytes=1,bytes=2": r"received 'bytes=2'; allowed: each task once",
    "mix:bytes=nan": r"received 'bytes=nan'; allowed: each task once",
    "mix:bytes=0": r"all weights are 0; allowed: at least one above 0",
    "mix:bytes=1,digits=1": r"the same dims: 'bytes' has .*'positions': 32}, 'digits' has",
    "mix:bytes=1,bigram:batch=4=1": r"same batch size: 'bytes' has 16, 'bigram:batch=4' has 4",
    "no/such.py": r"task file 'no/such.py' does not exist",
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(name):
    with pytest.raises(ParamsearchError, match=WRONG[name]):
        load_task(name)


def test_shares_follow_the_weights_and_their_error_does_not_add_up():
    weights, size = [0.7, 0.2, 0.1], 16
    counts = torch.tensor([shares(weights, size, step) for step in range(50)])
    assert (counts.sum(dim=1) == size).all() and (counts >= 0).all()
    wanted = size * torch.arange(1, 51)[:, None] * torch.tensor(weights)
    assert (counts.cumsum(dim=0) - wanted).abs().max() <= 1


def test_a_mixture_holds_the_examples_of_its_parts():
    mixed = load_task("mix:bytes=3,bigram=1,context=8", seed=2)
    parts = [load_task(f"{name}:context=8", seed=2) for name in ("bytes", "bigram")]
    inputs, target = mixed.batch(7)
    for k in range(2):
        together = torch.cat([parts[0].batch(7)[k][:12], parts[1].batch(7)[k][:4]])
        assert torch.equal((inputs, target)[k], together)


def test_a_weight_of_zero_leaves_a_task_out():
    mixed, alone = load_task("mix:bytes=1,bigram=0"), load_task("bytes")
    assert torch.equal(mixed.batch(3)[0], alone.batch(3)[0])


TASK = """import torch
from paramsearch import Task

class task(Task):
    name = "mine"
    def __init__(self, device, seed, *, size=4):
        self.dims = {"inputs": size, "outputs": 3}
    def batch(self, step):
        return torch.full((2, self.dims["inputs"]), float(step)), torch.tensor([0, 1])
    def evaluation(self):
        return self.batch(0)
    def loss(self, output, target):
        return torch.nn.functional.cross_entropy(output, target)
"""


def test_a_users_file_is_a_task_with_options(tmp_path):
    (tmp_path / "mine.py").write_text(TASK)
    task = load_task(f"{tmp_path}/mine.py:size=6")
    assert task.batch(2)[0].shape == (2, 6) and task.name.endswith("mine.py:size=6")
    assert trace("mlp", task=task).tensors[0].shape == (32, 6)


CHANGES = {
    "nothing": ("class task", "class other", "must define `task`, a function or class"),
    "abstract": ("def loss", "def los", "task task lacks methods: loss"),
    "fails": ("self.dims = ", "x = 1 / 0 #", r"task\(device, seed\) fails: ZeroDivisionError"),
    "dims": ('"inputs": size, ', "", r"dims: received {'outputs': 3}; allowed: whole numbers"),
    "size": ("size=4", "size=0", r"dims: received {'inputs': 0"),
    "pair": ("), torch.tensor([0, 1])", "),", r"batch\(0\): received Tensor; allowed: a tuple"),
    "count": ("[0, 1]", "[0]", r"batch\(0\): received 2 inputs and 1 targets"),
    "shape": ('(2, self.dims["inputs"])', "(2, 9)", r"inputs of shape \(2, 9\); allowed"),
    "class": ("[0, 1]", "[0, 3]", r"targets: received 0 to 3; allowed: 0 to 2"),
    "whole": ("float(step)", "step", r"inputs of torch.int64; allowed: floating point"),
    "tokens": (
        '"outputs": 3}',
        '"outputs": 3, "vocabulary": 5}',
        r"tokens: received torch.float32; allowed: torch.int64",
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_users_file_that_is_wrong(tmp_path, case):
    old, new, says = CHANGES[case]
    assert old in TASK
    (tmp_path / "mine.py").write_text(TASK.replace(old, new))
    with pytest.raises(ParamsearchError, match=rf"mine\.py.*{says}"):
        load_task(f"{tmp_path}/mine.py")


def test_a_users_file_that_makes_something_else(tmp_path):
    (tmp_path / "mine.py").write_text("def task(device, seed): return 3\n")
    with pytest.raises(ParamsearchError, match=r"must give a paramsearch\.Task; received 3"):
        load_task(f"{tmp_path}/mine.py")


@pytest.mark.parametrize(
    ("arch", "task", "says"),
    [
        ("mlp", "bytes", "'mlp' does not take 'positions': task 'bytes' predicts at every posit"),
        ("gpt", "digits", "'gpt' needs 'vocabulary': task 'digits' gives numbers; choose a task"),
    ],
)
def test_an_architecture_that_does_not_fit_the_task(arch, task, says):
    with pytest.raises(ParamsearchError, match=says):
        trace(load_arch(arch), task=load_task(task))
