"""Rules that speak of sites: files, factors, comparisons."""

import pytest
import yaml

from paramsearch.errors import ParamsearchError
from paramsearch.rules.resolve import resolve
from paramsearch.rules.rule import Rule
from paramsearch.tracing.tensor import Fold, TensorInfo

FILE = """
paramsearch: 1
name: mine
optimizer: adam
axes: [width, depth]
groups:
  - match: {role: hidden}
    multiplier: {width: 0.25}
    lr: {depth: -0.5}
sites:
  - match: {site: branch, name: blocks.*}
    multiplier: {depth: -1}
  - match: {site: logits}
    multiplier: {width: -0.5}
"""


def tensor(name: str, *sites: Fold) -> TensorInfo:
    return TensorInfo(name, (4, 4), "linear", "hidden", 4, 4, {}, True, "hidden", sites=sites)


STANDARD = Fold("logits", "blocks.0.attn", {"width": 1.0}, {"width": -0.5})
MUP = Fold("logits", "blocks.0.attn", {"width": 1.0}, {"width": -1.0})
FIXED = Fold("logits", "blocks.0.attn")
FUSED = Fold("logits", "attn", {"width": 1.0}, {"width": -0.5}, "q and k come from one tensor, qkv")
END = Fold("branch", "blocks.0")
OUTSIDE = Fold("branch", "head")


@pytest.fixture
def rule(tmp_path) -> Rule:
    (tmp_path / "rule.yaml").write_text(FILE)
    return Rule.load(tmp_path / "rule.yaml")


def test_a_file_there_and_back(rule):
    assert rule.text() == FILE.lstrip()


# A change of the file above, and what the one sentence about it says.
BAD = {
    "kind": (
        "site: logits",
        "site: softmax",
        r"sites.1.match.site: received 'softmax'; allow",
    ),
    "no kind": ("{site: logits}", "{}", r"sites.1.match.site: received nothing; allowed: it must"),
    "axis": ("depth: -1", "heads: -1", r"sites.0.multiplier: received axis 'heads'; allowed: the "),
    "quantity": (
        "width: -0.5}",
        "width: -0.5}\n    lr: {width: 1}",
        r"sites.1.lr: received an unk",
    ),
    "nothing": (
        "{depth: -1}",
        "{}",
        r"sites.0.multiplier: received {}; allowed: dictionary shou",
    ),
    "text": (
        "depth: -1",
        "depth: low",
        r"sites.0.multiplier.depth: received 'low'; allowed: a va",
    ),
}


@pytest.mark.parametrize("old, new, message", BAD.values(), ids=BAD)
def test_bad_files_are_one_sentence(tmp_path, old, new, message):
    (tmp_path / "rule.yaml").write_text(FILE.replace(old, new))
    with pytest.raises(ParamsearchError, match=message):
        Rule.load(tmp_path / "rule.yaml")


# Sites of a tensor -> multiplier at width 16x and depth 9x; the tensor's own is 16 ** 0.25 = 2.
FACTORS = {
    "none": ((), 2),
    "end of a branch": ((END,), 2 / 9),
    "branch that the rule does not mean": ((OUTSIDE,), 2),
    "q.k / sqrt(d)": ((STANDARD,), 2 / 4),
    "q.k / d": ((MUP,), 2),
    "heads of one size": ((FIXED,), 2),
    "both": ((END, STANDARD), 2 / 9 / 4),
}


@pytest.mark.parametrize("sites, factor", FACTORS.values(), ids=FACTORS)
def test_factors(rule, sites, factor):
    found = resolve(rule, [tensor("w", *sites)], {"width": 16, "depth": 9})["w"]
    assert found.multiplier == pytest.approx(factor)
    assert (found.init, found.lr) == pytest.approx((1, 1 / 3))


@pytest.mark.parametrize("sites", [sites for sites, _ in FACTORS.values()], ids=FACTORS)
def test_a_folded_rule_says_the_same_by_name(rule, sites):
    one, other = tensor("blocks.0.w", *sites), tensor("other")
    folded = rule.folded([one, other])
    at = {"width": 16, "depth": 9}
    assert not folded.sites
    expected = resolve(rule, [one, other], at)
    assert resolve(folded, [one, other], at) == expected
    plain = resolve(folded.regauge("no-multipliers"), [one, other], at)
    assert [f.multiplier for f in plain.values()] == [1, 1]
    before = {name: f.multiplier * f.init for name, f in expected.items()}
    assert {name: f.init for name, f in plain.items()} == pytest.approx(before)


