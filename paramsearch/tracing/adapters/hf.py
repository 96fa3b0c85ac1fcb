"""Adapter ``hf:TYPE``: any causal language model of ``transformers``, made from a configuration."""

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from paramsearch.errors import ParamsearchError, brief, unknown_name
from paramsearch.tracing.adapters.adapted import Adapted, axis_settings, library
from paramsearch.tracing.adapters.hf_batching import Equivalents, replace, teach, whole_sequences
from paramsearch.tracing.adapters.hf_experts import register
from paramsearch.tracing.adapters.hf_fields import (
    CONTEXTS,
    NO_DEPTH,
    OF_KIND,
    WIDTHS,
    at_scale,
    common_names,
    composed,
    defaults,
    special_tokens,
)
from paramsearch.tracing.options import default_of, whole

_WIDTH, _DEPTH, _HEADS, _VOCABULARY = 32, 2, 2, 64
_COUNTS_TOKENS = "create_position_ids_from_input_ids"  # counts those that do not pad
_ONE_MODEL = ("dbrx", "moshi", "mpt")  # that they build of a configuration in parts
_REVERSIBLE = ("reformer",)  # with a backward pass inside of the backward pass
_OLDEST = 5  # before, configurations were no dataclasses and experts could not be batched


def hf(kind: str, settings: Mapping[str, object]) -> Adapted:
    """Adapt a causal language model of transformers; nothing is downloaded.

    Axes are ``width`` (``hidden_size``, with which the hidden size of feed-forward layers, heads
    and ranks grow) and ``depth`` (``num_hidden_layers``); any other whole size may be named as an
    axis too. Where the last layer has tensors of its own, as in ``"gpt_neox_japanese"``, there is
    no axis ``depth``. Options are the fields of the configuration, by their common names or their
    own. Vocabulary and context come from the task. Dropout is off. Where layers differ by a
    pattern, a depth should hold whole patterns: base 4 for ``"qwen3_next"``.

    Args:
        kind: Its ``model_type``, for instance ``"llama"`` or ``"qwen3_moe"``.
        settings: What the user sets: fields and axes.

    Returns:
        The parts of the architecture.

    Raises:
        ParamsearchError: The extra is not installed, there is no such model, or a setting of an
            axis does not fit.
    """
    where = f"hf:{kind}"
    transformers = library("transformers", "hf", where, _OLDEST)
    auto: Any = transformers.models.auto.modeling_auto
    known = auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    if kind not in known:
        raise unknown_name("causal language model of transformers", kind, known)
    config = _configuration(transformers, where, kind, known)
    own = {name: common for common, name in common_names(config).items()}
    named = {own.get(name, name): value for name, value in settings.items()}
    named = axis_settings(where, named, "hidden_size", "width")
    if kind not in NO_DEPTH:
        named = axis_settings(where, named, "num_hidden_layers", "depth")
    width = whole(f"architecture '{where}': width", named.get("width", _WIDTH))
    special = dict(OF_KIND.get(kind, {}))
    layers = special.pop("num_hidden_layers", _DEPTH)
    layers_name = "num_hidden_layers" if kind in NO_DEPTH else "depth"
    depth = whole(f"architecture '{where}': {layers_name}", named.get("num_hidden_layers", layers))
    heads = special.pop("num_attention_heads", _HEADS)
    heads = whole(
        f"architecture '{where}': num_attention_heads", named.get("num_attention_heads", heads)
    )
    special |= {name: round(special[name] * width) for name in special if name in WIDTHS}
    options = defaults(config, transformers.PreTrainedConfig, width, depth, heads) | special
    theirs = {name: default_of(v) for name, v in options.items() if name not in special}
    build = CausalLM(kind, width, depth, theirs)
    axes = {"width": width} | ({} if kind in NO_DEPTH else {"depth": depth})
    return Adapted(build, axes, options, named, "bytes", vocabulary=_VOCABULARY)


