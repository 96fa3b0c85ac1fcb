"""The step as one program: traced through ``vmap`` and autograd, for torch's compiler."""

import time
from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any, cast

import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode
from torch.fx import GraphModule
from torch.utils._pytree import tree_flatten, tree_unflatten

from paramsearch.errors import ParamsearchError, brief
from paramsearch.tasks.task import Batch
from paramsearch.train.formulations import Formulations
from paramsearch.train.functional import fakes_of, functional_trace
from paramsearch.train.optimizers.interface import State
from paramsearch.train.population import Stack
from paramsearch.train.probe import Moment
from paramsearch.train.products import decompositions
from paramsearch.train.repeatable import compiled_in_order, undivided
from paramsearch.train.shortcuts import shortcuts
from paramsearch.train.step import Live, Step, leaves
from paramsearch.train.wide import Groups, groups_of, joined, moved

Stepping = Callable[[Batch, Tensor], Tensor]
"""Makes a step of some members in place, with a batch and the schedule's factor; gives the losses
before it."""

Program = Callable[[Live], Stepping]
"""Gives the step of members laid out like those for which it is compiled; it moves their tensors
together."""

Code = Callable[..., Sequence[Tensor]]
"""Takes the tensors of a step, changes those that it changes, and gives losses and new ones."""


def compile_step(step: Step, stack: Stack, note: Callable[[str], None]) -> Program:
    """Compile a step for the number of members at hand.

    What the compiler makes of equal models, numbers of members and optimizers is kept on disk by
    torch and found again by later runs.

    Args:
        step: The step.
        stack: Members like those that will be trained; they are not changed.
        note: Told how long it took.

    Returns:
        The compiled step, for any members laid out like these.

    Raises:
        ParamsearchError: The step cannot be compiled here.
    """
    began = time.perf_counter()
    workload, count = step.workload, len(next(iter(stack.params.values())))
    groups = groups_of(stack.params, step.optimizer)
    live, batch = step.begin(stack), workload.batch(0)
    start = Moment(0, 1, stack, stack.params, {}, {}, workload.evaluation(), workload)
    live.memories = [probe.start(start) for probe in step.probes]
    like = _widened(live, groups)
    factor = torch.ones((), dtype=torch.float64, device=workload.device)
    examples, spec = tree_flatten([_tensors(like), _given(batch, factor)])
    replaced: list[int] = []  # of the tensors that a step changes, those not changed in place

    def flat(*values: Tensor) -> list[Tensor]:
        tensors, (*parts, factor) = tree_unflatten(list(values), spec)
        members = _live(tensors, like)
        before = members.changing()
        losses = step.wide(members, groups, tuple(parts), factor)
        after = members.changing()
        replaced[:] = [i for i, old in enumerate(before) if after[i] is not old]
        return [losses, *(after[i] for i in replaced)]

    try:
        device = workload.device
        table = {**decompositions(device), **undivided(device)}
        with torch.no_grad(), shortcuts(device), compiled_in_order(device):
            code = _compile(*_traced(flat, examples, table))
            code(*(example.clone() for example in examples))
    except Exception as error:
        raise ParamsearchError(f"the step cannot be compiled here: {brief(error)}") from error
    note(f"compiled for {count} members in {time.perf_counter() - began:.0f} s")

    def of(live: Live) -> Stepping:
        wide = _widened(live, groups)
        own, changing = leaves(_tensors(wide)), wide.changing()

        def run(batch: Batch, factor: Tensor) -> Tensor:
            losses, *values = code(*own, *_given(batch, factor))
            for index, value in zip(replaced, values, strict=True):
                changing[index].copy_(value)
            return losses

        return run

    return of


def _traced(
    function: Callable[..., list[Tensor]], examples: Sequence[Tensor], other: dict[Any, Any]
) -> tuple[GraphModule, FakeTensorMode, list[Tensor]]:
    """Trace a step; gives the graph and the stand-ins with which it was made."""
    from torch._inductor.decomposition import select_decomp_table  # takes a second

    mode, fakes = fakes_of(examples)
    table = {**select_decomp_table(), **other}
    with Formulations(least=0):
        return functional_trace(function, mode, fakes, table), mode, fakes


def _compile(graph: GraphModule, mode: FakeTensorMode, fakes: Sequence[Tensor]) -> Code:
    """Hand a traced step to torch's compiler as it is.

    ``torch.compile`` would trace it twice more, and check at every step what cannot change.
    """
    import torch._inductor  # these take a second
    from torch._guards import TracingContext, tracing
    from torch._inductor.virtualized import V

    from paramsearch.train.kernels import built_together

    with built_together():
        try:
            with tracing(TracingContext(mode)), V.set_fake_mode(mode):
                lowered = _lowered(graph, fakes)
        except (AttributeError, ImportError, TypeError):  # another torch; it traces once more
            return cast(Any, torch._inductor).compile(graph, list(fakes))
    return lambda *values: lowered(list(values))


def _lowered(graph: GraphModule, fakes: Sequence[Tensor]) -> Any:
    """Compile a trace by the part of torch's compiler that comes after tracing."""
    from torch._inductor import compile_fx, config

    extra: Any = compile_fx.create_compiler_config_extra
    about = config if "config" in signature(extra).parameters else graph
    (outputs,) = next(iter(reversed(graph.graph.nodes))).args
    counts = (len(cast(list[Any], outputs)), len(fakes))
    return compile_fx.compile_fx_forward(graph, fakes, *counts, extra(about), is_inference=True)


def _widened(live: Live, groups: Groups) -> Live:
    """Lay the tensors of members end to end; their own are then parts of the wide ones."""
    params = moved(live.stack.params, groups)
    slots = {slot: moved(values, groups) for slot, values in live.state.slots.items()}
    hyper = live.stack.hyper
    lr, decay, eps = (joined(each, groups) for each in (hyper.lr, hyper.weight_decay, hyper.eps))
    hyper = hyper._replace(lr=lr, weight_decay=decay, eps=eps)
    stack = Stack(params, live.stack.multipliers, hyper)
    return Live(stack, State(slots, live.state.step), live.memories)


def _tensors(live: Live) -> dict[str, Any]:
    """Give all that a step reads of its members."""
    hyper = live.stack.hyper
    constant = [live.stack.multipliers, hyper.lr, hyper.weight_decay, hyper.eps]
    return {**live.tensors(), "constant": constant}


def _given(batch: Batch, factor: Tensor) -> list[Tensor]:
    """Give all else; a program is made for the strides of what it was made with."""
    return [*(part.contiguous() for part in batch), factor]  # windows of tokens overlap


def _live(tensors: dict[str, Any], like: Live) -> Live:
    multipliers, lr, weight_decay, eps = tensors["constant"]
    hyper = like.stack.hyper._replace(lr=lr, weight_decay=weight_decay, eps=eps)
    stack = Stack(tensors["params"], multipliers, hyper)
    return Live(stack, State(tensors["slots"], tensors["step"]), tensors["memories"])
