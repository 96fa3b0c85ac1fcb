"""With which powers the multipliers of sites reach tensors, along every axis."""

import pytest

from paramsearch.tracing.arch import load_arch
from paramsearch.tracing.sites.find import Site
from paramsearch.tracing.sites.folds import Pair, with_folds
from paramsearch.tracing.tensor import Fold, TensorInfo
from paramsearch.tracing.trace import Trace, trace


def traced(name: str, scale: dict[str, int] | None = None, **options: object) -> Trace:
    return trace(load_arch(name, options), scale=scale)


def fold(found: Trace, name: str) -> Fold:
    (tensor,) = (tensor for tensor in found.tensors if tensor.name == name)
    return tensor.sites[0]


QUERY = "blocks.0.attention.query.weight"

# Options -> growth of the size of a head and the power of the code's own factor, along width.
POWERS = {
    "1 / d": ({}, 1.0, -1.0),
    "1 / sqrt(d)": ({"attention_scale": "standard"}, 1.0, -0.5),
    "heads of one size": ({"attention_scale": "standard", "head_dim": 8}, 0.0, 0.0),
}


@pytest.mark.parametrize("options, growth, own", POWERS.values(), ids=POWERS)
def test_logits_of_gpt(options, growth, own):
    found = fold(traced("gpt", **options), QUERY)
    assert (found.kind, found.module) == ("logits", "blocks.0.attention")
    assert (found.growth.get("width", 0), found.own.get("width", 0)) == (growth, own)
    assert not {"depth", "ffn", "heads"} & {*found.growth, *found.own}


def test_powers_do_not_depend_on_the_scale_and_deep_blocks_are_found():
    deep = traced("gpt", {"width": 64, "depth": 3}, attention_scale="standard")
    assert [fold(deep, QUERY.replace("0", str(i))).own for i in range(3)] == [{"width": -0.5}] * 3


@pytest.mark.parametrize("name", ["resmlp", "mlp"])
def test_who_takes_the_branch(name):
    found = [t.name for t in traced(name).tensors if t.sites]
    ends = [f"blocks.{i}.down.{part}" for i in range(4) for part in ("weight", "bias")]
    assert found == (ends if name == "resmlp" else [])


# What a rule states -> the exponent of the tensor's multiplier, for q.k/sqrt(d) and q.k/d.
STATED = {-0.5: (-0.5, 0.0), 0.0: (0.0, 0.5), -1.0: (-1.0, -0.5), 0.5: (0.5, 1.0)}


@pytest.mark.parametrize("stated", STATED)
def test_a_rule_means_the_same_for_any_code(stated):
    """In all: d ** (stated - 1/2), whatever of it the code has already."""
    codes = [Fold("logits", growth={"width": 1.0}, own={"width": own}) for own in (-0.5, -1.0)]
    assert tuple(code.exponent(stated, "width") for code in codes) == STATED[stated]


def test_heads_that_grow_slower_take_less():
    slow = Fold("logits", growth={"width": 0.5}, own={"width": -0.25})
    assert slow.exponent(-0.5, "width") == -0.25
    assert slow.exponent(-0.5, "depth") == 0


@pytest.mark.parametrize("own", [0.0, -0.5, -1.0])
def test_branches(own):
    found = Fold("branch", own={"depth": own})
    assert found.exponent(-1.0, "depth") == -1 - own
    assert found.exponent(found.unstated("depth"), "depth") == 0


def test_unstated_leaves_the_code_as_it_is():
    code = Fold("logits", growth={"width": 1.0}, own={"width": -1.0})
    assert code.unstated("width") == -0.5 and code.exponent(-0.5, "width") == 0


def tensor(name: str) -> TensorInfo:
    return TensorInfo(name, (4, 4), "linear", "hidden", 4, 4, {}, True, "hidden")


def test_one_fold_of_a_kind_for_a_tensor_used_in_many_places():
    sites = [Site("branch", module, ("w",), 0, 1.0) for module in ("core.0", "core.1")]
    found = with_folds([tensor("w"), tensor("v")], sites, {})
    assert [len(t.sites) for t in found] == [1, 0]


def test_a_site_that_a_build_lacks_does_not_change():
    site = Site("branch", "blocks.7", ("w",), 0, 0.5)
    (found,) = with_folds([tensor("w")], [site], {"depth": Pair([], [site])})
    assert found.sites[0].own == {}
    small = Site("branch", "blocks.0", ("v",), 0, 1.0)
    (found,) = with_folds([tensor("w")], [site], {"depth": Pair([small], [site], octaves=2.0)})
    assert found.sites[0].own == {"depth": -0.5}


def test_refusals_stand_beside_folds():
    sites = [
        Site("branch", "a", ("w",), 0, 1.0),
        Site("branch", "b", ("w",), 0, 1.0, "no layer"),
    ]
    (found,) = with_folds([tensor("w")], sites, {})
    assert [fold.refusal for fold in found.sites] == ["", "no layer"]
