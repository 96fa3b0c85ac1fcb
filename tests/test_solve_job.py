"""``paramsearch solve`` on real models: what it finds, what it says, and bad input."""

import json

import pytest
from typer.testing import CliRunner

import paramsearch
from paramsearch.cli.main import app

QUICK = ["--ratios", "1,2,4", "--seeds", "2", "--steps", "12", "--lr", "0.01", "--set", "width=16"]


def run(*words):
    return CliRunner().invoke(app, ["solve", *map(str, words)])


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    out = tmp_path_factory.mktemp("solve") / "rule.yaml"
    ended = run("mlp", *QUICK, "--json", "--out", out)
    assert ended.exit_code == 0, ended.stderr
    return json.loads(ended.stdout), out


def exponent(content, group, quantity, axis="width"):
    (entry,) = (g for g in content["groups"] if g["name"] == group)
    return entry[quantity][axis]


def test_json_has_the_rule_and_every_exponent_with_its_interval(solved):
    content, out = solved
    assert paramsearch.Rule.load(out).source == content["command"]
    for group, quantity in [("input", "lr"), ("hidden", "init"), ("output", "lr")]:
        entry = exponent(content, group, quantity)
        assert entry["low"] <= entry["value"] <= entry["high"] and not entry["fixed"]
    assert content["nearest"]["width"]["name"] and content["solutions"]["width"]["steps"] == 12


def test_the_hidden_layer_gets_its_learning_rate_and_init(solved):
    content, _ = solved
    assert exponent(content, "hidden", "lr")["value"] == pytest.approx(-1, abs=0.25)
    assert exponent(content, "hidden", "init")["value"] == pytest.approx(-0.5, abs=0.15)
    slopes = content["solutions"]["width"]
    assert slopes["solved"]["size"] < slopes["start"]["size"] / 5


def test_the_same_seed_gives_the_same_rule(solved):
    again = paramsearch.solve(
        "mlp", seeds=2, steps=12, lr=0.01, options={"width": "16"}, blind=True
    )
    assert again.groups == solved[0]["groups"]
    assert again.content["nearest"] == {}


def test_the_table_names_exponents_and_where_the_rule_is(tmp_path):
    ended = run("mlp", *QUICK, "--out", tmp_path / "rule.yaml")
    assert "measured" in ended.stdout and "hidden" in ended.stdout
    assert ended.stdout.splitlines()[-1].endswith(f"rule in {tmp_path / 'rule.yaml'}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimizer", "lrs"), [("adam", (0, -1, -1)), ("sgd", (1, 0, -1)), ("muon", (0, 0, -1))]
)
def test_blind_from_sp_the_solver_finds_mup(optimizer, lrs):
    content = paramsearch.solve("mlp", optimizer=optimizer, blind=True).content
    for group, lr in zip(("input", "hidden", "output"), lrs, strict=True):
        assert exponent(content, group, "lr")["measured"] == pytest.approx(lr, abs=0.15)
    assert exponent(content, "hidden", "init")["measured"] == pytest.approx(-0.5, abs=0.15)


BAD = [
    (["mlp", "--ratios", "1,2"], "exponents are slopes over scales"),
    (["mlp", "--ratios", "1,2,3"], "at least 3 ratios that reach 4"),
    (["mlp", "--ratios", "2,4,8"], "ratios must start at 1 and grow"),
    (["mlp", "--ratios", "a"], "--ratios must be whole numbers"),
    (["mlp", "--seeds", "1"], "seeds must be at least 2"),
    (["mlp", "--steps", "1"], "steps must be at least 2"),
    (["mlp", "--lr", "-1"], "lr must be a positive number"),
    (["mlp", "--axis", "depht"], "unknown axis 'depht'"),
    (["mlp", "--axis", "width", "--axis", "inputs"], "unknown axis 'inputs'"),
    (["mlp", "--by", "colour"], "colour"),
    (["mlp", "--optimizer", "adaam"], "unknown optimizer 'adaam'"),
]


@pytest.mark.parametrize(("words", "sentence"), BAD)
def test_bad_input_is_one_sentence(words, sentence):
    ended = run(*words)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert sentence in " ".join(ended.stderr.split())


def test_a_space_with_nothing_free_is_refused(tmp_path):
    space = tmp_path / "fixed.yaml"
    space.write_text(
        "paramsearch: 1\nname: fixed\ngauge: no-multipliers\naxes: [width]\n"
        "groups: [{match: {name: '*'}, lr: {width: 0}}]\n"
    )
    ended = run("mlp", "--space", space, "--lr", "0.01")
    assert ended.exit_code == 2 and "leaves no exponent of axis 'width' free" in ended.stderr
