"""A pretrained transformer made depth-recurrent, and its curriculum."""

from math import ceil, sqrt
from typing import Any

import pytest
import torch
from torch import Tensor

from paramsearch.errors import ParamsearchError
from paramsearch.retrofit.convert import conversion_gap, retrofit
from paramsearch.retrofit.curriculum import Curriculum
from paramsearch.retrofit.donor import Donor, gpt_donor, llama_donor
from paramsearch.retrofit.layers import Parts, count_layers, drop_layers
from paramsearch.tracing.arch import load_arch
from paramsearch.tracing.run import seeded

CONTEXT, VOCABULARY, LAYERS = 12, 29, 6
DIMS = {"inputs": CONTEXT, "outputs": VOCABULARY, "vocabulary": VOCABULARY, "positions": CONTEXT}
TOKENS = torch.randint(VOCABULARY, (3, CONTEXT), generator=torch.Generator().manual_seed(0))
PARTS = Parts(1, 2, 1)
GPTS = [
    ("gpt", {}),
    ("gpt:llama", {}),
    ("gpt:llama", {"heads": 4, "heads_per_width": 4, "kv_heads": 2, "attention_scale": "standard"}),
    ("gpt", {"mlp": "swiglu", "width": 64, "ffn": 2}),
    ("gpt", {"bias": True}),
    ("gpt:llama", {"bias": True, "qk_norm": True}),
    ("gpt", {"qk_norm": True, "bias": True, "heads": 4, "heads_per_width": 4, "kv_heads": 2}),
]


def gpt(name: str, options: Any) -> tuple[Donor, Any]:
    """A donor, and the same model with the kept layers alone."""
    arch = load_arch(name, {**options, "depth": LAYERS})
    with seeded():
        state = {k: v + 0.1 * torch.randn_like(v) for k, v in arch.model(DIMS).state_dict().items()}
    dropped = arch.model(DIMS, {"depth": 4})
    dropped.load_state_dict(drop_layers(state, PARTS.kept(LAYERS)))
    return gpt_donor(state, arch), dropped


def llama(**more: Any) -> tuple[Donor, Any]:
    transformers = pytest.importorskip("transformers")
    config = {
        "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 88,
        "num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-5,
        "rope_parameters": {"rope_type": "default", "rope_theta": 5e5}, **more,
    }  # fmt: skip

    def made(layers: int) -> Any:
        settings = transformers.LlamaConfig(**config, num_hidden_layers=layers)
        with seeded():
            model = transformers.LlamaForCausalLM._from_config(
                settings, attn_implementation="eager"
            ).eval()
            for p in model.parameters():
                p.data += 0.2 * torch.randn_like(p)
        return model

    donor, dropped = made(LAYERS), made(4)
    dropped.load_state_dict(drop_layers(donor.state_dict(), PARTS.kept(LAYERS)))
    return llama_donor(donor.state_dict(), donor.config.to_dict()), dropped


def looped(donor: Donor, **settings: Any) -> Any:
    return retrofit(donor, PARTS, **{"loops": 1, "context": CONTEXT, **settings})


def logits(model: Any) -> Tensor:
    with torch.no_grad():
        found = model(TOKENS)
    return found if isinstance(found, Tensor) else found.logits


@pytest.mark.parametrize(("name", "options"), GPTS)
def test_one_pass_is_the_layer_dropped_gpt(name, options):
    donor, dropped = gpt(name, options)
    assert conversion_gap(looped(donor, adapter="random"), dropped, TOKENS) == 0
    assert torch.equal(logits(looped(donor)), logits(dropped))  # A = [0 | I]


@pytest.mark.parametrize(
    "more", [{}, {"tie_word_embeddings": True}, {"attention_bias": True, "mlp_bias": True}]
)
def test_one_pass_is_the_layer_dropped_llama(more):
    donor, dropped = llama(**more)
    assert conversion_gap(looped(donor, adapter="random"), dropped, TOKENS) == 0
    assert torch.equal(logits(looped(donor)), logits(dropped))


def test_a_gap_is_seen():
    donor, dropped = gpt("gpt", {})
    dropped.blocks[1].mlp.up.weight.data[0, 0] += 1
    assert conversion_gap(looped(donor), dropped, TOKENS) > 1e-4


def test_loops_repeat_the_core():
    model = looped(gpt("gpt", {})[0], loops=3)
    assert torch.equal(logits(model), logits(looped(gpt("gpt", {})[0])))  # A leaves the state out
    model.adapter.weight.data[:, :32] = 0.5 * torch.eye(32)
    e = model.prelude(model.embed(TOKENS) + model.position.weight)
    s = torch.zeros_like(e)
    for _ in range(3):
        s = model.core(0.5 * s + e)
    torch.testing.assert_close(logits(model), model.readout(model.norm(model.coda(s))).detach())


