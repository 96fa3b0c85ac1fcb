"""What every job says before it trains, on real models, and where it asks first."""

import json
import re

import pytest
import torch
from typer.testing import CliRunner

import paramsearch
from paramsearch.cli.main import app
from paramsearch.discovery.setting import Setting
from paramsearch.discovery.solver.plan import solving
from paramsearch.discovery.verify_plan import verifying
from paramsearch.errors import ParamsearchError
from paramsearch.jobs import announce
from paramsearch.score.objective import Objective
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import Arch
from paramsearch.train import engine

SMALL = {"options": {"width": "16"}, "seeds": 2, "steps": 12, "lr": 0.01}


def short(tmp_path, **fidelity):
    """The path of an objective whose runs are short."""
    content = Objective.load("transfer").model_dump(mode="json")
    content["fidelity"] |= {"steps": 8, "seeds": 2, **fidelity}
    path = tmp_path / "short.yaml"
    path.write_text(json.dumps(content))
    return str(path)


def notes(job, *args, **options):
    """What a job told in words, and its result."""
    heard = []
    found = job(*args, **options, listen=lambda progress: heard.append(progress.note))
    return [note for note in heard if note], found


EXPLODES = "a step of architecture 'mlp' costs [0-9.e]+ times one at the base, width 32, and all "
EXPLODES += r"takes about [0-9.e]+ (days|years|h|h [0-9]+ min); .*, or add --yes"


def refused(words, folder):
    ended = CliRunner().invoke(app, [*words])
    assert ended.exit_code == 2 and not folder.exists()
    return " ".join(ended.stderr.split())


def test_a_solve_along_an_axis_that_explodes_is_refused_before_anything_large_is_made(tmp_path):
    said = refused(["solve", "mlp", "--ratios", "1,4,65536"], tmp_path / "none")
    assert re.fullmatch(f".*error: at width 2097152 {EXPLODES}", said)


def test_so_is_a_verification(tmp_path):
    words = ["verify", "mup", "--arch", "mlp", "--scales", "64,2097152"]
    said = refused([*words, "--out", str(tmp_path / "v")], tmp_path / "v")
    assert re.fullmatch(f".*error: at width 2097152 {EXPLODES}", said)


def test_and_a_search_which_leaves_nothing(tmp_path):
    path = short(tmp_path, ratios=[1, 2, 65536], sharpness=2)
    words = ["search", "mlp", "--objective", path, "--out", str(tmp_path / "run")]
    said = refused(words, tmp_path / "run")
    assert re.fullmatch(f".*error: at width 2097152 {EXPLODES}", said)


@pytest.fixture
def impatient(monkeypatch):
    """Every job is long, and every axis explodes."""
    for name in ("LONG", "EXPLODES", "MANIFOLD"):
        monkeypatch.setattr(announce, name, 0.0)


def test_consent_lets_a_solve_go_on(impatient):
    with pytest.raises(ParamsearchError, match=r"lower --ratios, --seeds or --steps, or add --yes"):
        paramsearch.solve("mlp", **SMALL)
    assert paramsearch.solve("mlp", **SMALL, yes=True).groups


def test_a_solve_says_what_it_takes_and_takes_about_as_many_steps():
    said, found = notes(paramsearch.solve, "mlp", **SMALL)
    assert said[0].startswith("about ") and said[0].endswith(" member-steps)")
    exponents = [e["width"] for g in found.groups for e in g.values() if "width" in e]
    free = sum(not exponent["fixed"] for exponent in exponents)
    planned = solving([1, 2, 4], free, 2, 12, 0.01).member_steps
    assert 0.5 < found.content["member_steps"] / planned < 2


@pytest.mark.parametrize(("option", "compiles"), [("--compile", True), ("--no-compile", False)])
def test_a_solve_compiles_if_asked_to(option, compiles, monkeypatch):
    def refused(*_):
        raise ParamsearchError("it was to be compiled")

    monkeypatch.setattr(engine, "compile_step", refused)
    words = ["solve", "mlp", "--set", "width=16", "--seeds", "2", "--steps", "4", "--lr", "0.01"]
    ended = CliRunner().invoke(app, [*words, option])
    assert ended.exit_code == (2 if compiles else 0), ended.stderr
    assert ("it was to be compiled" in ended.stderr) == compiles


class Picky(torch.nn.Module):
    """Asks for the value of a tensor, which ``vmap`` does not give."""

    def __init__(self, inputs, outputs, width):
        super().__init__()
        self.a, self.b = torch.nn.Linear(inputs, width), torch.nn.Linear(width, outputs)

    def forward(self, x):
        h = self.a(x).relu()
        return self.b(h if h.abs().max().item() < 1e9 else h / 2)


PICKY = Arch(Picky, {"width": 8}, task="digits", name="picky")
WHY = "architecture 'picky' cannot run under torch.func.vmap ("


def test_a_solve_says_why_members_train_one_by_one(impatient):
    options = {"seeds": 2, "steps": 4, "lr": 0.01}
    with pytest.raises(ParamsearchError, match=r"train one by one: about .* or add --yes"):
        paramsearch.solve(PICKY, **options)
    said, _ = notes(paramsearch.solve, PICKY, **options, yes=True)
    assert said[0].startswith(WHY) and said[1].startswith("about ")


def test_so_does_a_verification(impatient, tmp_path):
    options = {"arch": PICKY, "objective": short(tmp_path), "seeds": 1, "out": tmp_path / "v"}
    with pytest.raises(ParamsearchError, match=r"train one by one: about .* lower --scales or"):
        paramsearch.verify("mup", [32], [], **options)
    said, found = notes(paramsearch.verify, "mup", [32], [], **options, yes=True)
    assert said[0].startswith(WHY) and said[1].startswith("about ")
    curves = found.certificate["rules"]["mup"]["scales"].values()
    made = sum(len(curve["lrs"]) for curve in curves)
    goal = Objective.load(options["objective"])
    about = Setting(PICKY, load_task("digits"), "width", "adam", goal, "cpu", 0)
    planned = verifying(about, [32], 1, 1, dense=False).member_steps / 8
    assert 0.5 < made / planned < 2
