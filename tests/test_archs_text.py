"""Sequence architectures against other people's, with copied weights."""

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from paramsearch.catalog import find, load_module
from paramsearch.errors import ParamsearchError
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import load_arch
from paramsearch.tracing.output import parted
from paramsearch.tracing.run import seeded
from paramsearch.tracing.trace import trace

CONTEXT, VOCABULARY, WIDTH = 12, 29, 32
DIMS = {"inputs": CONTEXT, "outputs": VOCABULARY, "vocabulary": VOCABULARY, "positions": CONTEXT}
NAMES = ["gpt", "gpt:llama", "looped_gpt", "moe_gpt", "rnn", "ssm"]
Weights = dict[str, Tensor]


def ours(name: str, **options: object) -> nn.Module:
    with seeded():
        return load_arch(name, options).model(DIMS).double()


def draws(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return torch.randint(VOCABULARY, shape, generator=torch.Generator().manual_seed(seed))


TOKENS = draws((3, CONTEXT))


def theirs(kind: str, **config: Any) -> nn.Module:
    """A model of transformers with random weights, all of them: also biases and gains."""
    transformers = pytest.importorskip("transformers")
    with seeded(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        made = getattr(transformers, f"{kind}Config")(vocab_size=VOCABULARY, **config)
        made._attn_implementation = made._experts_implementation = "eager"
        head = "LMHeadModel" if kind == "GPT2" else "ForCausalLM"
        model = getattr(transformers, f"{kind}{head}")(made).double().eval()
        for p in model.parameters():
            p.data += 0.2 * torch.randn_like(p)
    return model


def output(model: nn.Module, **arguments: Any) -> Any:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        return model(TOKENS, **arguments)


def assert_same(model: nn.Module, weights: Weights, expected: Tensor) -> None:
    model.load_state_dict(weights)
    torch.testing.assert_close(parted(model(TOKENS))[0], expected, rtol=1e-5, atol=1e-5)


def renamed(weights: Weights, table: dict[str, str]) -> Weights:
    """Replace parts of names, in the order of the table."""
    result: Weights = {}
    for name, value in weights.items():
        for old, new in table.items():
            name = name.replace(old, new)
        result[name] = value
    return result


def split(weights: Weights, name: str, parts: list[str], dim: int = 0, sizes: Any = None) -> None:
    """Replace a fused tensor by its parts, also where it stands in several blocks."""
    for key in [key for key in weights if name in key]:
        fused = weights.pop(key)
        pieces = fused.split(sizes, dim) if sizes else fused.chunk(len(parts), dim)
        weights |= {key.replace(name, p): v for p, v in zip(parts, pieces, strict=True)}


QKV = [f"attention.{part}." for part in ("query", "key", "value")]
LLAMA = {
    "model.embed_tokens": "embed", "model.layers": "blocks", "model.norm": "norm",
    "lm_head": "readout", "input_layernorm": "attention_norm",
    "post_attention_layernorm": "mlp_norm", "self_attn.q_": "self_attn.query_",
    "self_attn.k_": "self_attn.key_", "self_attn.v_": "self_attn.value_",
    "self_attn.o_": "self_attn.out_", "self_attn": "attention", "_proj": "",
}  # fmt: skip


def test_gpt_is_gpt2():
    model = theirs("GPT2", n_positions=CONTEXT, n_embd=WIDTH, n_layer=2, n_head=4,
                   activation_function="gelu")  # fmt: skip
    table = {
        "transformer.wte": "embed", "transformer.wpe": "position", "transformer.h.": "blocks.",
        "transformer.ln_f": "norm", "ln_1": "attention_norm", "ln_2": "mlp_norm",
        "attn.c_attn": "attention.qkv", "attn.c_proj": "attention.out", "mlp.c_fc": "mlp.up",
        "mlp.c_proj": "mlp.down", "lm_head": "readout",
    }  # fmt: skip
    weights = {
        name: value.mT if ("attention." in name or "mlp." in name) and value.dim() == 2 else value
        for name, value in renamed(model.state_dict(), table).items()
    }
    split(weights, "attention.qkv.", QKV)
    gpt = ours("gpt", heads=4, heads_per_width=4, tied=True, bias=True, attention_scale="standard")
    assert_same(gpt, weights, output(model).logits)


def test_gpt_is_llama():
    model = theirs("Llama", hidden_size=WIDTH, intermediate_size=4 * WIDTH, num_hidden_layers=2,
                   num_attention_heads=4, num_key_value_heads=2)  # fmt: skip
    gpt = ours("gpt:llama", heads=4, heads_per_width=4, kv_heads=2, attention_scale="standard")
    assert_same(gpt, renamed(model.state_dict(), LLAMA), output(model).logits)


def test_gpt_is_qwen3_with_norms_of_queries_and_keys():
    model = theirs("Qwen3", hidden_size=WIDTH, intermediate_size=4 * WIDTH, num_hidden_layers=2,
                   num_attention_heads=4, num_key_value_heads=4, head_dim=16)  # fmt: skip
    weights = renamed(model.state_dict(), {"q_norm": "query_norm", "k_norm": "key_norm"} | LLAMA)
    gpt = ours("gpt:llama", heads=4, qk_norm=True, attention_scale="standard")
    assert_same(gpt, weights, output(model).logits)


def test_gpt_is_mpt_with_alibi():
    model = theirs("Mpt", d_model=WIDTH, n_heads=4, n_layers=2, max_seq_len=CONTEXT)
    table = {
        "transformer.wte": "embed", "transformer.blocks": "blocks", "transformer.norm_f": "norm",
        "norm_1": "attention_norm", "norm_2": "mlp_norm", "attn.Wqkv": "attention.qkv",
        "attn.out_proj": "attention.out", "ffn.up_proj": "mlp.up", "ffn.down_proj": "mlp.down",
        "lm_head": "readout",
    }  # fmt: skip
    weights = renamed(model.state_dict(), table)
    split(weights, "attention.qkv.", QKV)
    gpt = ours("gpt", encoding="alibi", heads=4, heads_per_width=4, tied=True,
               attention_scale="standard")  # fmt: skip
    assert_same(gpt, weights, output(model).logits)


def test_moe_gpt_is_mixtral():
    model = theirs("Mixtral", hidden_size=WIDTH, intermediate_size=2 * WIDTH, num_hidden_layers=1,
                   num_attention_heads=2, num_key_value_heads=2, num_local_experts=5,
                   num_experts_per_tok=2, rms_norm_eps=1e-6,
                   rope_parameters={"rope_type": "default", "rope_theta": 1e4})  # fmt: skip
    found = output(model, output_router_logits=True)
    weights = renamed(
        model.state_dict(),
        LLAMA | {"post_attention_layernorm": "experts_norm", "mlp.experts.": "experts.",
                 "mlp.gate": "experts.router"},
    )  # fmt: skip
    split(weights, "experts.gate_up", ["experts.gate", "experts.up"], dim=1)
    weights |= {name: w.mT for name, w in weights.items() if w.dim() == 3}
    moe = ours("moe_gpt", depth=1, experts=5, balance=0.5, attention_scale="standard")
    assert_same(moe, weights, found.logits)
    torch.testing.assert_close(moe(TOKENS)[1], 0.5 * found.aux_loss.double(), rtol=1e-5, atol=0)


def test_ssm_is_mamba():
    model = theirs("Mamba", hidden_size=WIDTH, state_size=8, num_hidden_layers=2,
                   time_step_rank=2, tie_word_embeddings=False)  # fmt: skip
    ssm = ours("ssm")
    table = {
        "backbone.embeddings": "embed", "backbone.norm_f": "norm", "lm_head": "readout",
        "mixer.in_proj": "mixer.both", "mixer.x_proj": "mixer.three", "mixer.conv1d": "mixer.conv",
        "mixer.dt_proj.bias": "mixer.step_bias", "mixer.dt_proj": "mixer.step_out",
        "mixer.A_log": "mixer.decay", "mixer.D": "mixer.skip", "mixer.out_proj": "mixer.out",
    }  # fmt: skip
    weights = renamed(model.state_dict(), table)
    for i in range(2):
        old, new = f"backbone.layers.{i}.", f"mixers.{i}."
        weights = renamed(weights, {old + "mixer.": new, old + "norm": f"norms.{i}"})
        weights[new + "step_bias"] = weights[new + "step_bias"] - ssm.mixers[i].step_start
        weights[new + "decay"] = weights[new + "decay"] - ssm.mixers[i].decay_start.log()
    split(weights, "both.", ["value.", "gate."])
    split(weights, "three.", ["step_in.", "enter.", "leave."], sizes=[2, 8, 8])
    assert_same(ssm, weights, output(model).logits.double())  # theirs works in single precision


def test_rnn_is_torchs_gru():
    rnn = ours("rnn", depth=2)
    gru = nn.GRU(WIDTH, WIDTH, num_layers=2, batch_first=True).double()
    for i, layer in enumerate(rnn.layers):
        names = {"weight_ih": "input.weight", "weight_hh": "state.weight",
                 "bias_ih": "input.bias", "bias_hh": "state.bias"}  # fmt: skip
        layer.load_state_dict({new: getattr(gru, f"{old}_l{i}") for old, new in names.items()})
    torch.testing.assert_close(rnn(TOKENS), rnn.readout(gru(rnn.embed(TOKENS))[0]))


def test_one_loop_is_a_gpt():
    looped, gpt = ours("looped_gpt", loops=1), ours("gpt:llama", depth=3)
    looped.adapter.weight.data = torch.cat([torch.zeros(WIDTH, WIDTH), torch.eye(WIDTH)], 1)
    looped.adapter.double()
    weights = {
        name.replace("attention.", "").replace("mlp.", ""): value
        for name, value in gpt.state_dict().items()
    }
    parts = {"blocks.0": "prelude.0", "blocks.1": "core.0", "blocks.2": "coda.0"}
    weights = renamed(weights, parts) | {"adapter.weight": looped.adapter.weight}
    assert_same(looped, weights, gpt(TOKENS))


def test_gradients_flow_through_the_last_loops_alone():
    model, short = ours("looped_gpt", loops=3), ours("looped_gpt", loops=3, backprop=2)
    e = model.prelude(model.embed(TOKENS))
    with torch.no_grad():
        s = model.core(model.adapter(torch.cat([torch.zeros_like(e), e], -1)))
    for _ in range(2):
        s = model.core(model.adapter(torch.cat([s, e], -1)))
    expected = model.readout(model.norm(model.coda(s)))
    torch.testing.assert_close(short(TOKENS), expected)
    expected.logsumexp(-1).mean().backward()
    short(TOKENS).logsumexp(-1).mean().backward()
    for p, q in zip(model.parameters(), short.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad)


def test_every_sequence_draws_its_own_number_of_loops():
    model, tokens = ours("looped_gpt", loops=2, sampled=True).train(), draws((9, CONTEXT))
    fixed = [ours("looped_gpt", loops=loops)(tokens) for loops in (1, 2, 3)]
    found = model(tokens)
    chosen = [[torch.allclose(found[i], own[i]) for own in fixed] for i in range(len(found))]
    assert all(sum(row) == 1 for row in chosen) and len({tuple(row) for row in chosen}) == 3
    torch.testing.assert_close(model.eval()(tokens), fixed[1])


@pytest.mark.parametrize("most", [3, 7])
def test_numbers_of_loops_are_uniform(most):
    drawn = load_module(find("architecture", "looped_gpt")).draw(draws((8192, 50)), most)
    counts = drawn.flatten().bincount(minlength=most + 1)[1:]
    assert counts.sum() == 8192
    assert (counts * most / 8192 - 1).abs().max() < 0.12


@pytest.mark.parametrize("name", NAMES)
def test_no_position_sees_the_future(name):
    model = ours(name)
    changed = TOKENS.clone()
    changed[:, 7:] = draws((3, 5), seed=1)
    before, after = parted(model(TOKENS))[0], parted(model(changed))[0]
    torch.testing.assert_close(after[:, :7], before[:, :7])
    assert not torch.allclose(after[:, 7:], before[:, 7:])


@pytest.mark.parametrize("name", NAMES)
def test_the_last_position_alone(name):
    model = ours(name)
    with seeded():
        last = load_arch(name).model({**DIMS, "positions": None}).double()
    torch.testing.assert_close(parted(last(TOKENS))[0], parted(model(TOKENS))[0][:, -1])


def test_attention_scales_agree_at_the_base():
    model = ours("gpt", attention_scale="standard")
    torch.testing.assert_close(model(TOKENS), ours("gpt", attention_scale="mup")(TOKENS))


def test_walks_has_two_layers_and_context_50():
    arch = load_arch("gpt:walks")
    assert (arch.name, arch.axes["depth"]) == ("gpt:walks", 2)
    assert load_task(arch.task).dims["inputs"] == 50


@pytest.mark.parametrize("options", [{"kv_heads": 1}, {"head_dim": 8}, {"mlp": "swiglu"}])
def test_options_of_gpt_trace(options):
    found = trace(load_arch("gpt", options), task=load_task("bytes:context=8"))
    assert not found.unused


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("gpt", {"heads_per_width": 3}, "heads_per_width must divide width 32; received 3"),
        ("gpt", {"head_dim": 5}, "head_dim=5 must divide the width of attention, 32"),
        ("gpt", {"heads": 4, "kv_heads": 3}, "kv_heads=3 must divide the number of heads, 4"),
        ("gpt:llama", {"heads_per_width": 32}, "rotary positions need heads of even size"),
        ("looped_gpt", {"heads": 3}, "heads=3 must divide width=32 into heads of even size"),
        ("looped_gpt", {"loops": 0}, "loops: received 0; allowed: a whole number of at least 1"),
        ("moe_gpt", {"heads": 3}, "heads=3 must divide width=32 into heads of even size"),
        ("moe_gpt", {"top_k": 5}, "top_k must be from 1 to experts, 4; received 5"),
    ],
)
def test_bad_sizes(name, options, message):
    with pytest.raises(ParamsearchError, match=message):
        trace(load_arch(name, options), task=load_task("bytes:context=8"))
