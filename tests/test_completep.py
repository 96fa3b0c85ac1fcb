"""CompleteP on a pre-LN transformer against the published table, tensor by tensor."""

import pytest

from paramsearch.rules.resolve import Factors, resolve
from paramsearch.rules.rule import Rule
from paramsearch.tracing.arch import load_arch
from paramsearch.tracing.tensor import TensorInfo
from paramsearch.tracing.trace import trace

M_N, M_L = 4.0, 3.0
SCALE = {"width": 32, "depth": 6}


@pytest.fixture(scope="module")
def tensors() -> dict[str, TensorInfo]:
    """Learned positions, biases, 1 / sqrt(d) in the code, so that the rule alone makes 1 / d."""
    arch = load_arch("gpt", {"bias": True, "attention_scale": "standard", "width": 16})
    return {tensor.name: tensor for tensor in trace(arch, scale=SCALE).tensors}


# Dey et al. (2025), Table 1, rows by their names: factors of init variance, LR, weight decay and
# Adam's epsilon, for a model m_N times as wide and m_L times as deep as the base.
def table(alpha: float) -> dict[str, tuple[float, float, float, float]]:
    inside = M_N**-1 * M_L**-alpha
    return {
        "embedding": (1, 1, 1, 1),
        "pre-LN": (1, M_L ** (alpha - 1), 1, inside),
        "hidden weight": (M_N**-1, M_N**-1 * M_L ** (alpha - 1), M_N, inside),
        "hidden bias": (1, M_L ** (alpha - 1), 1, inside),
        "final LN": (1, 1, 1, 1),
        "unembedding": (1, 1, 1, 1),
    }


# The same table: what is multiplied in the forward pass. The factor of a residual branch acts on
# all that ends it, weight and bias; attention has 1 / d for 1 / sqrt(d), which acts on q.
RESIDUAL = ("attention.out.weight", "attention.out.bias", "mlp.down.weight", "mlp.down.bias")
QUERY = ("attention.query.weight", "attention.query.bias")


def row(name: str) -> str:
    """The row of the table that a tensor of the transformer belongs to."""
    part = name.split(".", 2)[2] if name.startswith("blocks.") else name
    layer, _, kind = part.rpartition(".")
    if layer in ("attention_norm", "mlp_norm"):
        return "pre-LN"
    if name.startswith("blocks."):
        return "hidden weight" if kind == "weight" else "hidden bias"
    rows = {"embed": "embedding", "position": "embedding", "norm": "final LN"}
    return rows.get(layer, "unembedding")


def forward(name: str, alpha: float) -> float:
    part = name.split(".", 2)[-1]
    factor = M_L**-alpha if part in RESIDUAL else 1.0
    factor *= M_N**-0.5 if part in QUERY else 1.0
    return factor * (M_N**-1 if name == "readout.weight" else 1.0)


def expected(name: str, alpha: float) -> Factors:
    variance, lr, decay, eps = table(alpha)[row(name)]
    return Factors(forward(name, alpha), variance**0.5, lr, decay, eps)


def values(factors: Factors) -> tuple[float, ...]:
    return (factors.multiplier, factors.init, factors.lr, factors.weight_decay, factors.eps)


def test_every_tensor_has_the_factors_of_the_table(tensors):
    ratios = {"width": M_N, "depth": M_L}
    found = resolve(Rule.load("completep"), tensors.values(), ratios)
    assert len(found) == 2 + 6 * 16 + 2 + 1
    for name, factors in found.items():
        assert values(factors) == pytest.approx(values(expected(name, 1.0))), name


def test_every_row_is_met(tensors):
    assert {row(name) for name in tensors} == set(table(1.0))


@pytest.mark.parametrize("axis", ["width", "depth"])
def test_one_axis_alone_leaves_the_other_out(tensors, axis):
    ratios = {"width": M_N, "depth": M_L}
    rule = Rule.load("completep")
    alone = resolve(rule.along(axis), tensors.values(), ratios)
    assert alone == resolve(
        rule, tensors.values(), {**dict.fromkeys(ratios, 1.0), axis: ratios[axis]}
    )


def test_depth_mup_is_the_row_of_alpha_one_half(tensors):
    """The same table with alpha 1/2 has the multiplier and learning rates of Depth-muP."""
    found = resolve(Rule.load("depth-mup"), tensors.values(), {"width": 1.0, "depth": M_L})
    for name, factors in found.items():
        lr = M_L**-0.5 if name.startswith("blocks.") else 1.0
        multiplier = M_L**-0.5 if name.split(".", 2)[-1] in RESIDUAL else 1.0
        assert (factors.multiplier, factors.init, factors.lr) == pytest.approx((multiplier, 1, lr))


# Mlodozeniec et al. (2025), Table 1, where it differs from CompleteP.
def test_completed_p_where_it_differs(tensors):
    ratios = {"width": M_N, "depth": M_L}
    one = resolve(Rule.load("completep"), tensors.values(), ratios)
    two = resolve(Rule.load("completed-p"), tensors.values(), ratios)
    assert values(two.pop("readout.weight")) == pytest.approx((1, M_N**-1, M_N**-1, M_N, 1))
    assert two.pop("embed.weight") == two.pop("position.weight") == Factors(eps=1 / M_N)
    assert two == {name: one[name] for name in two}
