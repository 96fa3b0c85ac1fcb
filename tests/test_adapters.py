"""Language models of transformers as architectures."""

import pickle
import sys
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap

from paramsearch.errors import ParamsearchError
from paramsearch.jobs.checks import check_axis
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import load_arch
from paramsearch.tracing.output import parted
from paramsearch.tracing.run import seeded
from paramsearch.tracing.trace import Trace, trace
from paramsearch.train.workload import prepare

CONTEXT, VOCABULARY = 12, 29
DIMS = {"inputs": CONTEXT, "outputs": VOCABULARY, "vocabulary": VOCABULARY, "positions": CONTEXT}
KINDS = ["llama", "gpt2", "qwen2", "qwen3", "olmo2", "gemma", "mixtral", "mamba"]
TASK = "bytes:context=8,batch=2"


def draws(seed: int = 0) -> Tensor:
    return torch.randint(VOCABULARY, (3, CONTEXT), generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def hugging():
    return pytest.importorskip("transformers")


def ours(kind: str, seed: int = 0, dims: Any = None, **settings: object) -> Any:
    with seeded(seed):
        return load_arch(f"hf:{kind}", settings).model(dims or DIMS).eval()


@cache
def traced(kind: str, axis: str | None = None) -> Trace:
    arch = load_arch(f"hf:{kind}")
    scale = {axis: 2 * arch.axes[axis]} if axis else None
    return trace(arch, task=load_task(TASK), scale=scale)


@pytest.mark.parametrize("axis", ["width", "depth"])
@pytest.mark.parametrize("kind", KINDS)
def test_groups_are_the_same_at_every_scale(hugging, kind, axis):
    for by in ("role", "module"):
        assert list(traced(kind, axis).groups(by)) == list(traced(kind).groups(by))
    assert not traced(kind).unused


@pytest.mark.parametrize("kind", KINDS)
def test_a_population_has_the_gradients_of_its_members(hugging, kind):
    models, tokens = [ours(kind, seed) for seed in (0, 1)], draws()

    def loss(params: dict[str, Tensor]) -> Tensor:
        return functional_call(models[0], params, (tokens,)).logsumexp(-1).mean()

    members = [{name: p.detach() for name, p in model.named_parameters()} for model in models]
    stacked = {key: torch.stack([member[key] for member in members]) for key in members[0]}
    together, _ = vmap(grad_and_value(loss))(stacked)
    for i, member in enumerate(members):
        found = {key: value[i] for key, value in together.items()}
        torch.testing.assert_close(found, grad_and_value(loss)(member)[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["llama", "mixtral"])
def test_members_train_side_by_side(hugging, kind):
    workload = prepare(load_arch(f"hf:{kind}"), load_task(TASK), {})
    assert workload.backend.name == "stacked"


@pytest.mark.parametrize("kind", ["llama", "gpt2", "mixtral", "gpt_oss", "qwen3_moe"])
def test_it_is_the_model_of_transformers(hugging, kind):
    model = ours(kind)
    theirs = hugging.AutoModelForCausalLM.from_config(
        model.config, attn_implementation="eager", experts_implementation="eager"
    ).eval()
    with torch.no_grad():
        for p in model.parameters():
            p += 0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel()))
    theirs.load_state_dict(model.state_dict())
    expected = theirs(input_ids=draws(), use_cache=False).logits
    torch.testing.assert_close(model(draws()), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["llama", "bert", "opt", "mamba"])
def test_no_position_sees_the_future(hugging, kind):
    model, tokens, changed = ours(kind), draws(), draws()
    changed[:, 7:] = draws(seed=1)[:, 7:]
    before, after = model(tokens), model(changed)
    torch.testing.assert_close(after[:, :7], before[:, :7])
    assert not torch.allclose(after[:, 7:], before[:, 7:])


def test_the_last_position_alone_and_fewer_outputs(hugging):
    few = ours("llama", dims={**DIMS, "positions": None, "outputs": 5})
    torch.testing.assert_close(few(draws()), ours("llama")(draws())[:, -1, :5])


def test_the_loss_that_balances_experts_is_handed_on(hugging):
    model = ours("mixtral", output_router_logits="true", router_aux_loss_coef=0.5)
    half, whole = parted(model(draws()))[1], parted(ours("mixtral")(draws()))[1]
    assert whole is None and half.item() == pytest.approx(1, rel=0.2)  # 0.5 * top_k when even


