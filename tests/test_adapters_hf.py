"""Language models of transformers that need defaults of their own, or equivalents for ``vmap``."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import Function
from torch.func import functional_call, grad, grad_and_value, vmap
from torch.fx.experimental.proxy_tensor import make_fx

from paramsearch.errors import ParamsearchError
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.adapters.hf_batching import Equivalents, batchable
from paramsearch.tracing.arch import load_arch
from paramsearch.tracing.output import parted
from paramsearch.tracing.run import seeded
from paramsearch.tracing.trace import trace
from paramsearch.train.workload import prepare

CONTEXT, VOCABULARY = 12, 29
DIMS = {"inputs": CONTEXT, "outputs": VOCABULARY, "vocabulary": VOCABULARY, "positions": CONTEXT}
KINDS = [
    *("bloom", "gpt_neo", "zamba2", "dbrx", "roberta", "codegen", "modernbert-decoder"),
    *("recurrent_gemma", "deepseek_v3", "glm4_moe", "llama4_text", "jetmoe"),
    *("cpmant", "big_bird", "lfm2_moe", "zaya", "dots1", "mimo_v2_flash", "falcon_h1"),
    *("gemma3n_text", "xmod", "cwm", "longcat_flash", "prophetnet", "xlm"),
    *("dots3_note_text", "gpt_neox_japanese"),
]
TASK = "bytes:context=8,batch=2"

transformers: Any = pytest.importorskip("transformers")


def draws(seed: int = 0) -> Tensor:
    return torch.randint(VOCABULARY, (3, CONTEXT), generator=torch.Generator().manual_seed(seed))


def ours(kind: str, seed: int = 0, **settings: object) -> Any:
    with seeded(seed):
        model = load_arch(f"hf:{kind}", settings).model(DIMS).eval()
        for p in model.parameters():
            p.data += 0.05 * torch.randn_like(p)
    return model


@pytest.mark.parametrize("kind", ["llama", "gpt2", "qwen2", "mixtral"])
def test_a_step_can_be_traced_for_the_compiler(kind):
    model, masks = ours(kind), transformers.masking_utils
    before = masks.find_packed_sequence_indices
    members = {name: torch.stack([p.detach()] * 2) for name, p in model.named_parameters()}

    def loss(params: dict[str, Tensor], tokens: Tensor) -> Tensor:
        return parted(functional_call(model, params, (tokens,)))[0].logsumexp(-1).mean()

    step = vmap(grad_and_value(loss), (0, None))
    traced = make_fx(step, tracing_mode="fake", _allow_non_fake_inputs=True)(members, draws())
    torch.testing.assert_close(traced(members, draws(1)), step(members, draws(1)))
    assert masks.find_packed_sequence_indices is before


@pytest.mark.parametrize("kind", KINDS)
def test_a_population_has_the_gradients_of_its_members(kind):
    models = [ours(kind, seed) for seed in (0, 1)]
    members = [{name: p.detach() for name, p in model.named_parameters()} for model in models]
    stacked = {key: torch.stack([member[key] for member in members]) for key in members[0]}

    def loss(params: dict[str, Tensor], tokens: Tensor) -> Tensor:
        return parted(functional_call(models[0], params, (tokens,)))[0].logsumexp(-1).mean()

    for tokens in (draws(), draws(1)):  # nothing of a step is left in the model
        together, _ = vmap(grad_and_value(loss), (0, None))(stacked, tokens)
        for i, member in enumerate(members):
            found = {key: value[i] for key, value in together.items()}
            expected = grad(loss)(member, tokens)
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", ["bloom", "dbrx", "jetmoe", "roberta"])
def test_members_train_side_by_side(kind):
    workload = prepare(load_arch(f"hf:{kind}"), load_task(TASK), {})
    assert workload.backend.name == "stacked"


SAME = ["dbrx", "jetmoe", "deepseek_v3", "llama4_text", "roberta", "longcat_flash", "xlm"]


@pytest.mark.parametrize("kind", [*SAME, "prophetnet", "dots3_note_text", "qwen4_exp_text"])
def test_it_is_the_model_of_transformers(kind):
    model = ours(kind)
    if kind == "prophetnet":
        model.config.pad_token_id = 0  # so that it counts places from 1 on
    theirs = transformers.AutoModelForCausalLM.from_config(
        model.config, attn_implementation="eager", experts_implementation="eager"
    ).eval()
    theirs.load_state_dict(model.state_dict())
    places = {"position_ids": torch.arange(CONTEXT)[None]} if kind == "roberta" else {}
    expected = theirs(input_ids=draws(), use_cache=False, **places).logits[..., :VOCABULARY]
    torch.testing.assert_close(model(draws()), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "kind", ["roberta", "jetmoe", "modernbert-decoder", "big_bird", "prophetnet", "xlm"]
)
def test_no_position_sees_the_future(kind):
    model, tokens, changed = ours(kind), draws(), draws()
    changed[:, 7:] = draws(seed=1)[:, 7:]
    before, after = model(tokens), model(changed)
    torch.testing.assert_close(after[:, :7], before[:, :7])
    assert not torch.allclose(after[:, 7:], before[:, 7:])


@pytest.mark.parametrize(("kind", "size"), [("modernbert-decoder", VOCABULARY + 1), ("cwm", 30)])
def test_a_token_that_pads_is_none_of_the_text(kind, size):
    model = ours(kind)
    assert model.config.vocab_size == size and model(draws()).shape[-1] == VOCABULARY
    model(torch.zeros(1, CONTEXT, dtype=torch.long)).sum().backward()
    assert model.get_input_embeddings().weight.grad[0].abs().sum() > 0


def test_layers_of_several_kinds_follow_the_depth():
    assert ours("gpt_neo", depth=3).config.attention_layers == ["global", "local", "global"]
    own = ours("gpt_neo", attention_types="[[[local], 2]]").config
    assert own.attention_layers == ["local", "local"]
    assert load_arch("hf:zamba").axes["depth"] == 4


def test_a_last_layer_of_its_own_leaves_width_alone():
    arch = load_arch("hf:gpt_neox_japanese", {"num_hidden_layers": 3})
    assert list(arch.axes) == ["width"]
    assert arch.model(DIMS).config.num_hidden_layers == 3
    found = {
        t.name: t for t in trace("hf:gpt_neox_japanese", axis="width", task=load_task(TASK)).tensors
    }
    assert found["gpt_neox_japanese.layers.1.attention.dense_bias"].role == "vector"


@pytest.mark.parametrize(
    ("kind", "field"), [("longcat_flash", "num_layers"), ("prophetnet", "num_decoder_layers")]
)
def test_sizes_under_names_of_a_type_grow(kind, field):
    config = load_arch(f"hf:{kind}", {field: 3}).model(DIMS, {"width": 64, "depth": 6}).config
    assert (getattr(config, field), config.hidden_size) == (6, 64)


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("musicgen", "llama"),
        ("qwen3_5", "qwen3_5_text"),
        ("gemma4_assistant", "gemma4_text"),
        ("blt", "llama"),
    ],
)
def test_one_of_several_models_is_named(kind, named):
    with pytest.raises(ParamsearchError, match=f"several models; .* such as 'hf:{named}'"):
        load_arch(f"hf:{kind}")
    assert load_arch(f"hf:{named}").model(DIMS)(draws()).shape == (3, CONTEXT, VOCABULARY)


def test_a_backward_pass_inside_a_backward_pass_is_refused():
    with pytest.raises(ParamsearchError, match="hf:reformer' computes its activations again"):
        load_arch("hf:reformer")


def test_parts_of_a_configuration_grow_with_the_width():
    config = load_arch("hf:dbrx", {"moe_num_experts": 3}).model(DIMS, {"width": 64}).config
    assert (config.d_model, config.ffn_config.ffn_hidden_size) == (64, 256)
    assert (config.ffn_config.moe_num_experts, config.attn_config.kv_n_heads) == (3, 2)
    narrow = load_arch("hf:dbrx", {"width": 16}).model(DIMS).config
    assert narrow.ffn_config.ffn_hidden_size == 64


def test_experts_side_by_side_in_one_matrix_have_a_width():
    found = {t.name: t for t in trace("hf:dbrx", axis="width", task=load_task(TASK)).tensors}
    assert found["transformer.blocks.0.ffn.experts.mlp.w1"].role == "hidden"


class Odd(Function):
    """The square, with a gradient that is not its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.factor = factor
        return x * x

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return ctx.factor * x * upstream, None


def test_a_function_keeps_its_own_gradient():
    x, same = torch.tensor([1.0, 3.0]), batchable(Odd)
    torch.testing.assert_close(vmap(lambda one: same.apply(one, 5.0))(x), x * x)
    torch.testing.assert_close(vmap(grad(lambda one: same.apply(one, 5.0)))(x), 5 * x)


CALLS = {
    "scatter a number": lambda x, i: torch.zeros_like(x).scatter_(0, i, 1),
    "scatter values": lambda x, i: torch.zeros_like(x).scatter_(0, i, x[1:]),
    "fill with a tensor": lambda x, i: torch.masked_fill(x, x > 0, torch.tensor(-2.0)),
    "fill with a number": lambda x, i: x.masked_fill(x > 0, -2),
}


@pytest.mark.parametrize("name", CALLS)
def test_equivalents_do_the_same(name):
    call, random = CALLS[name], torch.Generator().manual_seed(0)
    x, i = torch.randn(4, 3, generator=random), torch.tensor([[0, 1], [2, 0], [1, 2], [1, 0]])
    with Equivalents():
        found = vmap(call)(x, i)
    expected = torch.stack([call(*pair) for pair in zip(x, i, strict=True)])
    torch.testing.assert_close(found, expected)
