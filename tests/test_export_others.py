"""A rule as base shapes of microsoft/mup and as a file for optax, each read back."""

import numpy as np
import pytest
import torch
from exported import ran
from torch import nn

from paramsearch.errors import ParamsearchError
from paramsearch.jobs.export import export
from paramsearch.rules.plug import apply
from paramsearch.rules.rule import Rule
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import Arch, load_arch

DIGITS = load_task("digits")


def mup_model(width):
    """Our multilayer perceptron with the readout that microsoft/mup asks for."""
    mup = pytest.importorskip("mup")
    model = load_arch("mlp").model(DIGITS.dims, {"width": width})
    model.readout = mup.MuReadout(width, 10)
    return model


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_microsoft_mup_takes_the_base_shapes(optimizer, tmp_path):
    mup = pytest.importorskip("mup")
    path = tmp_path / "shapes.bsh"
    path.write_text(export("mup", "mup", arch="mlp", optimizer=optimizer))
    assert set(mup.load_base_shapes(str(path))) == dict(mup_model(32).named_parameters()).keys()
    model = mup.set_base_shapes(mup_model(128), str(path))
    known = mup.make_base_shapes(mup_model(32), mup_model(64))
    for name, parameter in model.named_parameters():
        assert parameter.infshape.base_shape() == known[name].base_shape(), name
        assert parameter.infshape.width_mult() == (1 if name == "readout.bias" else 4)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_learning_rates_of_microsoft_mup_are_those_of_the_rule(optimizer, tmp_path):
    mup = pytest.importorskip("mup")
    path = tmp_path / "shapes.bsh"
    path.write_text(export("mup", "mup", arch="mlp", optimizer=optimizer))
    model = mup.set_base_shapes(mup_model(128), str(path))
    make = {"adam": mup.MuAdam, "sgd": mup.MuSGD}[optimizer]
    hidden = {id(p) for name, p in model.named_parameters() if name == "hidden.0.weight"}
    groups = make(model.parameters(), lr=0.1).param_groups
    theirs = next(g["lr"] for g in groups if hidden & {id(p) for p in g["params"]})
    ours = apply(Rule.load("mup", optimizer), mup_model(128), mup_model(32), lr=0.1)
    assert theirs == pytest.approx({g["name"]: g["lr"] for g in ours}["hidden"])


class Squared(nn.Module):
    """A bilinear layer, one dimension of which grows with the square of the width."""

    def __init__(self, inputs, outputs, width, channels=1):
        super().__init__()
        self.a, self.b = nn.Linear(inputs, width * width), nn.Linear(width * width, outputs)

    def forward(self, x):
        return self.b(self.a(x).relu())


DEPTH = Rule.load("mup").model_copy(update={"axes": ("width", "depth")})
NOT_MUP = {
    "sp": (Rule.load("sp"), "mlp", r"rule 'sp' has lr exponent 0 at hidden.0.weight, muP has -1"),
    "lion": (Rule.load("mup", "lion"), "mlp", r"adam, adamw, sgd; received a rule for lion"),
    "depth": (DEPTH, "mlp", r"a rule for width alone, .*; received one for width, depth"),
    "square": (Rule.load("mup"), Arch(Squared, {"width": 4}, "digits"), r"a.weight grows with"),
}


@pytest.mark.parametrize(("rule", "arch", "says"), NOT_MUP.values(), ids=NOT_MUP)
def test_base_shapes_of_what_is_not_mup_are_refused(rule, arch, says):
    with pytest.raises(ParamsearchError, match=says):
        export(rule, "mup", arch=arch)


def test_a_rule_that_is_mup_in_another_gauge_is_taken():
    text = export("mean-field", "mup", arch="mlp")
    assert "hidden.0.weight: [32, 32]\n" in text and "readout.bias: [null]\n" in text


def nested(model, separator):
    """Parameters of a torch model as flax or haiku nest them, matrices the other way round."""
    jax = pytest.importorskip("jax")
    tree = {}
    for name, p in model.named_parameters():
        owner, _, leaf = name.rpartition(".")
        flax = {"weight": "kernel" if p.ndim > 1 else "scale"} if separator == "_" else {}
        haiku = {"weight": "w", "bias": "b"} if separator == "/" else {}
        leaf = {**flax, **haiku}.get(leaf, leaf)
        path = owner.replace(".0", "_0").replace(".1", "_1")
        tree.setdefault(path, {})[leaf] = jax.numpy.asarray(p.detach().numpy().T.copy())
    if separator == "/":  # one level: "blocks_0/~/up"
        return {path.replace(".", "/~/"): leaves for path, leaves in tree.items()}
    deep = {}
    for path, leaves in tree.items():
        here = deep
        for part in path.split("."):
            here = here.setdefault(part, {})
        here.update(leaves)
    return {"params": deep}


