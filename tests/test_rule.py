"""Rule files and the comparisons between rules."""

import itertools
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from paramsearch.catalog import find
from paramsearch.errors import ParamsearchError
from paramsearch.rules.equivalence import signatures
from paramsearch.rules.rule import Group, Match, Rule
from paramsearch.tracing.tensor import TensorInfo

MUP = """
paramsearch: 1
name: mine
optimizer: adam
axes: [width]
groups:
  - match: {role: hidden}
    init: {width: -0.5}
    lr: {width: -1}
"""


def rule(*groups: dict, optimizer: str = "adam", axes: tuple[str, ...] = ("width",)) -> Rule:
    return Rule(
        name="r", optimizer=optimizer, axes=axes, groups=[Group.model_validate(g) for g in groups]
    )


def tensor(name: str = "w", role: str = "hidden", op: str = "linear", residual: bool = False):
    return TensorInfo(name, (4, 4), op, role, 4, 4, {}, residual, role)


@pytest.fixture
def load(tmp_path):
    def from_text(text: str) -> Rule:
        path = tmp_path / "rule.yaml"
        path.write_text(text)
        return Rule.load(path)

    return from_text


def test_a_file_is_read(load):
    loaded = load(MUP)
    assert (loaded.name, loaded.optimizer, loaded.axes) == ("mine", "adam", ("width",))
    assert loaded.groups[0].lr == {"width": -1.0}


# A change of the file above, and what the one sentence about it says.
BAD = {
    "unknown key": ("lr:", "lrr:", r"groups.0.lrr: received an unknown key .did you mean 'lr'"),
    "unknown top key": ("name:", "nam:", r"nam: received an unknown key"),
    "text for number": ("-1}", "fast}", r"groups.0.lr.width: received 'fast'; allowed: a valid n"),
    "not finite": ("-1}", ".nan}", r"groups.0.lr.width: received nan; allowed: a finite number"),
    "bool for number": ("-1}", "true}", r"groups.0.lr.width: received True; allowed: a valid num"),
    "unknown axis": ("width: -1", "depth: -1", r"groups.0.lr: received axis 'depth'; allowed:.*w"),
    "unknown role": ("hidden", "middle", r"groups.0.match.role: received 'middle'; allowed: 'inp"),
    "empty match": ("{role: hidden}", "{}", r"groups.0.match: received an empty match; allowed: r"),
    "optimizer": ("adam", "adan", r"unknown optimizer 'adan'; did you mean 'adam'"),
    "key of no field": (
        "adam",
        "sgd\nx: 1",
        r"x: received an unknown key; allowed: paramsearch, name",
    ),
    "version": ("paramsearch: 1", "paramsearch: 2", r"paramsearch: received 2; allowed: 1"),
    "no axes": ("[width]", "[]", r"axes: received \[\]; allowed: tuple should have at least 1"),
    "text for axes": ("[width]", "width", r"axes: received 'width'; allowed: a valid tuple"),
    "given twice": ("lr:", "init:", r"line 9: key 'init' is given twice"),
    "malformed": ("[width]", "[width", r"line 6: "),
    "a tag": ("mine", "!!python/name:os.system", r"line 3: could not determine a constructor"),
}


@pytest.mark.parametrize("old, new, message", BAD.values(), ids=BAD)
def test_bad_files_are_one_sentence(load, old, new, message):
    with pytest.raises(ParamsearchError, match=message) as caught:
        load(MUP.replace(old, new))
    assert "rule.yaml: " in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_is_no_mapping(load):
    with pytest.raises(
        ParamsearchError, match=r"received \[1\]; allowed: a mapping of paramsearch"
    ):
        load("[1]")


def test_a_file_that_is_not_text(tmp_path):
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ParamsearchError, match=r"x.yaml: cannot be read"):
        Rule.load(tmp_path / "x.yaml")


def test_sgd_has_no_eps():
    with pytest.raises(ValidationError, match="quantity that sgd does not have"):
        rule({"match": {"role": "input"}, "eps": {"width": 1}}, optimizer="sgd")


def test_unknown_rule_names_the_nearest():
    with pytest.raises(ParamsearchError, match=r"unknown rule 'mupp'; did you mean 'mup'"):
        Rule.load("mupp")