def test_width_widens_everything_but_the_number_of_heads(hugging):
    config = load_arch("hf:qwen3", {"num_key_value_heads": 1}).model(DIMS, {"width": 128}).config
    assert (config.hidden_size, config.intermediate_size, config.head_dim) == (128, 512, 64)
    assert (config.num_attention_heads, config.num_key_value_heads) == (2, 1)
    assert (config.vocab_size, config.max_position_embeddings) == (VOCABULARY, CONTEXT)


def test_fields_go_by_both_names(hugging):
    theirs, common = ({"n_embd": "64", "n_layer": "3"}, {"hidden_size": 64, "depth": 3})
    for settings in (theirs, common, {"width": 64, "num_hidden_layers": "3"}):
        arch = load_arch("hf:gpt2", {**settings, "attn_pdrop": "0.5", "n_inner": "96"})
        config = arch.model(DIMS).config
        assert arch.axes == {"width": 64, "depth": 3}
        assert (config.n_embd, config.n_layer, config.n_inner) == (64, 3, 96)
        assert (config.attn_pdrop, config.resid_pdrop) == (0.5, 0.0)


def test_fields_of_any_kind(hugging):
    rope = "{rope_type: default, rope_theta: 500.0}"
    arch = load_arch("hf:llama", {"rope_parameters": rope, "rms_norm_eps": "1e-5"})
    assert arch.model(DIMS).config.rope_parameters["rope_theta"] == 500
    assert arch.model(DIMS).config.rms_norm_eps == 1e-5
    assert load_arch("hf:mistral", {"sliding_window": "none"}).model(DIMS).config.to_dict()


@pytest.mark.parametrize("axis", ["intermediate_size", "num_attention_heads", "hidden_size"])
def test_a_field_is_an_axis(hugging, axis):
    found = trace("hf:llama", axis=axis, task=load_task(TASK))
    growing = {t.name.split(".")[-2] for t in found.tensors if any(t.growth[axis])}
    assert growing >= GROWS[axis] and ("q_proj" in growing) != (axis == "intermediate_size")
    assert check_axis(load_arch("hf:llama"), axis).axes[axis] == found.scale[axis]


GROWS = {
    "intermediate_size": {"gate_proj", "up_proj", "down_proj"},
    "num_attention_heads": {"q_proj", "o_proj"},
    "hidden_size": {"embed_tokens", "lm_head", "norm"},
}


def test_more_experts(hugging):
    found = trace("hf:mixtral", axis="num_local_experts", task=load_task(TASK))
    growing = {t.name.split(".")[4] for t in found.tensors if any(t.growth["num_local_experts"])}
    assert growing == {"experts", "gate"}


def test_it_can_be_sent_to_a_worker(hugging):
    arch = pickle.loads(pickle.dumps(load_arch("hf:llama", {"depth": 1})))
    assert arch.model(DIMS).config.num_hidden_layers == 1


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("hf:lama", {}, "unknown causal language model of transformers 'lama'; did you mean 'llam"),
        ("hf:gemma3", {}, r"holds several models; choose .*, such as 'hf:gemma3_text'"),
        ("hf:llama", {"hiden_size": 1}, "'hiden_size'; did you mean 'hidden_size'"),
        ("hf:llama", {"width": 32, "hidden_size": 64}, "received width=32 and hidden_size=64"),
        ("hf:llama", {"width": "x"}, "width: received 'x'; allowed: a whole number"),
        ("hf:llama", {"rope_parameters": "[1"}, r"rope_parameters: received '\[1'; allowed: YAML"),
    ],
)
def test_what_does_not_fit_is_said(hugging, name, settings, message):
    with pytest.raises(ParamsearchError, match=message):
        load_arch(name, settings)


def test_a_bad_field_is_said_when_the_model_is_built(hugging):
    arch = load_arch("hf:llama", {"num_attention_heads": 3, "num_key_value_heads": 2})
    with pytest.raises(ParamsearchError, match="architecture 'hf:llama' fails at build at width=3"):
        trace(arch, task=load_task(TASK))


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ParamsearchError, match=r"extra 'hf': pip install 'paramsearch\[hf\]'"):
        load_arch("hf:llama")


def test_an_old_library_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace(__version__="4.9.1"))
    with pytest.raises(ParamsearchError, match=r"received transformers 4\.9\.1; allowed: 5 or new"):
        load_arch("hf:llama")
