"""Members leave the computation, and come back at its end to be measured with the others."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from paramsearch.train.optimizers.interface import Optimizer, State, Tensors, taken
from paramsearch.train.population import Stack
from paramsearch.train.step import Live


@dataclass(frozen=True, slots=True)
class Left:
    """Members that left, as they were then.

    Attributes:
        rows: Their indices among all of that time, (left,).
        others: Those of the members that went on, (kept,).
        stack: Parameters, multipliers and hyperparameters.
        memories: The probes'.
    """

    rows: Tensor
    others: Tensor
    stack: Stack
    memories: list[Tensors]


def keep(live: Live, rows: Tensor, optimizer: Optimizer) -> Live:
    """Give some of the members, to go on by themselves.

    Args:
        live: The members; their tensors stay as they are.
        rows: Indices of those that go on, increasing, (kept,).
        optimizer: Theirs.
    """
    memories = [taken(memory, rows) for memory in live.memories]
    return Live(_stack(live.stack, rows), optimizer.keep(live.state, rows), memories)


def leave(live: Live, others: Tensor) -> Left:
    """Give all but some of the members, which will make no more steps.

    Args:
        live: The members; their tensors stay as they are.
        others: Indices of those that go on, increasing, (kept,).
    """
    goes = torch.ones(live.count, dtype=torch.bool, device=others.device)
    rows = goes.index_fill_(0, others, False).nonzero().flatten()
    memories = [taken(memory, rows) for memory in live.memories]
    return Left(rows, others, _stack(live.stack, rows), memories)


def put_back(live: Live, left: Left) -> Live:
    """Give the members that went on and those that left in their old places, to make no steps."""

    def joined(kept: Mapping[str, Tensor], gone: Mapping[str, Tensor]) -> Tensors:
        return {
            name: values.new_empty(len(left.rows) + len(left.others), *values.shape[1:])
            .index_copy_(0, left.others, values)
            .index_copy_(0, left.rows, gone[name])
            for name, values in kept.items()
        }

    one, other = live.stack, left.stack
    hyper = one.hyper._replace(
        lr=joined(one.hyper.lr, other.hyper.lr),
        weight_decay=joined(one.hyper.weight_decay, other.hyper.weight_decay),
        eps=joined(one.hyper.eps, other.hyper.eps),
    )
    params = joined(one.params, other.params)
    stack = Stack(params, joined(one.multipliers, other.multipliers), hyper)
    memories = [joined(*each) for each in zip(live.memories, left.memories, strict=True)]
    return Live(stack, State({}, live.state.step), memories)


def _stack(stack: Stack, rows: Tensor) -> Stack:
    hyper = stack.hyper
    lr, decay, eps = (taken(each, rows) for each in (hyper.lr, hyper.weight_decay, hyper.eps))
    return Stack(
        taken(stack.params, rows),
        taken(stack.multipliers, rows),
        hyper._replace(lr=lr, weight_decay=decay, eps=eps),
    )