LOADED = {
    ("mup", None): ("mup", "adam"),
    ("mup", "adam"): ("mup", "adam"),
    ("mup", "adamw"): ("mup", "adamw"),
    ("mup", "lion"): ("mup", "lion"),
    ("mup", "sgd"): ("mup-sgd", "sgd"),
    ("mup", "gd"): ("mup-sgd", "gd"),
    ("sp", "muon"): ("sp", "muon"),  # one learning rate for all, as any optimizer may have
    ("mup-sgd", None): ("mup-sgd", "sgd"),
}


@pytest.mark.parametrize("name, optimizer", LOADED)
def test_published_form_per_optimizer(name, optimizer):
    loaded = Rule.load(name, optimizer)
    assert (loaded.name, loaded.optimizer) == LOADED[name, optimizer]


def test_a_rule_for_another_optimizer_is_refused():
    with pytest.raises(ParamsearchError, match="received 'sgd'; allowed here: 'adam'"):
        Rule.load("mup-sgd", "adam")
    with pytest.raises(ParamsearchError, match="received 'adam'; allowed here: 'muon'"):
        Rule.load("mup", "muon")
    with pytest.raises(ParamsearchError, match="received 'adam'; allowed here: 'adamw'"):
        Rule.load(find("rule", "mup"), "adamw")
    with pytest.raises(ParamsearchError, match="unknown optimizer 'lamb'"):
        Rule.load("mup", "lamb")


def listing(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_save_and_load_give_the_same(tmp_path):
    saved = rule(
        {"match": {"role": "hidden", "op": "conv", "residual": True}, "lr": {"depth": 1e-07}},
        {"match": {"name": "blocks.*.a: [x]"}, "init": {"width": -1 / 3}, "eps": {"width": 2}},
        axes=("width", "depth"),
    ).model_copy(update={"description": "Long: 'quoted' " + "words " * 40, "source": "#1"})
    saved.save(tmp_path / "new" / "rule.yaml")
    assert Rule.load(tmp_path / "new" / "rule.yaml") == saved
    assert listing(tmp_path / "new") == ["rule.yaml"]


def test_saved_file_reads_like_the_one_in_the_handbook(load):
    assert load(MUP).text() == MUP.lstrip()
    assert yaml.safe_load(load(MUP).text())["groups"][0]["lr"] == {"width": -1}


def test_failed_save_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ParamsearchError, match="cannot be written"):
        Rule.load("mup").save(tmp_path / "file" / "rule.yaml")
    assert listing(tmp_path) == ["file"]


MATCHES = {
    "role": ({"role": "hidden"}, True),
    "other role": ({"role": "input"}, False),
    "all": ({"role": "hidden", "op": "linear", "residual": False, "name": "blocks.*"}, True),
    "residual": ({"residual": True}, False),
    "op": ({"op": "conv"}, False),
    "name": ({"name": "*.weight"}, True),
    "name in part": ({"name": "weight"}, False),
}


@pytest.mark.parametrize("match, expected", MATCHES.values(), ids=MATCHES)
def test_match(match, expected):
    assert Match(**match).matches(tensor("blocks.0.weight")) is expected


def test_first_group_wins():
    two = rule(
        {"match": {"name": "a.*"}, "lr": {"width": 1}},
        {"match": {"role": "hidden"}, "lr": {"width": 2}},
    )
    found = [two.exponents(tensor(name)) for name in ("a.w", "b.w")]
    assert [group and group.lr["width"] for group in found] == [1, 2]
    assert two.exponents(tensor(role="input")) is None


HIDDEN = {"match": {"role": "hidden"}, "init": {"width": -0.5}, "lr": {"width": -1}}
CONV = {"match": {"op": "conv"}, "lr": {"width": -1}}
A = {"match": {"name": "a"}, "lr": {"width": 1}}
B = {"match": {"name": "b"}, "lr": {"width": 2}}
STAR = {"match": {"name": "a*"}, "lr": {"width": 3}}
DEAD = {"match": {"role": "hidden", "op": "conv"}, "lr": {"width": 9}}

