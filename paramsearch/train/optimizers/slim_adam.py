"""SlimAdam: AdamW with second moments averaged over a dimension (arXiv 2503.01843)."""

from collections.abc import Hashable, Sequence

import torch

from paramsearch.tracing.tensor import TensorInfo
from paramsearch.train.optimizers.adam import BETAS, corrections
from paramsearch.train.optimizers.interface import (
    Hyper,
    Optimizer,
    State,
    Tensors,
    no_steps,
    zeros,
)
from paramsearch.train.optimizers.matrices import fan_dims

_QUERY_OR_KEY = {"q", "k", "query", "key"}
_FUSED = {"qkv", "kv", "qk", "in_proj", "c_attn"}
_AFFIXES = ("_proj", "_lin", "proj_", "to_", "w_", "w", "c_")


def slim_adam(tensors: Sequence[TensorInfo], betas: tuple[float, float] = BETAS) -> Optimizer:
    """Make SlimAdam with its static rules (Kalra et al. 2025): ``v`` follows ``mean_K(g^2)``.

    The dimensions K that a tensor's second moment is averaged over are those of `averaged`; all
    else is AdamW, and weight decay acts on tensors with two dimensions or more.

    Args:
        tensors: The tensors of the model; one that is not among them gets plain AdamW.
        betas: Decay per step of the first and the second moment.

    Returns:
        The pair (init, update).

    Example:
        >>> weight = TensorInfo("up.weight", (8, 4), "linear", "hidden", 4, 8, {}, False, "hidden")
        >>> slots = slim_adam([weight]).init({"up.weight": torch.ones(3, 8, 4)}).slots
        >>> slots["second"]["up.weight"].shape
        torch.Size([3, 1, 4])
    """
    beta1, beta2 = betas
    dims = {tensor.name: [1 + d for d in averaged(tensor)] for tensor in tensors}
    dims = {name: found for name, found in dims.items() if found}

    def init(params: Tensors) -> State:
        second = {
            name: torch.zeros_like(p.mean(dim=dims[name], keepdim=True) if name in dims else p)
            for name, p in params.items()
        }
        return State({"first": zeros(params), "second": second}, no_steps(params))

    def update(
        grads: Tensors, state: State, params: Tensors, hyper: Hyper
    ) -> tuple[Tensors, State]:
        step = state.step + 1
        bias = corrections(step, betas)
        updates: Tensors = {}
        for name, grad in grads.items():
            square = grad.square()
            square = square.mean(dim=dims[name], keepdim=True) if name in dims else square
            first = state.slots["first"][name].lerp_(grad, 1 - beta1)
            second = state.slots["second"][name].lerp_(square, 1 - beta2)
            # The division by the small denominator is made small as well.
            small = second.sqrt().add_(hyper.eps[name] * bias.root)
            slow = hyper.lr[name] * -bias.pace / small
            change = first * slow
            if hyper.decays and grad.ndim > 2:
                decay = hyper.lr[name] * hyper.weight_decay[name]
                change.addcmul_(decay, params[name], value=-1)
            updates[name] = change
        return updates, State(state.slots, step)

    def kind(name: str) -> Hashable:
        return tuple(dims.get(name, ()))

    return Optimizer(init, update, kind=kind)


def averaged(tensor: TensorInfo) -> tuple[int, ...]:
    """Give the dimensions over which SlimAdam averages a tensor's second moment.

    | tensor                                   | averaged over |
    | ---------------------------------------- | ------------- |
    | embedding, of tokens or positions        | features      |
    | first layer, output layer                | fan-in        |
    | query, key (by their names)              | fan-in        |
    | any other hidden matrix                  | fan-out       |
    | norm, bias, gain; hidden convolution     | nothing       |
    | query, key and value in one matrix       | nothing       |

    Args:
        tensor: What the tensor is.

    Returns:
        Dimensions of its shape.

    Example:
        >>> key = TensorInfo("k_proj.weight", (8, 4), "linear", "hidden", 4, 8, {}, True, "hidden")
        >>> averaged(key)
        (1,)
    """
    ndim = len(tensor.shape)
    if ndim < 2 or (tensor.role == "hidden" and tensor.op == "conv"):
        return ()
    if tensor.op in ("embedding", "tied", "add"):
        return (ndim - 1,)
    if tensor.role == "vector":
        return ()
    if tensor.op == "conv":
        return tuple(range(1, ndim))
    fan_out, fan_in = fan_dims(tensor)
    if tensor.role != "hidden":
        return (fan_in,)
    words = _words(tensor.name)
    if words & _FUSED:
        return ()
    return (fan_in,) if words & _QUERY_OR_KEY else (fan_out,)


def _words(name: str) -> set[str]:
    """Give the parts of a dotted name, as they are and without what is often put around them."""
    parts = set(name.lower().split("."))
    bare = {p.removesuffix(a) for p in parts for a in _AFFIXES if p.endswith(a)}
    bare |= {p.removeprefix(a) for p in parts for a in _AFFIXES if p.startswith(a)}
    fused = {p.removesuffix("_weight") for p in parts}
    return parts | bare | fused
