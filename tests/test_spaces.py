"""The shipped spaces on the architectures they are made for, and spaces that speak of sites."""

from pathlib import Path

import pytest

from paramsearch.catalog import names
from paramsearch.errors import ParamsearchError
from paramsearch.rules.encoding import Encoding
from paramsearch.rules.rule import Rule
from paramsearch.rules.space import Space
from paramsearch.tracing.arch import load_arch
from paramsearch.tracing.tensor import Fold, TensorInfo
from paramsearch.tracing.trace import Trace, trace


@pytest.fixture(scope="module")
def traces() -> dict[str, Trace]:
    standard = load_arch("gpt", {"attention_scale": "standard"})
    shipped = ("mlp", "resmlp", "gpt", "moe_gpt")
    return {**{name: trace(name) for name in shipped}, "gpt standard": trace(standard)}


# Space -> architecture, granularity of its groups, optimizer, number of free exponents, and some.
GPT = ("input", "vector.residual", "hidden", "vector", "output")
SHIPPED = {
    "width": ("mlp", "role", "adam", 7, ["hidden lr width"]),
    "lr-only": ("gpt", "role", "adam", 5, ["hidden lr width", "output lr width"]),
    "transformer": ("gpt", "role", "adamw", 9, ["logits multiplier width", "hidden init width"]),
    "depth": ("resmlp", "role", "sgd", 4, ["branch multiplier depth", "hidden lr depth"]),
    "width-depth": (
        "gpt",
        "role",
        "adamw",
        12,
        ["branch multiplier depth", "logits multiplier width", "hidden lr depth"],
    ),
    "weight-decay": ("gpt", "role", "adamw", 3, ["hidden weight_decay width"]),
    "batch": ("gpt", "role", "adam", 1, [f"{' + '.join(GPT)} lr batch"]),
    "steps": ("mlp", "role", "sgd", 1, ["input + vector + hidden + output + scalar lr steps"]),
    "moe": ("moe_gpt", "module", "adam", 8, ["experts.down init experts"]),
}


def encoded(traces: dict[str, Trace], space: str, optimizer: str | None = None) -> Encoding:
    arch, by, usual, _, _ = SHIPPED[space]
    return Space.load(space).encode(traces[arch].groups(by), optimizer or usual)


def test_every_space_is_tried():
    assert sorted(SHIPPED) == names("space")


@pytest.mark.parametrize("space", SHIPPED)
def test_shipped_spaces(traces, space):
    labels = [variable.label for variable in encoded(traces, space).variables]
    assert len(labels) == SHIPPED[space][3] and set(SHIPPED[space][4]) <= set(labels)


@pytest.mark.parametrize("space", SHIPPED)
def test_there_and_back(traces, space):
    """Any point of the grid is read off its own rule, also from a file and in another gauge."""
    encoding = encoded(traces, space)
    for shift in (0, 1, 2):
        indices = [
            (start + shift) % len(v.values)
            for start, v in zip(encoding.start_indices, encoding.variables, strict=True)
        ]
        rule = encoding.rule(indices, "x")
        assert encoding.indices(rule) == encoding.indices(rule.regauge("unit-init")) == indices


@pytest.mark.parametrize("axis", ["depth", "width"])
def test_depth_and_transformer_start_at_the_standard_parameterization(traces, axis):
    """Which has no multipliers anywhere; from the code's 1 / sqrt(d)."""
    space = {"depth": "depth", "width": "transformer"}[axis]
    groups = traces["gpt standard"].groups()
    tensors = [tensor for some in groups.values() for tensor in some]
    encoding = Space.load(space).encode(groups, "adam")
    start = encoding.rule(encoding.start_indices, "start")
    assert all(not start.folded(tensors).exponents(t).multiplier.get(axis) for t in tensors)


# Published rules that lie in a space, on an architecture.
INSIDE = {
    ("depth-mup", "depth", "resmlp", "adam"): True,
    ("depth-mup-sgd", "depth", "resmlp", "sgd"): True,
    ("completep", "depth", "resmlp", "adamw"): False,  # it states eps
    ("mup", "transformer", "gpt", "adam"): True,
    ("mup", "transformer", "gpt standard", "adam"): True,
    ("mup", "width", "gpt", "adam"): True,  # the code has 1 / d, so nothing is left to scale
    ("mup", "width", "gpt standard", "adam"): False,
    ("sp", "transformer", "gpt standard", "adam"): True,
    ("depth-mup", "width-depth", "gpt", "adam"): True,
}


@pytest.mark.parametrize("case", INSIDE)
def test_published_rules_in_spaces(traces, case):
    name, space, arch, optimizer = case
    groups = traces[arch].groups()
    encoding = Space.load(space).encode(groups, optimizer)
    rule = Rule.load(name)
    rule = rule.along("depth") if space == "depth" else rule
    indices = encoding.indices(rule)
    assert (indices is not None) is INSIDE[case]
    tensors = [tensor for some in groups.values() for tensor in some]
    assert indices is None or encoding.rule(indices, name).equivalent(rule, tensors=tensors)


def test_what_a_rule_leaves_open_is_read_as_the_code_has_it(traces):
    """``sp`` says nothing of logits; on a model with 1 / d that is the exponent -1/2."""
    encoding = encoded(traces, "transformer", "adam")
    values = encoding.values(Rule.load("sp"))
    place = [variable.group for variable in encoding.variables].index("logits")
    assert values is not None and values[place] == -0.5


