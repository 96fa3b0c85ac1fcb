"""Degrees of homogeneity, measured on every optimizer and compared with the table."""

import pytest
import torch
from optimizer_runs import info

from paramsearch.errors import ParamsearchError
from paramsearch.rules.degrees import DEGREES, GAINS, Degrees, degrees, gain
from paramsearch.rules.homogeneity import Trial, measured_degrees, measured_gain, measured_shift
from paramsearch.train.optimizers.interface import Hyper
from paramsearch.train.optimizers.table import OPTIMIZERS, optimizer_entry

ROLES = ("hidden", "input", "output")


def engine_run(name: str, role: str):
    """The engine's optimizer as a function of a trial, the parameter held."""
    optimizer = optimizer_entry(name).make([info("w", (3, 4), "linear", role, (4, 3))])

    def run(trial: Trial) -> torch.Tensor:
        params = {"w": trial.param[None]}
        values = (trial.lr, trial.weight_decay, trial.eps)
        columns = [{"w": torch.full((1, 1, 1), v, dtype=torch.float64)} for v in values]
        state = optimizer.init(params)
        found = []
        for grad in trial.grads:
            hyper = Hyper(*columns, trial.weight_decay != 0)
            updates, state = optimizer.update({"w": grad[None]}, state, params, hyper)
            found.append(updates["w"][0].clone())
        return torch.stack(found)

    return run


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_table_holds_what_is_measured(name, role):
    run, known = engine_run(name, role), DEGREES[name]
    assert measured_degrees(run, name) == (known.k, known.j)
    shifts = known.shifts
    for quantity in {"weight_decay", "eps"} & set(shifts):
        assert measured_shift(run, (known.k, known.j), quantity, {"it": shifts[quantity]}) == "it"


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_table_of_gains_holds_what_is_measured(name, role):
    assert measured_gain(engine_run(name, role)) == pytest.approx(GAINS.get(name, 1.0), rel=1e-3)


def test_the_gain_of_a_class_is_measured():
    assert gain("torch.optim:SGD") == gain("torch.optim:Adam") == gain("torch.optim:RMSprop") == 1
    assert gain("sgd") == GAINS["sgd"] == 10 and gain("gd") == 1


DECAYS = {"coupled": 2, "decoupled": 1, "independent": 0}


@pytest.mark.parametrize("name", ["adam", "adamw", "adamw-independent"])
def test_the_kind_of_decay_is_told_apart(name):
    run = engine_run(name, "hidden")
    assert measured_shift(run, (0, 0), "weight_decay", DECAYS) == DEGREES[name].decay


TORCH = {
    "torch.optim:SGD": DEGREES["gd"],
    "torch.optim:Adam": DEGREES["adam"],
    "torch.optim:AdamW": DEGREES["adamw"],
    "torch.optim:Adafactor": DEGREES["adafactor"],
    "torch.optim:NAdam": DEGREES["adam"],
    "torch.optim:Adagrad": DEGREES["adam"],
    "torch.optim:RAdam": DEGREES["adam"],
    "torch.optim:ASGD": DEGREES["gd"],
    "torch.optim:Rprop": Degrees(k=0, j=0, decay=None, eps=False),
    "torch.optim:Adadelta": Degrees(k=0, j=0, decay="coupled", eps=False),
}


@pytest.mark.parametrize("name", TORCH)
def test_classes_of_torch(name):
    assert degrees(name) == TORCH[name]


BAD = {
    "gradients 4 times as large": lambda t: t.grads.tanh(),
    "a parameter 4 times as large": lambda t: t.grads * (1 + t.param.abs()),
    "its updates are zero": lambda t: 0 * t.grads,
    "its updates are infinite": lambda t: t.grads / 0,
}


@pytest.mark.parametrize("words", BAD)
def test_updates_that_are_no_power_are_refused(words):
    with pytest.raises(ParamsearchError, match=f"it.* {words}"):
        measured_degrees(BAD[words], "it")


def test_half_a_degree():
    assert measured_degrees(lambda t: t.grads.sign() * t.grads.abs().sqrt()) == (0.5, 0)


def test_an_unknown_optimizer_names_the_known_ones():
    with pytest.raises(ParamsearchError, match=r"unknown optimizer 'adm'.*'adam'.*sgd"):
        degrees("adm")
