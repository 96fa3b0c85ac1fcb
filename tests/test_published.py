"""Published rules against exponents worked out here, from the papers' formulas."""

import pytest

from paramsearch.catalog import names
from paramsearch.rules.resolve import resolve
from paramsearch.rules.rule import Group, Match, Rule
from paramsearch.tracing.tensor import ROLES, TensorInfo

LAYERS = ("input", "hidden", "output")
PUBLISHED = ["sp", "ntk", "ntk-lazy", "mean-field", "mup"]
WIDTH = [*PUBLISHED, *(f"{name}-sgd" for name in PUBLISHED)]

# Rules over width and depth: optimizer, and power of the depth with which branches are multiplied.
DEPTH = {
    "depth-mup": ("adam", -0.5),
    "depth-mup-sgd": ("sgd", -0.5),
    "completep": ("adamw", -1),
    "completed-p": ("adamw", -1),
    "u-mup": ("adamw-independent", -0.5),
    "muon-spectral": ("muon", -1),
}


def test_all_are_there():
    assert names("rule") == sorted([*WIDTH, *DEPTH])


@pytest.mark.parametrize("name", names("rule"))
def test_file_is_complete(name):
    rule = Rule.load(name)
    assert rule.name == name and rule.description and "arXiv" in rule.source
    everywhere = [group.match.role for group in rule.groups if group.match.residual is None]
    assert sorted(everywhere) == sorted(ROLES)
    assert rule.groups[-1].match.residual is None


@pytest.mark.parametrize("name", WIDTH)
def test_rules_over_width(name):
    rule = Rule.load(name)
    assert rule.optimizer == ("sgd" if name.endswith("-sgd") else "adam")
    assert rule.axes == ("width",)
    assert [group.match for group in rule.groups] == [Match(role=role) for role in ROLES]


@pytest.mark.parametrize("name", DEPTH)
def test_rules_over_depth(name):
    rule = Rule.load(name)
    branch = [site.multiplier for site in rule.sites if site.match.site == "branch"]
    assert (rule.optimizer, branch) == (DEPTH[name][0], [{"depth": DEPTH[name][1]}])
    assert rule.axes == ("width", "depth")


@pytest.mark.parametrize("name", names("rule"))
def test_who_scales_attention_logits(name):
    """By 1 / d where the source says so, TP-V and those that build upon it."""
    says = name.startswith("mup") or name in DEPTH
    logits = [site.multiplier for site in Rule.load(name).sites if site.match.site == "logits"]
    assert logits == ([{"width": -0.5}] if says else [])


@pytest.mark.parametrize("name", names("rule"))
def test_who_scales_tied_readouts(name):
    """By 1 / ratio where the source says so: TP-V and its package."""
    found = [site.multiplier for site in Rule.load(name).sites if site.match.site == "readout"]
    assert found == ([{"width": -1}] if name in ("mup", "mup-sgd") else [])


@pytest.mark.parametrize("name", DEPTH)
def test_learning_rates_inside_branches(name):
    """The power alpha of branches and gamma of updates add up to 1 with Adam and Muon."""
    rule = Rule.load(name)
    inside = [g for g in rule.groups if g.match.residual] or rule.groups
    found = {group.exponent("lr", "depth") for group in inside}
    assert found == {0.0 if name.endswith("sgd") else -1 - DEPTH[name][1]}


# u-muP, Table 2, in its own gauge: multiplier, init and LR of weights.
U_MUP = {"input": (0, 0, -1 / 2), "hidden": (-1 / 2, 0, -1 / 2), "output": (-1, 0, 0)}


@pytest.mark.parametrize("role", U_MUP)
def test_u_mup_has_the_form_of_the_paper(role):
    groups = [group for group in Rule.load("u-mup").groups if group.match.role == role]
    found = {
        tuple(group.exponent(q, "width") for q in ("multiplier", "init", "lr")) for group in groups
    }
    assert found == {U_MUP[role]}


# Over width alone and up to gauge, decay and eps: depth rules are muP, u-muP but for the embedding.
def test_rules_over_depth_are_mup_over_width():
    mup = {role: effective("mup")[role] for role in ROLES}
    for name in ("depth-mup", "completep", "completed-p"):
        assert effective(name) == mup, name
    embedding = effective("u-mup")["input"]
    assert effective("u-mup") == {**mup, "input": embedding} and embedding == (0, -1 / 2)
    assert effective("depth-mup-sgd") == effective("mup-sgd")
    assert effective("muon-spectral") == {**mup, "hidden": (-1 / 2, 0)}


