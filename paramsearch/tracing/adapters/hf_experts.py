"""Mixtures of experts without a loop over the experts that are chosen, which ``vmap`` cannot take.

Every expert sees every token, and the gates of those that are not chosen are zero. Of four experts
with two chosen this is twice the work, but no weights are copied from token to token.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

NAME = "paramsearch_dense"


def register(transformers: Any) -> str:
    """Let models of transformers compute their experts so; gives the name to ask for."""
    transformers.integrations.moe.ALL_EXPERTS_FUNCTIONS.register(NAME, dense)
    return NAME


def dense(experts: Any, x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    """Give ``sum_e gate_e(x) expert_e(x)`` for every token.

    Args:
        experts: A module of transformers that holds the weights of all experts, (experts, out, in),
            or (experts, in, out) where it is ``is_transposed``.
        x: Tokens (tokens, width).
        chosen: Numbers of the experts of each token (tokens, top_k).
        weights: Their gates (tokens, top_k).

    Returns:
        Sums (tokens, width).
    """
    down = experts.down_proj
    gates = _gates(chosen, weights, len(down))
    copies = x.expand(len(down), *x.shape)  # (experts, tokens, width)
    if experts.has_gate:
        hidden = experts._apply_gate(_product(experts, copies, "gate_up_proj"))
    else:
        hidden = experts.act_fn(_product(experts, copies, "up_proj"))
    found = _product(experts, hidden, "down_proj")
    if experts.has_post_expert_norm:
        found = experts.post_expert_norm(found)
    return (found * gates.mT[..., None]).sum(dim=0).to(x.dtype)


def _product(experts: Any, x: Tensor, name: str) -> Tensor:
    """Multiply the tokens (experts, tokens, in) of each expert with its matrix."""
    weight: Tensor = getattr(experts, name)
    found = x.bmm(weight if experts.is_transposed else weight.mT)
    return found + getattr(experts, f"{name}_bias")[:, None] if experts.has_bias else found


def sorted_gates(router: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Give the pairs of token and chosen expert, sorted by expert, without asking how many.

    Args:
        router: Of JetMoE.
        x: Tokens (tokens, width).

    Returns:
        Of each pair in its new place the old place, the token and the gate, (tokens * top_k,); how
        many pairs each expert has, (experts,); and the logits, (tokens, experts).
    """
    logits = router.layer(x).float()
    top, chosen = logits.topk(router.top_k, dim=1)
    gates = top.softmax(dim=1).type_as(x).flatten()
    experts = chosen.flatten()
    order = experts.sort()[1]
    numbers = torch.arange(router.num_experts, device=x.device)
    sizes = (experts[:, None] == numbers).sum(dim=0)
    return order, order // router.top_k, gates[order], sizes, logits


def sorted_experts(layer: Any, x: Tensor, sizes: Tensor) -> Tensor:
    """Multiply every row with the matrix of its expert; rows are sorted by expert.

    Args:
        layer: Of JetMoE, with weights (experts, out, in).
        x: Rows (rows, in).
        sizes: How many rows each expert has, (experts,).

    Returns:
        Products (rows, out).
    """
    rows = torch.arange(len(x), device=x.device)
    own = (rows[:, None] >= sizes.cumsum(dim=0)).sum(dim=-1)  # expert of each row
    numbers = torch.arange(layer.num_experts, device=x.device)
    found = x.expand(layer.num_experts, *x.shape).bmm(layer.weight.mT)  # (experts, rows, out)
    return (found * (own == numbers[:, None])[..., None]).sum(dim=0)


def dbrx_experts(layer: Any, x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    """Give ``sum_e gate_e(x) expert_e(x)`` for every token, as `dense` does.

    Args:
        layer: Of DBRX, with weights (experts * hidden, width).
        x: Tokens (batch, context, width).
        chosen: Numbers of the experts of each token (tokens, top_k).
        weights: Their gates (tokens, top_k).

    Returns:
        Sums (batch, context, width).
    """
    count, mlp = layer.num_experts, layer.mlp
    flat = x.flatten(0, -2)
    gates = _gates(chosen, weights, count)
    w1, v1, w2 = (w.view(count, -1, x.shape[-1]) for w in (mlp.w1, mlp.v1, mlp.w2))
    copies = flat.expand(count, *flat.shape)
    hidden = mlp.activation_fn(copies.bmm(w1.mT)) * copies.bmm(v1.mT)
    return (hidden.bmm(w2) * gates.mT[..., None]).sum(dim=0).view_as(x)


def longcat_experts(layer: Any, x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    """Give ``sum_e gate_e(x) expert_e(x)`` for every token; the last experts are the identity.

    Args:
        layer: Of LongCat Flash, with weights (experts, out, in).
        x: Tokens (tokens, width).
        chosen: Numbers of the experts of each token (tokens, top_k).
        weights: Their gates (tokens, top_k).

    Returns:
        Sums (tokens, width).
    """
    count = layer.num_routed_experts
    gates = _gates(chosen, weights, layer.total_experts)
    copies = x.expand(count, *x.shape)
    gate, up = copies.bmm(layer.gate_up_proj[:count].mT).chunk(2, dim=-1)
    found = (layer.act_fn(gate) * up).bmm(layer.down_proj.mT)
    found = (found * gates[:, :count].mT[..., None]).sum(dim=0)
    return found + x * gates[:, count:].sum(dim=-1, keepdim=True)


def _gates(chosen: Tensor, weights: Tensor, count: int) -> Tensor:
    """Spread the gates of the chosen experts over all, (tokens, experts)."""
    gates = torch.zeros(len(chosen), count, dtype=weights.dtype, device=weights.device)
    return gates.scatter(-1, chosen, weights)


LAYERS: dict[str, Callable[..., Any]] = {
    "DbrxExperts": dbrx_experts,
    "LongcatFlashExperts": longcat_experts,
    "JetMoeTopKGating": sorted_gates,
    "JetMoeParallelExperts": sorted_experts,
}