SITES = """
paramsearch: 1
name: mine
gauge: no-multipliers
axes: [depth]
groups:
  - match: {name: "*"}
    lr: {depth: {low: -1, high: 0, step: 0.5, start: 0}}
sites:
  - match: {site: branch, name: blocks.*}
    multiplier: {depth: {low: -1, high: 0, step: 0.5, start: 0}}
  - match: {site: branch}
    multiplier: {depth: -0.5}
"""


def tensor(name: str, *sites: Fold) -> TensorInfo:
    return TensorInfo(name, (4, 4), "linear", "hidden", 4, 4, {}, True, "hidden", sites=sites)


UP, END = tensor("up"), tensor("end", Fold("branch", "blocks.0"))
HEAD = tensor("head", Fold("branch", "head"))


def load(folder: Path, text: str) -> Space:
    (folder / "space.yaml").write_text(text)
    return Space.load(folder / "space.yaml")


def both_halved(space, label):
    """Check that the sites' free exponent has this label; give a rule with both sites at -1/2."""
    encoding = space.encode({"all": [UP, END, HEAD]}, "adam")
    assert [v.label for v in encoding.variables] == ["all lr depth", label]
    rule = encoding.rule([0, 1], "x")
    assert [site.multiplier for site in rule.sites] == [{"depth": -0.5}, {"depth": -0.5}]
    assert encoding.indices(rule) == [0, 1]
    return encoding, rule


def test_first_line_counts_and_fixed_sites_are_written(tmp_path):
    both_halved(load(tmp_path, SITES), "branch blocks.* multiplier depth")


def test_rules_that_the_variables_cannot_tell(tmp_path):
    encoding = load(tmp_path, SITES).encode({"all": [UP, END, HEAD]}, "adam")
    rule = encoding.rule([0, 1], "x")
    first, last = rule.sites
    other = last.model_copy(update={"multiplier": {"depth": -1.0}})
    assert encoding.indices(rule.model_copy(update={"sites": (first, other)})) is None
    assert encoding.indices(rule.model_copy(update={"sites": (first,)})) is None
    bare = load(tmp_path, SITES.split("sites:")[0]).encode({"all": [UP, END]}, "adam")
    assert bare.indices(rule) is None


def test_sites_that_a_model_lacks_are_passed_over(tmp_path):
    encoding = load(tmp_path, SITES).encode({"all": [UP]}, "adam")
    assert [v.label for v in encoding.variables] == ["all lr depth"] and encoding.sites == ()


BAD = {
    "axis": ("{depth: -0.5}", "{width: -0.5}", r"sites.1.multiplier: received axis 'width'; allow"),
    "kind": (
        "{site: branch}",
        "{site: loss}",
        r"sites.1.match.site: received 'loss'; allowed: ",
    ),
    "grid": (
        "start: 0}}\n  - match",
        "start: 9}}\n  - match",
        r"sites.0.multiplier.depth: received",
    ),
}


@pytest.mark.parametrize("old, new, message", BAD.values(), ids=BAD)
def test_bad_files_are_one_sentence(tmp_path, old, new, message):
    with pytest.raises(ParamsearchError, match=message):
        load(tmp_path, SITES.replace(old, new))


def test_a_multiplier_that_no_tensor_takes_is_refused(tmp_path):
    fused = tensor("end", Fold("branch", "blocks.0", refusal="it ends in tanh"))
    message = (
        r"^space 'mine': the branch's multiplier in module 'blocks.0' cannot be folded: it ends"
    )
    with pytest.raises(ParamsearchError, match=message):
        load(tmp_path, SITES).encode({"all": [UP, fused]}, "adam")


def test_a_multiplier_that_init_and_lr_stand_for_is_refused(tmp_path):
    free = "init: {depth: {low: -1, high: 0, step: 0.5, start: 0}}\n    lr:"
    space = load(tmp_path, SITES.replace("lr:", free, 1))
    assert space.encode({"all": [UP, END]}, "adam").variables
    message = (
        "multiplier of branch blocks.* along depth changes nothing that init and lr of group ends"
    )
    with pytest.raises(ParamsearchError, match=message):
        space.encode({"ups": [UP], "ends": [END]}, "adam")
    assert load(tmp_path, SITES).encode({"ups": [UP], "ends": [END]}, "adam").variables


TIED = (
    SITES.split("sites:")[0]
    + """
sites:
  - match: {site: branch, name: blocks.*}
    multiplier: {depth: {low: -1, high: 0, step: 0.5, start: 0, tie: all}}
  - match: {site: branch}
    multiplier: {depth: {low: -1, high: 0, step: 0.5, start: 0, tie: all}}
"""
)


def test_tied_sites_share_one_exponent(tmp_path):
    encoding, rule = both_halved(load(tmp_path, TIED), "branch blocks.* + branch multiplier depth")
    first, last = rule.sites
    other = last.model_copy(update={"multiplier": {"depth": -1.0}})
    assert encoding.values(rule.model_copy(update={"sites": (first, other)})) is None


def test_tied_multipliers_are_refused_where_init_and_lr_stand_for_all_of_them(tmp_path):
    free = "init: {depth: {low: -1, high: 0, step: 0.5, start: 0}}\n    lr:"
    space = load(tmp_path, TIED.replace("lr:", free, 1))
    shared = {"ups": [UP, HEAD], "ends": [END]}  # the head moves with another tensor
    assert len(space.encode(shared, "adam").variables) == 5
    with pytest.raises(ParamsearchError, match=r"multiplier of branch blocks.\* \+ branch along d"):
        space.encode({"ups": [UP], "heads": [HEAD], "ends": [END]}, "adam")
