"""Fields of a ``transformers`` configuration: tiny sizes, and which grow along which axis.

A field goes by its common name where a model type has its own, as ``attribute_map`` says:
``hidden_size`` is ``n_embd`` in GPT-2.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from paramsearch.tracing.options import Free

WIDTHS = {  # sizes that grow with the width, in widths
    "hidden_size": 1.0,
    "word_embed_proj_dim": 1.0,
    "embedding_size": 1.0,
    "hidden_size_per_layer_input": 0.5,
    "laurel_rank": 0.5,
    "lru_width": 1.0,
    "intermediate_size": 4.0,
    "ffn_dim": 4.0,
    "ffn_hidden_size": 4.0,
    "decoder_ffn_dim": 4.0,
    "encoder_ffn_dim": 4.0,
    "moe_intermediate_size": 2.0,
    "shared_expert_intermediate_size": 2.0,
    "head_dim": 0.5,
    "v_head_dim": 0.5,
    "mamba_d_ssm": 2.0,
    "linear_key_head_dim": 0.5,
    "linear_value_head_dim": 0.5,
    "mamba_d_head": 0.5,
    "query_pre_attn_scalar": 0.5,
    "rotary_dim": 0.25,
    "qk_nope_head_dim": 0.25,
    "qk_rope_head_dim": 0.25,
    "q_lora_rank": 0.5,
    "kv_lora_rank": 0.5,
    "indexer_head_dim": 0.5,
    "hc_lowrank": 0.5,
    "shared_experts_intermediate_size": 2.0,
}
DEPTHS = ("num_hidden_layers", "decoder_layers", "encoder_layers")
COUNTS = {
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_attention_heads": 2,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 2,
    "num_heads": 4,  # of a state space: twice the width, in heads of half the width
    "mamba_n_heads": 4,
    "n_groups": 1,
    "mamba_n_groups": 1,
    "state_size": 16,
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "type_vocab_size": 1,
}
_ROPE = {"rope_type": "default", "rope_theta": 1e4}
OF_KIND: dict[str, dict[str, Any]] = {  # where common sizes or a type's own do not fit
    "big_bird": {"attention_type": "original_full"},  # sparse blocks are as long as the context
    "codegen": {"num_attention_heads": 4},  # in four parts
    "cohere_compass_text": {"rope_parameters": Free({"full_attention": _ROPE})},
    "dbrx": {"kv_n_heads": 2, "clip_qkv": 8.0, "rope_theta": 1e4}
    | {"ffn_hidden_size": 4.0, "moe_num_experts": 4, "moe_top_k": 2},
    "dots1": {"n_shared_experts": 1},
    "dots3_note_text": {"index_head_dim": 32, "index_n_heads": 2},
    "gemma3n_text": {"num_kv_shared_layers": 0},
    "lfm2_moe": {"num_dense_layers": 1},
    "longcat_flash": {"head_dim": 0.25, "zero_expert_num": 2},  # heads are as their rotary part
    "mimo_v2_flash": {"num_key_value_heads": 1},  # twice as many in some layers
    "olmo_hybrid": {"num_hidden_layers": 4},  # the last of every four differs
    "qwen4_exp_text": {"num_hidden_layers": 4, "indexer_n_heads": 2, "indexer_kv_heads": 1}
    | {"indexer_head_dim": 0.5, "indexer_budget": 8, "indexer_compress_ratio": 2},
    "xlm": {"causal": True},
    "xmod": {"default_language": "en_XX"},
    "zamba": {"num_hidden_layers": 4},  # at least two that share
    "zaya": {"num_experts_per_tok": 1},
}
_PARTS = {  # of DBRX
    "attn_config": ("kv_n_heads", "clip_qkv", "rope_theta"),
    "ffn_config": ("ffn_hidden_size", "moe_num_experts", "moe_top_k"),
}
_RENAMED = {  # sizes that a type has under names of its own, beside its ``attribute_map``
    "longcat_flash": {"num_hidden_layers": "num_layers"},  # of two parts each
    "prophetnet": {"num_hidden_layers": "num_decoder_layers"}
    | {"num_attention_heads": "num_decoder_attention_heads"},
}
NO_DEPTH = ("gpt_neox_japanese",)  # the last layer alone has a bias, so a depth moves a tensor
_PADDED = ("xlm",)  # counts tokens that do not pad
_PATTERNS = {  # kinds of layers in turn, where a type does not say what few layers are
    "dots3_note_text": ("layer_types", ("indexed_attention",)),
    "gpt_neo": ("attention_types", ("global", "local")),
    "lfm2_moe": ("layer_types", ("conv", "full_attention")),
    "zamba": ("layers_block_type", ("linear_attention", "hybrid")),
    "zamba2": ("layers_block_type", ("linear_attention", "hybrid")),
}
VOCABULARIES = ("vocab_size", "vocab_size_per_layer_input")
CONTEXTS = ("max_position_embeddings", "max_seq_len", "model_max_length", "n_ctx")
_ALWAYS = {  # some leave them open
    *("head_dim", "num_key_value_heads", "num_experts_per_tok", "n_routed_experts"),
}
_SET_ALONE = {  # by the task, or because training needs it so
    *(
        *VOCABULARIES,
        *CONTEXTS,
        "use_cache",
        "is_decoder",
        "add_cross_attention",
        "per_layer_config",
    ),
    *("gradient_checkpointing", "use_mamba_kernels", "use_mambapy", "pretraining_tp"),
}


def common_names(config: Any) -> dict[str, str]:
    """Give the fields of a configuration: common name -> its own name.

    A name of the tables above stands for the field that ``attribute_map`` points to.
    """
    own = {field.name for field in dataclasses.fields(config)}
    known = {*WIDTHS, *DEPTHS, *COUNTS, *CONTEXTS}
    found = {name: name for name in own}
    renamed: dict[str, str] = {**config.attribute_map, **_RENAMED.get(config.model_type, {})}
    for common, name in renamed.items():
        if common in known and name in own - known and common not in own:
            found.pop(name, None)
            found[common] = name
    return found


def defaults(config: Any, generic: Any, width: int, depth: int, heads: int) -> dict[str, object]:
    """Give every field that a user may set, with a default that makes a tiny model.

    Args:
        config: A configuration with nothing set.
        generic: The class of all configurations; its fields say nothing about the model.
        width: Of the stream.
        depth: Number of layers.
        heads: Number of attention heads.

    Returns:
        Common name -> default. Sizes of the tables are whole numbers, dropout is 0; what else a
        model type derives from other fields stays None.
    """
    counts = {**COUNTS, "num_attention_heads": heads, "num_key_value_heads": heads}
    shares = {**WIDTHS, "head_dim": 1 / heads}
    sizes = {name: max(1, round(share * width)) for name, share in shares.items()}
    sizes |= dict.fromkeys(DEPTHS, depth) | counts
    skipped = {field.name for field in dataclasses.fields(generic)} | _SET_ALONE
    fields = {field.name: field for field in dataclasses.fields(config)}
    found: dict[str, object] = {}
    for common, name in common_names(config).items():
        value = _default(fields[name], config)
        if common in skipped or name.endswith(("_token_id", "_config")):
            continue
        whole = int in {type(value), type(_value(name, config))} or common in _ALWAYS
        if common in sizes and whole:
            found[common] = sizes[common]
        elif "drop" in name and isinstance(value, float):
            found[common] = 0.0
        else:
            plain = isinstance(value, bool | float | str)
            found[common] = value if plain else Free(value)
    return found


def _default(field: "dataclasses.Field[Any]", config: Any) -> object:
    if field.default is not dataclasses.MISSING:
        return field.default
    made = field.default_factory
    return made() if made is not dataclasses.MISSING else _value(field.name, config)


def _value(name: str, config: Any) -> object:
    """Read a field; some configurations refuse to give one that differs between layers."""
    try:
        return getattr(config, name)
    except (AttributeError, RuntimeError):
        return None


def at_scale(
    fields: Mapping[str, Any], width: float, depth: float, changed: Mapping[str, object]
) -> dict[str, Any]:
    """Give the fields of a model at a scale.

    Args:
        fields: Common name -> value at the base.
        width: Ratio along the width.
        depth: Ratio along the depth.
        changed: The defaults; of the fields without a table, only those that differ are given.

    Returns:
        Common name -> value.

    Example:
        >>> at_scale({"hidden_size": 32, "num_attention_heads": 2}, 2, 1, {})
        {'hidden_size': 64, 'num_attention_heads': 2}
    """
    found: dict[str, Any] = {}
    for name, value in fields.items():
        ratio = width if name in WIDTHS else depth if name in DEPTHS else 1
        if isinstance(value, int) and ratio != 1:
            found[name] = max(1, round(value * ratio))
        elif name in {*WIDTHS, *DEPTHS, *COUNTS} or "drop" in name or changed.get(name) != value:
            found[name] = value
    return found


def composed(kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields that are made of others, for the types that need it.

    These are kinds of all layers, unless they are given, and configurations of parts.

    Args:
        kind: The ``model_type``.
        fields: Common name -> value, with ``num_hidden_layers``.

    Returns:
        Field -> value.

    Example:
        >>> composed("zamba2", {"num_hidden_layers": 3})
        {'layers_block_type': ['linear_attention', 'hybrid', 'linear_attention']}
    """
    if kind == "prophetnet":  # places start at 1, and each also looks at the next
        return {
            "max_position_embeddings": fields["max_position_embeddings"] + 2,
            "add_cross_attention": False,
        }
    if kind == "dbrx":
        return {part: {name: fields[name] for name in names} for part, names in _PARTS.items()}
    name, kinds = _PATTERNS.get(kind, ("", ()))
    if not name or fields.get(name) is not None:
        return {}
    layers = [kinds[index % len(kinds)] for index in range(fields["num_hidden_layers"])]
    return {name: [[layers, 1]] if name == "attention_types" else layers}


def special_tokens(config: Any, vocabulary: int) -> dict[str, int | None]:
    """Give the numbers of special tokens, and the size of the vocabulary.

    A token that pads would not be trained, so there is none. Where a type insists on one, it is a
    further token, which no text has.

    Args:
        config: A configuration.
        vocabulary: How many tokens texts have.

    Returns:
        Field -> value.
    """
    names = ("pad_token_id", "bos_token_id", "eos_token_id")
    kinds = {field.name: str(field.type) for field in dataclasses.fields(config)}
    needed = [n for n in names if n in kinds and not {"None", "Optional"} & set(_words(kinds[n]))]
    needed += ["pad_token_id"] * (config.model_type in _PADDED)
    found: dict[str, int | None] = dict.fromkeys(names)
    found |= dict.fromkeys(needed, vocabulary)
    return {**found, **dict.fromkeys(VOCABULARIES, vocabulary + bool(needed))}


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text)
