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
from paramsearch.train.step import Live, Step, leaves

Stepping = Callable[[Live, Batch, Tensor], Tensor]
"""Makes a step in place and gives the losses before it."""

Program = Callable[..., Sequence[Tensor]]
"""Takes the tensors of a step, changes those that it changes, and gives losses and new ones."""


def compile_step(step: Step, stack: Stack, note: Callable[[str], None]) -> Stepping:
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
    live, batch = step.begin(stack), workload.batch(0)
    start = Moment(0, 1, stack, stack.params, {}, {}, workload.evaluation(), workload)
    live.memories = [probe.start(start) for probe in step.probes]
    factor = torch.ones((), dtype=torch.float64, device=workload.device)
    examples, spec = tree_flatten(_inputs(live, batch, factor))
    replaced: list[int] = []  # of the tensors that a step changes, those not changed in place

    def flat(*values: Tensor) -> list[Tensor]:
        inputs = tree_unflatten(list(values), spec)
        members = _live(inputs, live)
        before = members.changing()
        losses = step.at_once(members, inputs["batch"], inputs["factor"])
        after = members.changing()
        replaced[:] = [i for i, old in enumerate(before) if after[i] is not old]
        return [losses, *(after[i] for i in replaced)]

    try:
        with torch.no_grad():
            program = _compile(*_traced(flat, examples))
            program(*(example.clone() for example in examples))
    except Exception as error:
        raise ParamsearchError(f"the step cannot be compiled here: {brief(error)}") from error
    note(f"compiled for {count} members in {time.perf_counter() - began:.0f} s")

    def run(live: Live, batch: Batch, factor: Tensor) -> Tensor:
        losses, *values = program(*leaves(_inputs(live, batch, factor)))
        if replaced:
            changing = live.changing()
            for index, value in zip(replaced, values, strict=True):
                changing[index].copy_(value)
        return losses

    return run


def _traced(
    function: Callable[..., list[Tensor]], examples: Sequence[Tensor]
) -> tuple[GraphModule, FakeTensorMode, list[Tensor]]:
    """Trace a step; gives the graph and the stand-ins with which it was made."""
    from torch._inductor.decomposition import select_decomp_table  # takes a second

    mode, fakes = fakes_of(examples)
    with Formulations(least=0):
        return functional_trace(function, mode, fakes, select_decomp_table()), mode, fakes


def _compile(graph: GraphModule, mode: FakeTensorMode, fakes: Sequence[Tensor]) -> Program:
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
                code = _lowered(graph, fakes)
        except (AttributeError, ImportError, TypeError):  # another torch; it traces once more
            return cast(Any, torch._inductor).compile(graph, list(fakes))
    return lambda *values: code(list(values))


def _lowered(graph: GraphModule, fakes: Sequence[Tensor]) -> Any:
    """Compile a trace by the part of torch's compiler that comes after tracing."""
    from torch._inductor import compile_fx, config

    extra: Any = compile_fx.create_compiler_config_extra
    about = config if "config" in signature(extra).parameters else graph
    (outputs,) = next(iter(reversed(graph.graph.nodes))).args
    counts = (len(cast(list[Any], outputs)), len(fakes))
    return compile_fx.compile_fx_forward(graph, fakes, *counts, extra(about), is_inference=True)


def _inputs(live: Live, batch: Batch, factor: Tensor) -> dict[str, Any]:
    """Give all that a step reads; a program is made for the strides of what it was made with."""
    hyper = live.stack.hyper
    return {
        **live.tensors(),
        "multipliers": live.stack.multipliers,
        "hyper": [hyper.lr, hyper.weight_decay, hyper.eps],
        "batch": tuple(part.contiguous() for part in batch),  # windows of tokens overlap
        "factor": factor,
    }


def _live(inputs: dict[str, Any], like: Live) -> Live:
    lr, weight_decay, eps = inputs["hyper"]
    hyper = like.stack.hyper._replace(lr=lr, weight_decay=weight_decay, eps=eps)
    stack = Stack(inputs["params"], inputs["multipliers"], hyper)
    return Live(stack, State(inputs["slots"], inputs["step"]), inputs["memories"])
