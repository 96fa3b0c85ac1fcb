"""The coordinate check against plain runs with hooks, and on rules whose answer is known."""

import json

import numpy as np
import pytest
import torch
from plain_run import Plain
from torch import nn
from typer.testing import CliRunner

import paramsearch
from paramsearch.cli.main import app
from paramsearch.discovery.coords import Coordinate, Slope, fitted
from paramsearch.discovery.layers import Layer, layers
from paramsearch.jobs.coords import check_coordinates, verdict
from paramsearch.probes.coords import Coordinates
from paramsearch.report import coords_figure
from paramsearch.rules.rule import Rule
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import Arch, load_arch
from paramsearch.tracing.trace import trace
from paramsearch.train.engine import train
from paramsearch.train.population import Member
from paramsearch.train.recipe import Recipe
from paramsearch.train.workload import prepare

SMALL = dict(scales=[32, 64, 128], seeds=2, steps=3)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_probe_is_what_hooks_see_after_every_step(optimizer):
    arch, recipe = load_arch("resmlp"), Recipe(optimizer, 3)
    members = [Member(0, 1e-2, 0), Member(1, 1e-3, 3)]
    workload = prepare(arch, load_task("digits"), {"width": 48}, dtype=torch.float64)
    names = [t.name for t in workload.tensors if t.name.endswith("weight")]
    tensors = frozenset((name,) for name in names)
    rules = [Rule.load("mup", optimizer), Rule.load("ntk", optimizer)]
    found = train(workload, rules, members, recipe, [Coordinates(tensors)]).probes
    assert set(found) == {f"{kind}/{name}" for kind in ("size", "change") for name in names}
    for index, member in enumerate(members):
        plain = Plain(arch, "digits", 48, member, recipe)
        start = plain.outputs()
        for step in range(recipe.steps + 1):
            now = plain.outputs()
            for name in names:
                size, change = now[name].square().mean(), (now[name] - start[name]).square().mean()
                torch.testing.assert_close(found[f"size/{name}"][index, step], size)
                torch.testing.assert_close(found[f"change/{name}"][index, step], change)
            if step < recipe.steps:
                plain.step(step)


def test_ends_of_branches_are_added_up():
    arch, member, recipe = load_arch("resmlp"), Member(0, 1e-2, 0), Recipe("sgd", 1)
    workload = prepare(arch, load_task("digits"), {"width": 48}, dtype=torch.float64)
    down = next(layer for layer in layers(workload.tensors) if layer.name == "down")
    assert down.summed and len(down.tensors) > 1
    probe = Coordinates(frozenset({down.tensors}))
    found = train(workload, [Rule.load("mup", "sgd")], [member], recipe, [probe]).probes
    start = Plain(arch, "digits", 48, member, recipe).outputs()
    total = sum(start[name] for name in down.tensors).square().mean()
    torch.testing.assert_close(found[f"size/{down.tensors[0]}"][0, 0], total)


def slopes(rule, **more):
    """Layer -> slope at the start and of the change after the last step."""
    result = check_coordinates("mlp", rule, **{**SMALL, **more})
    every = {layer["name"]: layer for layer in result.content["layers"]}
    last = {n: (each["start"]["slope"], each["moves"][-1]["slope"]) for n, each in every.items()}
    return result, {name: np.array(pair) for name, pair in last.items()}


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_mup_is_flat(optimizer):
    result, found = slopes("mup", optimizer=optimizer)
    assert result.passed and result.sentence.startswith(f"{Rule.load('mup', optimizer).name} holds")
    assert all(abs(found[name]).max() < 0.15 for name in ("input", "hidden.*"))
    assert abs(found["readout"][1]) < 0.25


def test_sp_grows_and_ntk_freezes():
    result, found = slopes("sp")
    assert not result.passed and "hidden.*, readout grow with the scale" in result.sentence
    assert found["hidden.*"][1] > 0.3 and found["readout"][1] > 0.3
    result, found = slopes("ntk-lazy")
    assert not result.passed
    assert result.sentence.endswith(
        "input, hidden.* shrink with the scale, that is, features freeze."
    )
    assert found["hidden.*"][1] == pytest.approx(-0.5, abs=0.15)


SCALES, SEEDS = (1, 2, 4), 3


def coordinate(start, *moves, role="hidden", bad=None):
    """A layer whose start and changes are exact powers of the scale."""
    powers = np.array(SCALES, dtype=float)[:, None] ** np.array([start, *moves])
    size = np.repeat(powers[:, :1, None], len(moves) + 1, axis=1).repeat(SEEDS, axis=2)
    change = np.repeat(powers[:, :, None], SEEDS, axis=2)
    if bad is not None:
        change[1, -1, 0] = bad
    return Coordinate(Layer("a", role, ("a.weight",)), size, change, SCALES)


# start, change after each step (powers of the scale) -> verdict
WORDS = [
    (coordinate(0.0, 0.1, -0.1), "flat"),
    (coordinate(0.5, 0.0, 0.0), "grows"),
    (coordinate(0.0, 0.5, 0.0), "grows"),
    (coordinate(0.0, 0.0, -0.5), "shrinks"),
    (coordinate(-0.5, 0.0, 0.0), "shrinks"),
    (coordinate(-0.5, 0.0, 0.0, role="output"), "flat"),
    (coordinate(0.0, 0.0, -0.5, role="output"), "shrinks"),
    (coordinate(0.5, 0.0, 0.0, role="output"), "grows"),
    (coordinate(0.0, 0.0, 1.0, bad=0.0), "none"),
    (coordinate(0.0, 0.0, 1.0, bad=np.nan), "diverges"),
]


