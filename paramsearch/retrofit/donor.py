"""What a retrofit takes from a pretrained model: its weights in one naming, and what it is like."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from paramsearch.errors import ParamsearchError
from paramsearch.retrofit.layers import count_layers
from paramsearch.tracing.arch import Arch
from paramsearch.tracing.options import default_of

_LLAMA = {
    "input_layernorm": "attention_norm",
    "post_attention_layernorm": "mlp_norm",
    "self_attn.q_proj": "query",
    "self_attn.k_proj": "key",
    "self_attn.v_proj": "value",
    "self_attn.o_proj": "out",
    "mlp.gate_proj": "gate",
    "mlp.up_proj": "up",
    "mlp.down_proj": "down",
}
_SHARED = ("norm", "mlp", "encoding", "attention_scale", "qk_norm", "bias")  # by both models
_TRAINED = (".weight", ".bias")
_OUTER = {"model.embed_tokens": "embed", "model.norm": "norm", "lm_head": "readout"}


@dataclass(frozen=True, slots=True)
class Donor:
    """A pretrained transformer in the words of ``looped_gpt``.

    Attributes:
        outer: Weights and biases outside of the layers, ``embed.weight``, ``norm.weight``, ...
        layers: Those of each layer, ``query.weight``, ``mlp_norm.weight``, ...
        settings: Axes and options of ``looped_gpt`` under which its blocks are the donor's.
    """

    outer: Mapping[str, Tensor]
    layers: tuple[Mapping[str, Tensor], ...]
    settings: Mapping[str, object]


def gpt_donor(state: Mapping[str, Tensor], arch: Arch) -> Donor:
    """Read the state dict of a trained ``gpt``.

    Args:
        state: Of the model.
        arch: The architecture as it was trained, with its options and base sizes set: ``gpt`` or
            ``gpt:llama``.

    Returns:
        The donor.

    Raises:
        ParamsearchError: It has an option that ``looped_gpt`` has not.
    """
    options: dict[str, Any] = {name: default_of(option) for name, option in arch.options.items()}
    width = state["embed.weight"].shape[1]
    size = options["head_dim"] or width // options["heads_per_width"]
    rms = options["norm"] == "rms"
    heads = state["blocks.0.attention.query.weight"].shape[0] // size
    _check("gpt: encoding", options["encoding"], ("rotary", "learned"))
    _check("gpt: width of attention", heads * size, (width,))
    settings = {
        **{name: options[name] for name in _SHARED},
        "eps": 1e-6 if rms else 1e-5,
        **_sizes(state["blocks.0.mlp.up.weight"], heads, options["kv_heads"] or heads),
    }
    blocks = _layers(state, "blocks", {"attention.": "", "mlp.": ""})
    return Donor(_without_layers(state, {}), blocks, settings)


def llama_donor(state: Mapping[str, Tensor], config: Mapping[str, Any]) -> Donor:
    """Read the state dict of a Llama of ``transformers``.

    Args:
        state: Of the ``LlamaForCausalLM``.
        config: Its configuration, ``model.config.to_dict()``.

    Returns:
        The donor. Its readout is a tensor of its own, also where it was tied.

    Raises:
        ParamsearchError: It has biases in attention or feed-forward layers alone, heads of another
            size, or scaled rotary positions.
    """
    _check("llama: model_type", config["model_type"], ("llama",))
    bias = bool(config.get("attention_bias", False))
    _check("llama: mlp_bias beside attention_bias", config.get("mlp_bias", False), (bias,))
    _check("llama: hidden_act", config["hidden_act"], ("silu",))
    width, heads = config["hidden_size"], config["num_attention_heads"]
    _check("llama: head_dim", config.get("head_dim") or width // heads, (width // heads,))
    rope: Mapping[str, Any] = config.get("rope_parameters") or {
        "rope_theta": config.get("rope_theta", 1e4),
        **(config.get("rope_scaling") or {}),
    }
    _check("llama: rope_type", rope.get("rope_type", "default"), ("default",))
    settings = {
        "norm": "rms",
        "mlp": "swiglu",
        "encoding": "rotary",
        "attention_scale": "standard",
        "bias": bias,
        "eps": float(config["rms_norm_eps"]),
        "theta": float(rope["rope_theta"]),
        **_sizes(
            state["model.layers.0.mlp.up_proj.weight"],
            heads,
            config.get("num_key_value_heads") or heads,
        ),
    }
    outer = _without_layers(state, _OUTER)
    outer.setdefault("readout.weight", outer["embed.weight"])
    return Donor(outer, _layers(state, "model.layers", _LLAMA), settings)


def _sizes(up: Tensor, heads: int, kv_heads: int) -> dict[str, object]:
    hidden, width = up.shape
    return {"width": width, "heads": heads, "kv_heads": kv_heads, "ffn": hidden / width}


def _check(what: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise ParamsearchError(
            f"donor {what}: received {value!r}; allowed: {' or '.join(map(repr, allowed))}, as in "
            "looped_gpt"
        )


def _without_layers(state: Mapping[str, Tensor], table: Mapping[str, str]) -> dict[str, Tensor]:
    found = {
        _renamed(name, table): value
        for name, value in state.items()
        if ".layers." not in name and not name.startswith("blocks.")
    }
    return {name: value for name, value in found.items() if name.endswith(_TRAINED)}


def _layers(
    state: Mapping[str, Tensor], prefix: str, table: Mapping[str, str]
) -> tuple[dict[str, Tensor], ...]:
    layers: list[dict[str, Tensor]] = [{} for _ in range(count_layers(state))]
    for name, value in state.items():
        if name.startswith(f"{prefix}.") and name.endswith(_TRAINED):
            number, _, rest = name.removeprefix(f"{prefix}.").partition(".")
            layers[int(number)][_renamed(rest, table)] = value
    return tuple(layers)


def _renamed(name: str, table: Mapping[str, str]) -> str:
    for old, new in table.items():
        name = new + name.removeprefix(old) if name.startswith(old) else name
    return name
