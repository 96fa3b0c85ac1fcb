"""Turn a pretrained transformer into ``looped_gpt`` (McLeish et al., 2025, arXiv 2511.07384)."""

from typing import Any

import torch
from torch import Tensor, nn

from paramsearch.errors import ParamsearchError, unknown_name
from paramsearch.retrofit.donor import Donor
from paramsearch.retrofit.layers import Parts
from paramsearch.tracing.arch import load_arch
from paramsearch.tracing.run import seeded

ADAPTERS = ("identity", "random")


def retrofit(
    donor: Donor,
    parts: Parts,
    *,
    loops: int,
    context: int,
    adapter: str = "identity",
    every_position: bool = True,
    seed: int = 0,
) -> nn.Module:
    """Make a depth-recurrent model of a donor's layers.

    Args:
        donor: What `gpt_donor` or `llama_donor` read.
        parts: Which layers become prelude, core and coda.
        loops: How many times the core runs; also to be set later, as ``model.loops``.
        context: Context length; at most that of learned positions.
        adapter: How A in ``s <- core(A [s; e])`` starts: ``"identity"``, A = [0 | I], where the
            first passes see e alone and the model computes what the layer-dropped donor does; or
            ``"random"``, as the architecture initializes it.
        every_position: Whether to predict at every position, or at the last alone.
        seed: Of a random adapter.

    Returns:
        The ``looped_gpt``, with copies of the donor's weights.

    Raises:
        ParamsearchError: The donor has too few layers or positions, or there is no such adapter.
    """
    if adapter not in ADAPTERS:
        raise unknown_name("adapter", adapter, ADAPTERS)
    kept = parts.kept(len(donor.layers))
    sizes = {"prelude": parts.prelude, "depth": parts.core, "coda": parts.coda, "loops": loops}
    arch = load_arch("looped_gpt", {**donor.settings, "depth": parts.core, "loops": loops})
    outputs, vocabulary = len(donor.outer["readout.weight"]), len(donor.outer["embed.weight"])
    dims = {"inputs": context, "outputs": outputs, "vocabulary": vocabulary}
    if every_position:
        dims["positions"] = context
    with seeded(seed):
        model = arch.model(dims, sizes)
    weights = dict(donor.outer)
    if "position.weight" in weights:
        if context > len(weights["position.weight"]):
            raise ParamsearchError(
                f"context: received {context}; allowed: at most the "
                f"{len(weights['position.weight'])} positions that the donor learned"
            )
        weights["position.weight"] = weights["position.weight"][:context]
    for index, number in enumerate(kept):
        place = parts.place(index)
        weights |= {f"{place}.{name}": value for name, value in donor.layers[number].items()}
    own = model.state_dict()["adapter.weight"]
    width = len(own)
    start = torch.cat([torch.zeros(width, width), torch.eye(width)], dim=1)
    weights["adapter.weight"] = own if adapter == "random" else start
    model.load_state_dict(weights)
    return model.to(donor.outer["embed.weight"].dtype)


def conversion_gap(model: nn.Module, dropped: nn.Module, tokens: Tensor) -> float:
    """Measure how far the retrofitted model is from its layer-dropped donor.

    With one loop and the adapter left out, ``s = core(e)``, both are the same function.

    Args:
        model: A ``looped_gpt`` that `retrofit` made; left as it was.
        dropped: The donor with the kept layers alone, see `drop_layers`.
        tokens: (batch, context).

    Returns:
        The largest absolute difference of their logits; zero up to rounding.
    """
    looped: Any = model
    with torch.no_grad():
        e = looped.embed(tokens)
        if looped.position is not None:
            e = e + looped.position(torch.arange(tokens.shape[-1], device=tokens.device))
        own = looped.readout(looped.norm(looped.coda(looped.core(looped.prelude(e)))))
        theirs: Any = dropped(tokens)
    theirs = theirs if isinstance(theirs, Tensor) else theirs.logits
    own = own if own.dim() == theirs.dim() else own[:, -1]
    return (own - theirs).abs().max().item()