def test_what_spreads_over_seeds_is_unclear():
    measured = coordinate(0.0, 0.0, 0.5)
    measured.change[:, -1] **= np.array([0.0, 1.0, 2.0])
    passed, sentence = verdict("r", [measured])
    assert not passed and sentence.startswith("r is not shown to hold: a spreads too much over")


@pytest.mark.parametrize(("measured", "word"), WORDS)
def test_words(measured, word):
    assert measured.word == word
    assert verdict("r", [measured])[0] == (word in ("flat", "none"))


def test_a_slope_is_fitted_seed_by_seed():
    values = np.stack([np.array(SCALES) ** power for power in (1.0, 2.0, 3.0)], axis=1)
    slope = fitted(SCALES, values)
    assert (slope.value, slope.spread) == pytest.approx((2.0, 1 / 3**0.5))
    assert Slope(0.4, 0.2).word == "unclear" and Slope(-0.4, 0.1).word == "shrinks"
    assert Slope(0.1, 0.9).word == "flat"
    assert np.isnan(fitted(SCALES, values * 0).value)


class Several(nn.Module):
    """Parameters of its own, two matrices in one module, and repeated blocks."""

    def __init__(self, inputs, outputs, width, channels=1):
        super().__init__()
        self.mix, self.shift = (nn.Parameter(torch.randn(width, k)) for k in (inputs, 1))
        self.cell = nn.ParameterDict({k: nn.Parameter(torch.randn(width, width)) for k in "ab"})
        self.net = nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width))
        self.head = nn.Linear(width, outputs)

    def forward(self, x):
        h = (x @ self.mix.T + self.shift.T) @ self.cell["a"] @ self.cell["b"]
        return self.head(self.net(h))


LAYERS = [
    ("mlp", "input hidden.* readout"),
    ("resmlp", "input blocks.*.norm up down norm readout"),
    (Arch(Several, {"width": 8}, "digits"), "mix shift cell.a cell.b net.0 net.1 head"),
]


@pytest.mark.parametrize(("arch", "names"), LAYERS)
def test_layers(arch, names):
    assert [layer.name for layer in layers(trace(arch).tensors)] == names.split()


def run(*words):
    return CliRunner().invoke(app, ["probe", "coords", *map(str, words)])


def test_the_command_prints_a_table_and_draws(tmp_path):
    out = tmp_path / "new" / "coords.png"
    ended = run("mlp", "--scales", "32,128", "--seeds", 2, "--rule", "sp", "--out", out)
    assert ended.exit_code == 1
    assert "hidden.*" in ended.stdout and "grows" in ended.stdout
    assert "A readout that shrinks at the start is expected under muP" in ended.stdout
    assert out.read_bytes().startswith(b"\x89PNG") and [*out.parent.iterdir()] == [out]


def test_json_has_the_documented_keys():
    from test_json import documented, keys

    ended = run("mlp", "--scales", "16,32", "--seeds", 2, "--steps", 2, "--json")
    content = json.loads(ended.stdout)
    assert ended.exit_code == (0 if content["verdict"]["passed"] else 1)
    assert documented("probe coords") - {"null"} == keys(content)
    layer = content["layers"][0]
    assert np.shape(layer["size"]) == (2, 3, 2) and np.shape(layer["change"]) == (2, 2, 2)
    assert len(layer["moves"]) == 2


KEPT = []


def test_the_picture_marks_layers_that_do_not_hold(monkeypatch):
    monkeypatch.setattr(coords_figure, "save", lambda figure, path: KEPT.append(figure))
    content = check_coordinates("mlp", "sp", **SMALL).content
    content["layers"][0]["change"][0][0][0] = None  # one run diverged
    coords_figure.coords_figure(content, "")
    titles = [axes.get_title(loc="left") for axes in KEPT[0].axes]
    assert [title.splitlines()[0] for title in titles] == ["input", "hidden.*", "readout"]
    colours = [axes._left_title.get_color() for axes in KEPT[0].axes]
    assert colours == [coords_figure.INK, coords_figure.GUIDE, coords_figure.GUIDE]
    assert len(KEPT[0].axes[0].lines) == 1 + SMALL["steps"]


WRONG = {
    "one scale": (["mlp", "--scales", "32"], "scales must be at least two different sizes"),
    "words": (["mlp", "--scales", "a,b"], "--scales must be whole numbers separated by commas"),
    "steps": (["mlp", "--steps", "0"], "steps must be at least 1; received 0"),
    "lr": (["mlp", "--lr", "0"], "lr must be a positive number; received 0"),
    "axis": (["mlp", "--axis", "depth"], "rule 'mup' says nothing about axis 'depth'"),
    "arch": (["mpl"], "unknown architecture 'mpl'; did you mean 'mlp'?"),
    "rule": (["mlp", "--rule", "mupp"], "unknown rule 'mupp'; did you mean 'mup'?"),
    "picture": (["mlp", "--out", "a.gif"], "--out: received a.gif; allowed: a file in .png"),
    "engine": (["mlp", "--backend", "x"], "unknown backend 'x'"),
}


@pytest.mark.parametrize(("words", "says"), WRONG.values(), ids=WRONG)
def test_bad_input_is_one_sentence(words, says):
    ended = run(*words)
    assert ended.exit_code == 2 and ended.stdout == ""
    assert ended.stderr.startswith("error: ") and says in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_rule_of_two_axes_needs_a_choice():
    both = Rule.load("mup").model_copy(update={"axes": ("width", "depth")})
    with pytest.raises(paramsearch.ParamsearchError, match="speaks of width, depth; choose one"):
        check_coordinates("mlp", both)
    assert check_coordinates("mlp", both, axis="width", scales=[8, 16], seeds=1).content["layers"]