def effective(name: str) -> dict[str, tuple[float, float]]:
    """Role -> exponents of init and LR, without multipliers."""
    groups = Rule.load(name).regauge("no-multipliers").groups
    return {
        group.match.role: (group.exponent("init", "width"), group.exponent("lr", "width"))
        for group in groups
    }


# Everett et al. (2024), Table 1: width^-a multiplier and width^-b init for embedding, hidden,
# readout; and the LR exponents width^-c at full alignment.
ABC = {
    "ntk": ((0, 0, 0), (1 / 2, 0, 1 / 2), (1 / 2, 0, 1 / 2)),
    "ntk-sgd": ((0, 0, -1 / 2), (1 / 2, 0, -1 / 2), (1 / 2, 0, 0)),
    "mean-field": ((0, 0, 0), (1 / 2, 0, 1 / 2), (1, 0, 0)),
    "mean-field-sgd": ((0, 0, -1), (1 / 2, 0, -1), (1, 0, -1)),
    "mup": ((-1 / 2, 1 / 2, 1 / 2), (0, 1 / 2, 1), (1 / 2, 1 / 2, 1 / 2)),
    "mup-sgd": ((-1 / 2, 1 / 2, 0), (0, 1 / 2, 0), (1 / 2, 1 / 2, 0)),
}


@pytest.mark.parametrize("name", ABC)
def test_layers_against_everett(name):
    """The abc symmetry: (a, b, c) and (a + t, b - t, c - t * (2 for SGD, 1 for Adam)) are one."""
    k = 1 if name.endswith("-sgd") else 0
    expected = {
        role: (-(a + b), -(c + (1 + k) * a))
        for role, (a, b, c) in zip(LAYERS, ABC[name], strict=True)
    }
    assert {role: effective(name)[role] for role in LAYERS} == expected


@pytest.mark.parametrize("name", [name for name in ABC if not name.startswith("mup")])
def test_form_is_that_of_the_paper(name):
    found = {group.match.role: group for group in Rule.load(name).groups}
    for role, (a, b, c) in zip(LAYERS, ABC[name], strict=True):
        stated = [found[role].exponent(q, "width") for q in ("multiplier", "init", "lr")]
        assert stated == [-a, -b, -c], role


def stability(name: str) -> dict[str, float]:
    """Power of the width with which each layer's update changes its own output, Adam.

    Updates of size LR align with the layer's input, so a sum over fan-in counts as width ** 1.
    """
    fan_in = {"input": 0, "hidden": 1, "output": 1}
    return {role: effective(name)[role][1] + fan_in[role] for role in LAYERS}


# sp: one global LR, so every layer behind the first is moved more and more.
UPDATES = {
    "sp": {"input": 0, "hidden": 1, "output": 1},
    "ntk": {"input": 0, "hidden": 0, "output": 0},
    "ntk-lazy": {"input": -1 / 2, "hidden": -1 / 2, "output": 0},
    "mean-field": {"input": 0, "hidden": 0, "output": 0},
    "mup": {"input": 0, "hidden": 0, "output": 0},
}


@pytest.mark.parametrize("name", UPDATES)
def test_how_far_updates_move_the_layers(name):
    assert stability(name) == UPDATES[name]


def test_lazy_ntk_with_sgd():
    """N(0, 1) weights, 1/sqrt(fan_in) in the forward pass, one LR; in W = w/sqrt(n): LR/fan_in."""
    expected = {"input": (0, 0), "hidden": (-1 / 2, -1), "output": (-1 / 2, -1)}
    assert {role: effective("ntk-lazy-sgd")[role] for role in LAYERS} == expected


EQUAL = {
    ("mup", "mean-field"): True,
    ("mup-sgd", "mean-field-sgd"): True,
    ("mup", "ntk"): False,
    ("ntk", "ntk-lazy"): False,
    ("ntk-sgd", "ntk-lazy-sgd"): False,
    ("sp", "ntk"): False,
    ("sp", "mup"): False,
    ("sp-sgd", "mup-sgd"): False,
    ("mup", "mup-sgd"): False,
}


@pytest.mark.parametrize("one, other", EQUAL)
def test_which_rules_are_one_up_to_gauge(one, other):
    assert Rule.load(one).equivalent(Rule.load(other)) is EQUAL[one, other]


