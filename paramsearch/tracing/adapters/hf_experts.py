"""Mixtures of experts without a loop over the experts that are chosen, which ``vmap`` cannot take.

Every expert sees every token, and the gates of those that are not chosen are zero. Of four experts
with two chosen this is twice the work, but no weights are copied from token to token.
"""

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
    gates = torch.zeros(*x.shape[:-1], len(down), dtype=weights.dtype, device=weights.device)
    gates = gates.scatter(-1, chosen, weights)  # (tokens, experts)
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
