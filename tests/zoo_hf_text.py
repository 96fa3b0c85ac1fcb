"""Language models of transformers from random configurations, and what their tensors are."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from zoo import Case

transformers: Any = pytest.importorskip("transformers")

VOCABULARY = 29
SHARED = {
    "vocab_size": VOCABULARY, "num_hidden_layers": 2, "max_position_embeddings": 16,
    "use_cache": False, "pad_token_id": None, "bos_token_id": None, "eos_token_id": None,
}  # fmt: skip


def made(kind: str, head: str, **fields: Any) -> nn.Module:
    """Make a model of a configuration, under its common names of fields."""
    config = getattr(transformers, f"{kind}Config")(**fields)
    return getattr(transformers, f"{kind}{head}")(config)


def llama_like(kind: str, **fields: Any) -> Callable[[int], nn.Module]:
    """Two heads that widen with the model; one group of keys and values."""

    def build(width: int) -> nn.Module:
        heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": width // 2}
        sizes = {"hidden_size": width, "intermediate_size": 2 * width}
        return made(kind, "ForCausalLM", **SHARED | heads | sizes | fields)

    return build


def more_heads(kind: str, groups: int, **fields: Any) -> Callable[[int], nn.Module]:
    """Heads of size 4, more of them in a wider model; groups of keys and values stay if given."""

    def build(width: int) -> nn.Module:
        heads = {
            "head_dim": 4, "num_attention_heads": width // 4,
            "num_key_value_heads": groups or width // 4,
        }  # fmt: skip
        return llama_like(kind, **heads, **fields)(width)

    return build


def gpt2(width: int) -> nn.Module:
    sizes = {"n_embd": width, "n_layer": 2, "n_head": 2, "n_positions": 16}
    return made("GPT2", "LMHeadModel", **SHARED | sizes)


def bert(width: int) -> nn.Module:
    sizes = {"hidden_size": width, "intermediate_size": 2 * width, "num_attention_heads": 2}
    return made("Bert", "ForMaskedLM", **SHARED | sizes | {"pad_token_id": 0})


def t5(width: int, **fields: Any) -> nn.Module:
    sizes = {"d_model": width, "d_kv": width // 2, "d_ff": 4 * width, "num_heads": 2}
    fields = {"num_layers": 2, "decoder_start_token_id": 0, "use_cache": False} | fields
    return made("T5", "ForConditionalGeneration", vocab_size=VOCABULARY, **sizes | fields)


def t5_more_heads(width: int) -> nn.Module:
    return t5(width, d_kv=4, num_heads=width // 4, feed_forward_proj="gated-gelu")


def mamba(width: int) -> nn.Module:
    return made("Mamba", "ForCausalLM", hidden_size=width, state_size=4, **SHARED)


def tokens(seed: int = 0) -> Tensor:
    return torch.randint(VOCABULARY, (2, 7), generator=torch.Generator().manual_seed(seed))


def words() -> dict[str, Tensor]:
    return {"input_ids": tokens()}


def pairs() -> dict[str, Tensor]:
    return {"input_ids": tokens(), "decoder_input_ids": tokens(1)}


GPT2 = """
transformer.wte.weight                      tied       input
transformer.wpe.weight                      embedding  input
transformer.h.#.ln_#.(weight|bias)          norm       vector
transformer.h.#.attn.(c_attn|c_proj).weight linear     hidden
transformer.h.#.attn.(c_attn|c_proj).bias   linear     vector
transformer.h.#.mlp.(c_fc|c_proj).weight    linear     hidden
transformer.h.#.mlp.(c_fc|c_proj).bias      linear     vector
transformer.ln_f.(weight|bias)              norm       vector
"""
LLAMA = """
model.embed_tokens.weight                          embedding  input
model.layers.#.self_attn.(q|k|v|o)_proj.weight     linear     hidden
model.layers.#.mlp.(gate|up|down)_proj.weight      linear     hidden
model.layers.#.(input|post_attention)_layernorm.weight mul    vector
model.norm.weight                                  mul        vector
lm_head.weight                                     linear     output
"""
LLAMA_FIXED_GROUPS = """
model.embed_tokens.weight                          embedding  input
model.layers.#.self_attn.(q|o)_proj.weight         linear     hidden
model.layers.#.self_attn.(k|v)_proj.weight         linear     output
model.layers.#.mlp.(gate|up|down)_proj.weight      linear     hidden
model.layers.#.(input|post_attention)_layernorm.weight mul    vector
model.norm.weight                                  mul        vector
lm_head.weight                                     linear     output
"""
QWEN2 = LLAMA + "model.layers.#.self_attn.(q|k|v)_proj.bias linear vector"
QWEN3 = LLAMA + "model.layers.#.self_attn.(q|k)_norm.weight mul vector"
QWEN3_MORE_HEADS = LLAMA + "model.layers.#.self_attn.(q|k)_norm.weight mul scalar"
GEMMA = """
model.embed_tokens.weight                          tied       input
model.layers.#.self_attn.(q|k|v|o)_proj.weight     linear     hidden
model.layers.#.mlp.(gate|up|down)_proj.weight      linear     hidden
model.layers.#.(input|post_attention)_layernorm.weight mul    vector
model.norm.weight                                  mul        vector
"""
OLMO2 = """
model.embed_tokens.weight                          embedding  input
model.layers.#.self_attn.(q|k|v|o)_proj.weight     linear     hidden
model.layers.#.self_attn.(q|k)_norm.weight         mul        vector
model.layers.#.mlp.(gate|up|down)_proj.weight      linear     hidden
model.layers.#.post_(attention|feedforward)_layernorm.weight mul vector
model.norm.weight                                  mul        vector
lm_head.weight                                     linear     output
"""
MIXTRAL = """
model.embed_tokens.weight                          embedding  input
model.layers.#.self_attn.(q|k|v|o)_proj.weight     linear     hidden
model.layers.#.mlp.gate.weight                     linear     output
model.layers.#.mlp.experts.(gate_up|down)_proj     linear     hidden
model.layers.#.(input|post_attention)_layernorm.weight mul    vector
model.norm.weight                                  mul        vector
lm_head.weight                                     linear     output
"""
BERT = """
bert.embeddings.word_embeddings.weight             tied       input
bert.embeddings.(position|token_type)_embeddings.weight embedding input
bert.embeddings.LayerNorm.(weight|bias)            norm       vector
bert.encoder.layer.#.attention.self.(query|key|value).weight linear hidden
bert.encoder.layer.#.attention.self.(query|key|value).bias   linear vector
bert.encoder.layer.#.(attention.output|intermediate|output).dense.weight linear hidden
bert.encoder.layer.#.(attention.output|intermediate|output).dense.bias   linear vector
bert.encoder.layer.#.(attention.|)output.LayerNorm.(weight|bias) norm vector
cls.predictions.transform.dense.weight             linear     hidden
cls.predictions.transform.dense.bias               linear     vector
cls.predictions.transform.LayerNorm.(weight|bias)  norm       vector
cls.predictions.bias                               linear     scalar
"""
T5 = """
shared.weight                                      tied       input
*.SelfAttention.(q|k|v|o).weight                   linear     hidden
*.EncDecAttention.(q|k|v|o).weight                 linear     hidden
*.SelfAttention.relative_attention_bias.weight     embedding  scalar
*.DenseReluDense.(wi|wo).weight                    linear     hidden
(encoder|decoder).block.#.layer.#.layer_norm.weight mul       vector
(encoder|decoder).final_layer_norm.weight          mul        vector
"""
T5_MORE_HEADS = """
shared.weight                                      tied       input
*.SelfAttention.(q|k|v|o).weight                   linear     hidden
*.EncDecAttention.(q|k|v|o).weight                 linear     hidden
*.SelfAttention.relative_attention_bias.weight     embedding  input
*.DenseReluDense.(wi_0|wi_1|wo).weight             linear     hidden
(encoder|decoder).block.#.layer.#.layer_norm.weight mul       vector
(encoder|decoder).final_layer_norm.weight          mul        vector
"""
MAMBA = """
backbone.embeddings.weight                         tied       input
backbone.layers.#.norm.weight                      mul        vector
backbone.layers.#.mixer.A_log                      mul        vector
backbone.layers.#.mixer.D                          mul        vector
backbone.layers.#.mixer.conv1d.weight              conv       input
backbone.layers.#.mixer.conv1d.bias                conv       vector
backbone.layers.#.mixer.(in|x|dt|out)_proj.weight  linear     hidden
backbone.layers.#.mixer.dt_proj.bias               linear     vector
backbone.norm_f.weight                             mul        vector
"""

EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
CASES = {
    "gpt2": Case(gpt2, words, GPT2),
    "llama": Case(llama_like("Llama"), words, LLAMA),
    "llama-more-heads": Case(more_heads("Llama", groups=2), words, LLAMA_FIXED_GROUPS),
    "qwen2": Case(llama_like("Qwen2"), words, QWEN2),
    "qwen3": Case(llama_like("Qwen3"), words, QWEN3),
    "qwen3-more-heads": Case(more_heads("Qwen3", groups=0), words, QWEN3_MORE_HEADS),
    "gemma": Case(llama_like("Gemma"), words, GEMMA),
    "olmo2": Case(llama_like("Olmo2"), words, OLMO2),
    "mixtral": Case(llama_like("Mixtral", **EXPERTS), words, MIXTRAL),
    "bert": Case(bert, words, BERT),
    "t5": Case(t5, pairs, T5),
    "t5-more-heads": Case(t5_more_heads, pairs, T5_MORE_HEADS),
    "mamba": Case(mamba, words, MAMBA, width=16),
}