def _configuration(transformers: Any, where: str, kind: str, known: Collection[str]) -> Any:
    """Make a configuration with nothing set; refuse what cannot be trained."""
    made: Any = transformers.CONFIG_MAPPING[kind]
    parts = getattr(made, "sub_configs_defaults", None) or getattr(made, "sub_configs", None)
    if parts and kind not in _ONE_MODEL:
        starts = (kind, kind.split("_")[0])
        texts = [n for start in starts for n in sorted(known, key=len) if _is_text(start, n)]
        raise ParamsearchError(
            f"architecture '{where}' holds several models; choose one that is a language model "
            f"alone, such as 'hf:{[*texts, 'llama'][0]}'"
        )
    if kind in _REVERSIBLE:
        raise ParamsearchError(
            f"architecture '{where}' computes its activations again for its gradients, which "
            "members that train side by side cannot; choose another, such as 'hf:llama'"
        )
    try:
        return transformers.AutoConfig.for_model(kind)
    except Exception as error:  # of many classes
        raise ParamsearchError(
            f"architecture '{where}': its configuration cannot be made: {brief(error)}"
        ) from error


def _is_text(start: str, name: str) -> bool:
    return name.startswith(start) and "text" in name


@dataclass(frozen=True)
class CausalLM:
    """Builds the model; the arguments are dims of a task, axes and fields.

    Attributes:
        kind: The ``model_type``.
        width: Width at which the fields are given.
        depth: Depth at which they are given.
        defaults: Field -> default.
    """

    kind: str
    width: int
    depth: int
    defaults: Mapping[str, object]

    def __call__(
        self, inputs: int, outputs: int, vocabulary: int, width: int, depth: int | None = None,
        positions: int | None = None, **fields: Any,
    ) -> nn.Module:  # fmt: skip
        """Build it with random weights, as transformers initializes them."""
        transformers = library("transformers", "hf", f"hf:{self.kind}")
        plain = transformers.AutoConfig.for_model(self.kind)
        names = common_names(plain)
        layers = (depth or self.depth) / self.depth
        fields = at_scale(fields, width / self.width, layers, self.defaults)
        fields |= dict.fromkeys(CONTEXTS, inputs)
        fields |= composed(self.kind, fields)
        fields |= special_tokens(plain, max(vocabulary, outputs))
        fields |= {"use_cache": False, "is_decoder": True}
        config = transformers.AutoConfig.for_model(
            self.kind, **{names[name]: value for name, value in fields.items() if name in names}
        )
        kinds = transformers.models.auto.modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING
        kind: Any = kinds[type(config)]
        teach(sys.modules[kind.__module__])
        made = type(kind.__name__, (_Predicting, kind), {"__module__": kind.__module__})
        model = made._from_config(
            config, attn_implementation="eager", experts_implementation=register(transformers)
        )
        replace(model)
        model.answer = outputs, positions is None
        model.numbered = any(hasattr(m, _COUNTS_TOKENS) for m in model.modules())
        return model


class _Predicting(nn.Module):
    """Comes before a model of transformers and lets it map tokens to logits, under its names.

    Attributes:
        answer: How many logits, and whether at the last position alone.
        numbered: Whether it must be told the positions.
    """

    answer: tuple[int, bool]
    numbered: bool

    def forward(self, tokens: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Map tokens (batch, context) to logits (batch, context, outputs), or (batch, outputs)."""
        outputs, last_only = self.answer
        theirs: Any = super().forward  # of the class that follows this one
        places = torch.arange(tokens.shape[-1], device=tokens.device)[None]
        more = {"position_ids": places} if self.numbered else {}
        with Equivalents(), whole_sequences():
            found = theirs(input_ids=tokens, use_cache=False, **more)
        logits = found.logits[..., :outputs]
        logits = logits[:, -1] if last_only else logits
        balance = getattr(found, "aux_loss", None)
        if balance is None:
            return logits
        config: Any = self.config
        return logits, config.router_aux_loss_coef * balance