def flat(tree):
    """Leaves by the last two parts of their path, which is enough here."""
    jax = pytest.importorskip("jax")
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree.leaves_with_path(tree)}


@pytest.mark.parametrize("separator", ["_", "/"])
@pytest.mark.parametrize("optimizer", ["sgd", "sgd-nesterov", "gd", "adam", "adamw", "lion"])
def test_steps_of_optax_are_steps_of_the_rule(optimizer, separator):
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    rule = Rule.load("ntk", optimizer).regauge("no-multipliers")
    arch, ratio = load_arch("mlp"), {"width": 2}
    model = arch.model(DIGITS.dims, {"width": 64})
    base = dict(lr=0.01, weight_decay=0.1)
    groups = apply(rule, model, lambda: arch.model(DIGITS.dims), **base)
    file = ran(export(rule, "optax", arch=arch))
    params = nested(model, separator)
    transform = file.transform(ratio, base["lr"], weight_decay=base["weight_decay"])
    stepper, state = torch_twin(optimizer, groups), transform.init(params)
    for step in range(3):
        draw = torch.Generator().manual_seed(step)
        for p in model.parameters():
            p.grad = torch.randn(p.shape, generator=draw)
        grads = nested(with_grads(model), separator)
        updates, state = transform.update(grads, state, params)
        params = optax.apply_updates(params, updates)
        stepper.step()
    expected = flat(nested(model, separator))
    for path, leaf in flat(params).items():
        np.testing.assert_allclose(leaf, expected[path], rtol=2e-4, atol=2e-6, err_msg=path)
    assert len(expected) == len(jax.tree.leaves(params)) == 6


def with_grads(model):
    """A model whose parameters are the gradients of another."""

    class Held(nn.Module):
        def named_parameters(self, *_):
            return ((name, p.grad) for name, p in model.named_parameters())

    return Held()


class Lion(torch.optim.Optimizer):
    """Lion as its authors wrote it down."""

    def __init__(self, groups):
        super().__init__(groups, {})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.sub_(group["lr"] * (0.9 * m + 0.1 * p.grad).sign())
                m.mul_(0.99).add_(0.01 * p.grad)


def torch_twin(optimizer, groups):
    return {
        "sgd": lambda: torch.optim.SGD(groups, momentum=0.9),
        "sgd-nesterov": lambda: torch.optim.SGD(groups, momentum=0.9, nesterov=True),
        "gd": lambda: torch.optim.SGD(groups),
        "adam": lambda: torch.optim.Adam(groups),
        "adamw": lambda: torch.optim.AdamW(groups),
        "lion": lambda: Lion(groups),
    }[optimizer]()


def test_optax_labels_factors_and_initial_values():
    jax = pytest.importorskip("jax")
    pytest.importorskip("optax")
    file = ran(export("mup", "optax", arch="gpt"))
    params = nested(load_arch("gpt").model(load_task("bytes").dims, {"width": 64}), "_")
    labels = file.labels(params)["params"]
    assert labels["blocks_1"]["mlp"]["up"] == {"kernel": "hidden"}
    assert labels["readout"] == {"kernel": "output"} and labels["embed"] == {"kernel": "input"}
    started = file.init(params, {"width": 2}, jax.random.key(0))["params"]
    up = started["blocks_1"]["mlp"]["up"]["kernel"]
    assert float(up.std()) == pytest.approx(1 / np.sqrt(3 * 32) / np.sqrt(2), rel=0.05)
    assert bool((started["norm"]["scale"] == 1).all())


def test_a_schedule_is_scaled_and_unknown_leaves_are_named():
    pytest.importorskip("optax")
    file = ran(export("mup", "optax", arch="mlp", optimizer="gd"))
    schedule = file._times(lambda step: 0.5 / (1 + step), 0.25)
    assert schedule(1) == 0.0625
    with pytest.raises(ValueError, match=r"no name in TENSORS fits conv.weight; it has input"):
        file.labels({"conv": {"kernel": np.zeros(2)}})
    with pytest.raises(ValueError, match="ratio must give a positive number for width"):
        file.transform({}, 0.1)


def test_an_optimizer_that_optax_lacks():
    with pytest.raises(ParamsearchError, match=r"optax has as well: .*; received a rule for soap"):
        export("sp", "optax", arch="mlp", optimizer="soap")