def test_folding_tells_blocks_apart_only_where_they_differ(rule):
    ends = [tensor(f"blocks.{i}.down", Fold("branch", f"blocks.{i}")) for i in range(3)]
    assert [g.match.name for g in rule.folded(ends).groups] == ["blocks.*.down", None]
    others = [*ends[:2], tensor("blocks.2.down", OUTSIDE)]
    names = [g.match.name for g in rule.folded(others).groups]
    assert names == ["blocks.0.down", "blocks.1.down", None]


def test_a_multiplier_that_nothing_can_take(rule):
    message = (
        r"^rule 'mine': the logits' multiplier in module 'attn' cannot be folded: q and k come "
        r"from one tensor, qkv; write `scores = q @ k.mT \* size \*\* -0.5 \* \(size / base_size\)"
        r" \*\* -0.5` there$"
    )
    with pytest.raises(ParamsearchError, match=message):
        resolve(rule, [tensor("qkv", FUSED)], {"width": 1, "depth": 1})


def test_a_branch_that_nothing_can_take(rule):
    end = Fold("branch", "blocks.0", refusal="the branch ends in tanh")
    message = r"tanh; write `x = x \+ \(depth / base_depth\) \*\* -1 \* branch\(x\)` there"
    with pytest.raises(ParamsearchError, match=message):
        resolve(rule, [tensor("w", end)], {"width": 1, "depth": 1})


def test_a_model_that_has_the_line_already_is_not_refused(rule):
    done = Fold("logits", "attn", {"width": 1.0}, {"width": -1.0}, "q and k come from one tensor")
    deep = Fold("branch", "blocks.1", own={"depth": -1.0}, refusal="ends in tanh")
    assert rule.refusal([tensor("qkv", done), tensor("w", deep)]) == ""
    assert Rule.load("sp").refusal([tensor("qkv", FUSED)]) == ""


def changed(text: str) -> Rule:
    old, new = text.split(" -> ")
    assert old in FILE
    return Rule.model_validate(yaml.safe_load(FILE.replace(old, new)))


# Another rule -> whether it is the same on every model, and on a tensor that ends a branch.
EQUIVALENT = {
    "depth: -1 -> depth: -0.5": (False, False),
    "width: -0.5 -> width: 0": (False, True),
    "name: mine -> name: yours": (True, True),
    "name: blocks.* -> name: blocks.0": (False, True),
}


@pytest.mark.parametrize("change", EQUIVALENT)
def test_equivalent(rule, change):
    other = changed(change)
    found = rule.equivalent(other), rule.equivalent(other, tensors=[tensor("w", END)])
    assert found == EQUIVALENT[change]


def test_a_rule_that_does_not_speak_of_sites_leaves_them_open(rule):
    silent = rule.model_copy(update={"sites": ()})
    assert rule.equivalent(silent) and silent.equivalent(rule)
    assert not rule.equivalent(silent, tensors=[tensor("w", END)])
    assert rule.equivalent(silent, tensors=[tensor("w", MUP)])


def test_a_site_is_one_with_the_gauge_of_its_tensors(rule):
    """A branch times depth^-1 is the same training run as init and LR times depth^-1."""
    end = [tensor("w", END)]
    group = {"match": {"name": "*"}, "multiplier": {"width": 0.25}, "init": {"depth": -1}}
    lr, eps = {"depth": -1.5}, {"eps": {"depth": 1}, "weight_decay": {"depth": 2}}
    plain = {"name": "p", "optimizer": "adam", "axes": ["width", "depth"]}
    other = Rule.model_validate({**plain, "groups": [{**group, "lr": lr, **eps}]})
    assert rule.equivalent(other, tensors=end)
    worse = Rule.model_validate({**plain, "groups": [{**group, "lr": {"depth": -0.5}, **eps}]})
    assert not rule.equivalent(worse, tensors=end)


@pytest.mark.parametrize("gauge", ["no-multipliers", "unit-init"])
def test_regauge_and_canonical_keep_sites(rule, gauge):
    assert rule.regauge(gauge).sites == rule.canonical().sites == rule.sites


def test_snap_and_along(rule):
    near = changed("depth: -1 -> depth: -0.93")
    assert near.snap().sites[0].multiplier == {"depth": -1}
    assert near.snap(0.25).sites == rule.sites
    width = rule.along("width")
    assert width.axes == ("width",) and width.groups[0].stated() == {"multiplier": {"width": 0.25}}
    assert [site.match.site for site in width.sites] == ["logits"]


def test_a_rule_with_sites_is_not_for_every_optimizer(rule):
    one = Rule.load("sp").model_copy(update={"sites": Rule.load("mup").sites})
    assert Rule.load("sp").one_rate() and not one.one_rate()
