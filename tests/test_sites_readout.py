"""Sites of tied readouts: where they are, what takes their multiplier, and what muP does there."""

import pytest
import torch
from torch import Tensor, nn

from paramsearch.errors import ParamsearchError
from paramsearch.rules.base import save_base
from paramsearch.rules.export.layout import lay
from paramsearch.rules.export.markdown import markdown_text
from paramsearch.rules.export.mup_shapes import mup_text
from paramsearch.rules.multiplied import multipliers_of
from paramsearch.rules.plug import apply
from paramsearch.rules.rule import Rule
from paramsearch.tracing.arch import load_arch
from paramsearch.tracing.sites.find import Call, Site, find_sites
from paramsearch.tracing.tensor import Fold, TensorInfo
from paramsearch.tracing.trace import trace

TOKENS, SIZE = 7, 8
X = torch.arange(10).reshape(2, 5) % TOKENS


class PlusOne(nn.LayerNorm):
    """A norm whose gain is 1 where its weight is 0."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.layer_norm(x, x.shape[-1:], 1 + self.weight, self.bias)


class Tied(nn.Module):
    """Embedding, a layer, and a readout with the table of the embedding, as ``way`` says."""

    def __init__(self, way: str = "norm", width: int = SIZE):
        super().__init__()
        self.way, self.width = way, width
        self.embed, self.inner = nn.Embedding(TOKENS, width), nn.Linear(width, width)
        self.places = nn.Embedding(5, width)
        affine = way != "bare norm"
        kind = PlusOne if way == "plus one" else nn.LayerNorm
        self.norm = kind(width, elementwise_affine=affine)
        self.readout = nn.Linear(width, TOKENS)
        if way == "layer":
            self.readout.weight = self.embed.weight

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        stream = self.embed(x)
        h, table = self.norm(self.inner(stream).tanh()), self.embed.weight
        match self.way:
            case "layer" | "untied":
                return self.readout(h)
            case "table first":
                return (table @ h.flatten(0, 1).T).T
            case "linear":
                return self.inner(stream) @ table.T
            case "stream":
                return (stream + self.inner(stream)) @ table.T
            case "table alone":
                return stream @ table.T
            case "tanh":
                return h.tanh() @ table.T
            case "seen elsewhere":
                return h @ table.T, h
            case "input over root":
                return (h * self.width**-0.5) @ table.T
            case "output over width":
                return ((h @ table.T + self.readout.bias) / self.width).log_softmax(-1) * 3
            case "table over width":
                return h @ (table / self.width).T
            case "one hot":
                return nn.functional.one_hot(x, TOKENS).float() @ table + stream
            case "positions":
                return h @ self.places(torch.arange(5)).T
            case _:
                return h @ table.T


def readouts(way: str, width: int = SIZE) -> list[Site]:
    sites = find_sites(Tied(way, width), Call((X,)))
    return [site for site in sites if site.kind == "readout"]


NORM, INNER = ("norm.weight", "norm.bias"), ("inner.weight", "inner.bias")

# What the multiplier folds onto; () where it cannot.
FOLDS = {
    "norm": NORM,
    "layer": NORM,
    "table first": NORM,
    "input over root": NORM,
    "output over width": NORM,
    "table over width": NORM,
    "linear": INNER,
    "stream": (),
    "table alone": (),
    "tanh": (),
    "plus one": (),
    "bare norm": (),
    "seen elsewhere": (),
}


@pytest.mark.parametrize("way", FOLDS)
def test_what_takes_the_multiplier(way):
    (site,) = readouts(way)
    assert (site.tensors if not site.reason else ()) == FOLDS[way]
    assert site.module == ("readout" if way == "layer" else "")


@pytest.mark.parametrize("way", ["untied", "one hot", "positions"])
def test_what_is_no_tied_readout(way):
    assert readouts(way) == []


GAINS = {
    "norm": 1,
    "input over root": SIZE**-0.5,
    "output over width": 1 / SIZE,
    "table over width": 1 / SIZE,
}


@pytest.mark.parametrize("way", GAINS)
def test_the_factor_in_the_code_is_read_off(way):
    assert [site.gain for site in readouts(way)] == pytest.approx([GAINS[way]])


def plugged(way: str, base: object = None, inputs: object = X) -> dict[str, float]:
    """Multipliers that muP gives at four times the width of the base."""
    model = Tied(way, 4 * SIZE)
    apply(Rule.load("mup"), model, base or Tied(way), lr=0.1, inputs=inputs)
    return multipliers_of(model)


# The model's code -> the multiplier of what makes the readout's input; None for 1.
MUP = {"norm": 1 / 4, "layer": 1 / 4, "input over root": 1 / 2, "output over width": None}


@pytest.mark.parametrize("way", MUP)
def test_mup_divides_by_the_ratio_what_the_code_does_not(way):
    factor = MUP[way]
    assert plugged(way) == (dict.fromkeys(NORM, factor) if factor else {})


def test_the_output_is_that_of_a_factor_in_the_code():
    """The slow way: the parameters of the plugged model, and a readout divided by 4."""
    model, slow = Tied("norm", 4 * SIZE), Tied("norm", 4 * SIZE)
    apply(Rule.load("mup"), model, Tied("norm"), lr=0.1, inputs=X)
    slow.load_state_dict(model.state_dict())
    torch.testing.assert_close(model(X), slow(X) / 4)


@pytest.mark.parametrize("optimizer, lr", {"adam": 0.1, "sgd": 0.4}.items())
def test_the_table_trains_as_an_embedding(optimizer, lr):
    rule = Rule.load("mup", optimizer)
    groups = apply(rule, Tied("layer", 4 * SIZE), Tied("layer"), lr=0.1, inputs=X)
    assert [g["lr"] for g in groups if "embed.weight" in g["tensors"]] == [lr]


def test_what_cannot_be_folded_is_refused_with_the_line_to_write():
    message = (
        r"^rule 'mup': the tied readout's multiplier in the model itself cannot be folded: its "
        r"input is not proportional to a tensor that makes nothing else; write "
        r"`logits = readout\(x \* \(width / base_width\) \*\* -1\)` there$"
    )
    with pytest.raises(ParamsearchError, match=message):
        plugged("plus one")


@pytest.mark.parametrize("way", ["layer", "norm"])
def test_a_run_is_asked_for_where_the_table_may_be_the_readout(way):
    model, base = Tied(way, 4 * SIZE), Tied(way)
    if way == "norm":
        del model.readout, base.readout
    with pytest.raises(ParamsearchError, match=r"scales tied readouts \('embed.weight'\), which"):
        apply(Rule.load("mup"), model, base, lr=0.1)


def test_no_run_is_needed_for_a_readout_of_its_own():
    assert plugged("untied", inputs=None) == {}


def test_a_base_file_keeps_it(tmp_path):
    save_base(Tied("input over root"), tmp_path / "base.yaml", inputs=X)
    assert plugged("input over root", tmp_path / "base.yaml") == dict.fromkeys(NORM, 0.5)


def test_a_base_file_that_describes_other_sites_only(tmp_path):
    path = tmp_path / "base.yaml"
    save_base(Tied(), path, inputs=X)
    path.write_text(path.read_text().replace("kind: readout", "kind: logits"))
    with pytest.raises(ParamsearchError, match="scales readout, which this base file does not"):
        plugged("norm", path)


def test_the_exponent_is_that_of_the_product():
    fold = Fold("readout", own={"width": -0.5})
    assert (fold.exponent(-1, "width"), fold.unstated("width")) == (-0.5, -0.5)
    assert fold.exponent(-1, "depth") == -1


def test_a_shipped_architecture_with_a_tied_readout():
    arch = load_arch("gpt", {"tied": True})
    kinds = {t.name: [f.kind for f in t.sites] for t in trace(arch).tensors}
    assert [name for name, found in kinds.items() if "readout" in found] == ["norm.weight"]
    assert "must be mup.MuSharedReadout" in mup_text(lay(Rule.load("mup"), arch))


def test_a_table_for_a_paper_names_it():
    assert "| readouts tied to the embedding | $m^{-1}$ |" in markdown_text(Rule.load("mup"))


def test_rules_that_differ_there_differ_on_tied_models_alone():
    rule = Rule.load("mup")
    silent = rule.model_copy(update={"sites": rule.sites[:1]})
    fold = (Fold("readout"),)
    norm = TensorInfo("norm", (8,), "norm", "vector", 1, 8, {}, False, "vector", sites=fold)
    assert rule.equivalent(silent) and not rule.equivalent(silent, tensors=[norm])