EQUIVALENT = {
    "itself": ([HIDDEN], [HIDDEN], True),
    "a gauge": (
        [HIDDEN],
        [{"match": {"role": "hidden"}, "multiplier": {"width": -0.5}, "lr": {"width": -0.5}}],
        True,
    ),
    "split in two": (
        [HIDDEN],
        [{**HIDDEN, "match": {"role": "hidden", "residual": flag}} for flag in (True, False)],
        True,
    ),
    "a group that is never reached": ([HIDDEN], [HIDDEN, DEAD], True),
    "the same group, reached": ([HIDDEN], [DEAD, HIDDEN], False),
    "names that exclude each other, in any order": ([A, B], [B, A], True),
    "names that overlap, in any order": ([A, STAR], [STAR, A], False),
    "a role more": ([HIDDEN], [HIDDEN, {"match": {"role": "input"}}], False),
    "an op more": ([HIDDEN], [HIDDEN, CONV], False),
    "an lr more": ([HIDDEN], [{**HIDDEN, "lr": {"width": -0.9}}], False),
    "weight decay stated as 0": ([HIDDEN], [{**HIDDEN, "weight_decay": {"width": 0}}], True),
    "weight decay": ([HIDDEN], [{**HIDDEN, "weight_decay": {"width": 1}}], False),
    "eps": ([HIDDEN], [{**HIDDEN, "eps": {"width": 1}}], False),
}


@pytest.mark.parametrize("one, two, expected", EQUIVALENT.values(), ids=EQUIVALENT)
def test_equivalent(one, two, expected):
    assert rule(*one).equivalent(rule(*two)) is expected
    assert rule(*two).equivalent(rule(*one)) is expected


def test_equivalent_within_tol_and_on_given_tensors():
    near = rule({**HIDDEN, "lr": {"width": -0.95}})
    assert near.equivalent(rule(HIDDEN), tol=0.06)
    more = rule(HIDDEN, CONV)
    assert more.equivalent(rule(HIDDEN), tensors=[tensor()])
    assert not more.equivalent(rule(HIDDEN), tensors=[tensor(op="conv", role="input")])


def test_other_optimizer_or_axes_are_not_equivalent():
    assert not rule(HIDDEN).equivalent(rule(HIDDEN, optimizer="adamw"))
    assert not rule(HIDDEN).equivalent(rule(HIDDEN, axes=("width", "depth")))


GAUGES = ["no-multipliers", "unit-init"]


@pytest.mark.parametrize("name", ["mup", "ntk", "mean-field-sgd", "sp"])
@pytest.mark.parametrize("gauge", GAUGES)
def test_canonical_is_one_per_gauge_class(name, gauge):
    published = Rule.load(name)
    assert published.regauge(gauge).canonical() == published.canonical()
    assert published.regauge(gauge).equivalent(published)
    assert published.canonical().canonical() == published.canonical()


def test_regauge_does_what_it_says():
    published = Rule.load("mean-field")
    assert not any(any(g.multiplier.values()) for g in published.regauge(GAUGES[0]).groups)
    assert not any(any(g.init.values()) for g in published.regauge(GAUGES[1]).groups)
    with pytest.raises(ParamsearchError, match="unknown gauge 'unit'; did you mean 'unit-init'"):
        published.regauge("unit")


def test_snap():
    noisy = rule({**HIDDEN, "init": {"width": -0.43}, "lr": {"width": -1.12}})
    assert noisy.snap() == rule(HIDDEN)
    assert noisy.snap(0.25).groups[0].init == {"width": -0.5}
    with pytest.raises(ParamsearchError, match="step: received 0; allowed: a positive"):
        noisy.snap(0)


PATTERNS = ["a.*", "*.b", "a.?", "[ab].b", "[!a]*", "a[[]x", "*a*b*"]


def test_signatures_against_trying_names():
    """Every set of patterns that some short name matches is found, and no other."""
    found = set(signatures(PATTERNS))
    alphabet = "ab.[xz"
    tried = set()
    for length in range(7):
        for letters in itertools.product(alphabet, repeat=length):
            name = "".join(letters)
            tried.add(frozenset(p for p in PATTERNS if fnmatchcase(name, p)))
    assert found == tried