def test_weights_are_copies():
    donor = gpt("gpt", {})[0]
    model = looped(donor)
    model.embed.weight.data += 1
    assert not torch.equal(donor.outer["embed.weight"], model.embed.weight)


def test_the_last_position_and_a_shorter_context():
    donor, dropped = gpt("gpt", {})
    model = looped(donor, context=5, every_position=False)
    torch.testing.assert_close(model(TOKENS[:, :5]), logits(dropped)[:, 4], rtol=1e-5, atol=1e-5)


def test_kept_layers_in_their_places():
    assert Parts(4, 8, 4).kept(22) == (0, 1, 2, 3, *range(10, 22))  # TinyLlama in the paper
    assert Parts(4, 6, 4).kept(16) == (0, 1, 2, 3, *range(6, 16))
    state = {f"model.layers.{i}.up": torch.tensor(i) for i in range(6)} | {"norm": torch.tensor(9)}
    found = drop_layers(state, (0, 3, 5))
    expected = {f"model.layers.{i}.up": v for i, v in enumerate((0, 3, 5))} | {"norm": 9}
    assert {name: int(value) for name, value in found.items()} == expected
    assert (count_layers(state), count_layers(found)) == (6, 3)


@pytest.mark.parametrize("most", [4, 8, 16, 32])
@pytest.mark.parametrize(
    ("shape", "phi"), [("linear", lambda u: u), ("1-sqrt", lambda u: 1 - sqrt(1 - u))]
)
def test_the_mean_follows_its_formula(most, shape, phi):
    curriculum = Curriculum(most, 1024, shape)
    for step in range(0, 1024, 16):  # sixty-fourths, so that nothing is lost by rounding
        assert curriculum.mean(step) == max(1, ceil(round(most * phi(step / 1024), 12)))
    assert {curriculum.mean(step) for step in (1024, 5000)} == {most}
    assert Curriculum(most, 0, shape).mean(0) == most


@pytest.mark.parametrize("mean", [1, 4, 32])
def test_draws_have_their_mean_and_spread(mean):
    curriculum = Curriculum(mean, 0)
    found = torch.tensor([curriculum.draw(step) for step in range(6000)], dtype=torch.float64)
    variance = mean + mean**2 * (torch.tensor(0.25).exp().item() - 1)  # of Poisson(LogNormal)
    assert found.min() >= 1
    assert found.mean().item() == pytest.approx(mean + 1, abs=4 * sqrt(variance / 6000))
    assert found.var().item() == pytest.approx(variance, rel=0.15)


def test_draws_depend_on_step_and_seed_alone():
    curriculum = Curriculum(32, 0)
    first = [curriculum.draw(step) for step in range(20)]
    assert first == [curriculum.draw(step) for step in range(20)] and len(set(first)) > 5
    assert first != [curriculum.draw(step, seed=1) for step in range(20)]


def test_a_step_is_prepared():
    model, curriculum = looped(gpt("gpt", {})[0]), Curriculum(32, 0)
    for step in range(10):
        curriculum.prepare(model, step)
        assert model.loops == curriculum.draw(step)
        assert model.backprop == min(8, model.loops)


def test_a_retrofitted_model_trains():
    model, curriculum = looped(gpt("gpt", {})[0]), Curriculum(4, 4)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for step in range(8):
        curriculum.prepare(model, step)
        loss = torch.nn.functional.cross_entropy(model(TOKENS).flatten(0, 1), TOKENS.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Parts(1, 0, 1), "received prelude 1, core 0, coda 1; allowed: at least 1"),
        (lambda: Parts(2, 4, 1).kept(6), r"parts need 2 \+ 4 \+ 1 layers; the donor has 6"),
        (lambda: Curriculum(4, 10, "sqrt"), "unknown shape of curriculum 'sqrt'; did you mean '1-"),
        (lambda: Curriculum(0, 10), "curriculum: most: received 0; allowed: at least 1"),
        (lambda: looped(gpt("gpt", {})[0], adapter="zero"), "unknown adapter 'zero'"),
        (lambda: looped(gpt("gpt", {})[0], context=13), "received 13; allowed: at most the 12 pos"),
        (lambda: gpt("gpt", {"encoding": "alibi"}), "received 'alibi'; allowed: 'rotary' or 'lea"),
        (lambda: gpt("gpt", {"heads": 4}), "donor gpt: width of attention: received 64; allowed"),
        (lambda: llama(attention_bias=True), "mlp_bias beside attention_bias: received False; all"),
        (lambda: llama(head_dim=16), "donor llama: head_dim: received 16; allowed: 8"),
    ],
)
def test_what_does_not_fit_is_said(make, message):
    with pytest.raises(ParamsearchError, match=message):
        make()