def test_sp_and_mup_start_alike_but_for_the_readout():
    sp, mup = effective("sp"), effective("mup")
    assert [role for role in ROLES if sp[role][0] != mup[role][0]] == ["output"]


def form(optimizer: str, **roles: tuple[float, float, float]) -> Rule:
    """Rule from (multiplier, init, LR) per role."""
    groups = tuple(
        Group(
            match=Match(role=role),
            multiplier={"width": multiplier},
            init={"width": init},
            lr={"width": lr},
        )
        for role, (multiplier, init, lr) in roles.items()
    )
    return Rule(name="form", optimizer=optimizer, axes=("width",), groups=groups)


# The other two forms of muP in Tensor Programs V: Tables 8 ("easy") and 9 (tied embedding).
FORMS = {
    "adam easy": dict(input=(0, 0, 0), hidden=(0, -1 / 2, -1), output=(-1, 0, 0)),
    "sgd easy": dict(input=(0, 0, 1), hidden=(0, -1 / 2, 0), output=(-1, 0, 1)),
    "adam tied": dict(
        input=(1 / 2, -1 / 2, -1 / 2), hidden=(0, -1 / 2, -1), output=(-1 / 2, -1 / 2, -1 / 2)
    ),
    "sgd tied": dict(input=(1 / 2, -1 / 2, 0), hidden=(0, -1 / 2, 0), output=(-1 / 2, -1 / 2, 0)),
}


@pytest.mark.parametrize("name", FORMS)
def test_mup_forms_are_one_up_to_gauge(name):
    optimizer = name.split()[0]
    vector = (0, 0, 1 if optimizer == "sgd" else 0)
    other = form(optimizer, **FORMS[name], vector=vector, scalar=(0, 0, 0))
    assert Rule.load("mup", optimizer).equivalent(other)


@pytest.mark.parametrize("name", FORMS)
def test_mup_of_tied_readouts_is_what_sets_readouts_apart_in_both_forms(name):
    """There one tensor can be both: its init and LR are one, and only the multipliers differ."""
    before, *start = FORMS[name]["input"]
    after, *end = FORMS[name]["output"]
    (site,) = (s for s in Rule.load("mup", name.split()[0]).sites if s.match.site == "readout")
    assert start == end and site.multiplier == {"width": after - before}


def width_mult(tensor: TensorInfo, m: float) -> float:
    """Growth of a tensor's fan-in, as the ``mup`` package reads it off infinite dimensions."""
    return m if tensor.role in ("hidden", "output") else 1.0


def fanout_mult(tensor: TensorInfo, m: float) -> float:
    return m if tensor.role in ("hidden", "input", "vector") else 1.0


def mup_package_lr(optimizer: str, tensor: TensorInfo, m: float) -> float:
    """LR factor of ``MuAdam`` and ``MuSGD``: matrix-like / vector-like by infinite dimensions."""
    infinite = {"input": 1, "hidden": 2, "output": 1, "vector": 1, "scalar": 0}[tensor.role]
    if optimizer == "adam":
        return 1 / width_mult(tensor, m) if infinite == 2 else 1.0
    if infinite == 1:
        return width_mult(tensor, m) * fanout_mult(tensor, m)
    return fanout_mult(tensor, m) / width_mult(tensor, m)


def mup_package_multiplier(tensor: TensorInfo, m: float) -> float:
    """``MuReadout`` divides its input by width_mult; its weight starts as in the base model."""
    return 1 / m if tensor.role == "output" else 1.0


def mup_package_init(tensor: TensorInfo, m: float) -> float:
    return m**-0.5 if tensor.role == "hidden" else 1.0


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("m", [0.5, 4.0, 10.0])
def test_mup_against_the_mup_package(optimizer, m):
    tensors = [TensorInfo(role, (4, 4), "linear", role, 4, 4, {}, False, role) for role in ROLES]
    found = resolve(Rule.load("mup", optimizer), tensors, {"width": m})
    power = {"adam": 1, "sgd": 2}[optimizer]
    for tensor in tensors:
        multiplier = mup_package_multiplier(tensor, m)
        init = multiplier * mup_package_init(tensor, m)
        lr = multiplier**power * mup_package_lr(optimizer, tensor, m)
        factors = found[tensor.name]
        assert (factors.multiplier, factors.init, factors.lr) == pytest.approx((1, init, lr))
