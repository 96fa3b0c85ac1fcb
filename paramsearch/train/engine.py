"""The population engine: all members at one scale train together."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch

from paramsearch.errors import ParamsearchError, out_of_memory
from paramsearch.rules.neutral import neutral
from paramsearch.rules.rule import Rule
from paramsearch.train.arena import kept_memory
from paramsearch.train.chunk import train_chunk
from paramsearch.train.compiled import Program, compile_step
from paramsearch.train.cost import Cost, chunk_size, compiling_pays, measure
from paramsearch.train.optimizers.interface import Optimizer
from paramsearch.train.optimizers.table import optimizer_entry
from paramsearch.train.outcome import Outcome, joined
from paramsearch.train.population import Member, Stack, Stacker
from paramsearch.train.probe import AlwaysLooking, Probe
from paramsearch.train.recipe import Execution, Recipe
from paramsearch.train.repeatable import repeatable
from paramsearch.train.step import Step
from paramsearch.train.workload import Workload


def train(
    workload: Workload,
    rules: Sequence[Rule],
    members: Sequence[Member],
    recipe: Recipe,
    probes: Sequence[Probe] = (),
    on_steps: Callable[[int], None] | None = None,
    execution: Execution | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Outcome:
    """Train a population and measure it.

    Every member's trajectory is that of a plain ``torch.optim`` run of the model into which its
    rule is plugged. A member whose loss becomes non-finite has loss inf from then on and does not
    disturb the others. Where memory runs out, fewer train at a time, also of the next population.

    Args:
        workload: The model at its scale, and its data.
        rules: The rules that members refer to.
        members: The runs to make, at least one.
        recipe: Optimizer, steps and base hyperparameters.
        probes: What is measured on the way.
        on_steps: Called with the number of member-steps just made; negative for those that have
            to be made again. For progress.
        execution: How to go about it.
        on_note: Told what takes unusual time, in words.

    Returns:
        Losses, final losses and probe results.

    Raises:
        ParamsearchError: The optimizer is unknown, a rule does not match a tensor, one member
            alone does not fit into memory, or compiling was asked for and failed.
    """
    population = _Population(workload, rules, recipe, probes, execution or Execution(), on_note)
    with _matmul_precision(workload.precision):
        return population.train(members, on_steps or _silent)


def cost_of(
    workload: Workload, recipe: Recipe, probes: Sequence[Probe] = (), lr: float = 1e-3
) -> Cost:
    """Measure what a member costs, by training one and then three for a step.

    Args:
        workload: The model at its scale; it keeps the result.
        recipe: Optimizer and steps.
        probes: What is measured on the way; they add to the memory that a member takes.
        lr: A learning rate like those to come.
    """
    key = _key("cost", recipe, probes)
    if key not in workload.kept:
        optimizer_entry(recipe.optimizer).make(workload.tensors)  # what it tries is not counted
        rule = neutral(recipe.optimizer, workload.ratios)
        short, looking = replace(recipe, steps=1), [AlwaysLooking(probe) for probe in probes]

        def run(count: int) -> None:
            how = Execution(False, chunk=count)
            population = _Population(workload, [rule], short, looking, how)
            population.in_chunks([Member(0, lr, 0)] * count, count, False, _silent)

        found = measure(run)
        if probes:  # a look is rare: it adds to the memory, not to the usual step
            usual = cost_of(workload, recipe)
            found = replace(found, flops=usual.flops, traffic=usual.traffic)
        workload.kept[key] = found
    return workload.kept[key]


def strategy(
    cost: Cost,
    workload: Workload,
    recipe: Recipe,
    probes: Sequence[Probe],
    execution: Execution,
) -> tuple[bool, int]:
    """Decide how populations are trained where that is left open.

    Args:
        cost: Of a member.
        workload: The model, at any scale.
        recipe: Optimizer and steps.
        probes: What is measured on the way.
        execution: What is asked; its ``work`` decides whether compiling pays.

    Returns:
        Whether steps are compiled, and how many members train at once.
    """
    steady = optimizer_entry(recipe.optimizer).make(workload.tensors).steady
    possible = steady and workload.backend.name == "stacked"
    compiles = False if not possible else execution.compile
    if compiles is None:
        steps = recipe.steps
        looking = sum(any(probe.looks(k, steps) for probe in probes) for k in range(steps))
        share = 1 - looking / steps
        compiles = compiling_pays(cost, share * (execution.work or steps))
    return compiles, execution.chunk or chunk_size(cost, workload.device, compiles)


class _Population:
    """Members of one workload, trained chunk by chunk."""

    def __init__(
        self,
        workload: Workload,
        rules: Sequence[Rule],
        recipe: Recipe,
        probes: Sequence[Probe],
        execution: Execution,
        on_note: Callable[[str], None] | None = None,
    ) -> None:
        self._workload = workload
        self._recipe = recipe
        self._probes = probes
        self._execution = execution
        self._fits = _key("fits", recipe, probes)
        self._note: Callable[[str], None] = on_note or _silent
        self._stacker = Stacker(workload, rules, recipe.weight_decay, recipe.eps)
        self._factors = recipe.schedule.factors(recipe.steps)
        make = optimizer_entry(recipe.optimizer).make
        self._make: Callable[[], Optimizer] = lambda: make(workload.tensors)

    def train(self, members: Sequence[Member], on_steps: Callable[[int], None]) -> Outcome:
        work = self._execution.work or len(members) * self._recipe.steps
        execution = replace(self._execution, work=work)
        cost = cost_of(self._workload, self._recipe, self._probes, members[0].lr)
        compiles, size = strategy(cost, self._workload, self._recipe, self._probes, execution)
        size = min(size, self._workload.kept.get(self._fits, size))
        if compiles and execution.chunk is None:  # do not fill a large program with nothing
            size = min(size, 1 << (len(members) - 1).bit_length())
        memory = min(size, len(members)) * cost.member_bytes
        with kept_memory(self._workload.device, memory, wait=not compiles):
            return self.in_chunks(members, size, compiles, on_steps)

    def in_chunks(
        self,
        members: Sequence[Member],
        size: int,
        compiles: bool,
        on_steps: Callable[[int], None],
    ) -> Outcome:
        """Train so many members at a time; fewer where memory runs out, also of the next ones."""
        parts: list[Outcome] = []
        done = 0
        while done < len(members):
            chunk = members[done : done + size]
            part = self._attempt(chunk, size if compiles else None, on_steps)
            if part is not None:
                parts.append(part)
                done += len(chunk)
                continue
            if len(chunk) == 1:
                raise ParamsearchError(
                    f"out of memory: one member of {self._parameters():,} parameters does not fit "
                    f"on {self._workload.device}; search at smaller scales or use smaller batches"
                )
            size, compiles = max(1, len(chunk) // 2), False
            self._workload.kept[self._fits] = size
            self._note(f"out of memory, going on with {size} members at a time")
        return joined(parts)

    def _attempt(
        self, members: Sequence[Member], compiled: int | None, on_steps: Callable[[int], None]
    ) -> Outcome | None:
        """Train one chunk; None if memory runs out.

        Args:
            members: At most as many as the compiled step is made for.
            compiled: For how many members the compiled step is made; None trains without one.
            on_steps: Told about progress, also about that lost.
        """
        made = 0

        def on_step() -> None:
            nonlocal made
            made += 1
            on_steps(len(members))

        try:
            return self._train(members, compiled, on_step)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
        # Outside of the handler, so that the frames of the error let go of the chunk's memory.
        on_steps(-made * len(members))
        if self._workload.device.type == "cuda":
            torch.cuda.empty_cache()
        return None

    def _train(
        self, members: Sequence[Member], compiled: int | None, on_step: Callable[[], None]
    ) -> Outcome:
        padding = 0 if compiled is None else compiled - len(members)
        stack = self._stacker.stack([*members, *[members[-1]] * padding])
        recipe = self._recipe
        scheduled = any(factor != 1 for factor in self._factors)
        step = Step(self._workload, self._make(), self._probes, recipe.clip, scheduled)
        program = None if compiled is None else self._program(step, stack)
        with repeatable(self._workload.device):
            found = train_chunk(step, stack, self._factors, program, on_step)
        return found if not padding else _first(found, len(members))

    def _program(self, step: Step, stack: Stack) -> Program | None:
        """Give the compiled step for members laid out like these, made once for the workload."""
        count = len(next(iter(stack.params.values())))
        kinds = tuple(type(probe) for probe in step.probes)
        key = (self._recipe.optimizer, step.clip, step.scheduled, kinds, count)
        key = ("program", *key, stack.hyper.decays, frozenset(stack.multipliers))
        kept = self._workload.kept
        if key not in kept:
            try:
                kept[key] = compile_step(step, stack, self._note)
            except ParamsearchError as error:
                if self._execution.compile:
                    raise
                self._note(f"{error}; going on without")
                kept[key] = None
        return kept[key]

    def _parameters(self) -> int:
        return sum(parameter.numel() for parameter in self._workload.model.parameters())


def _key(what: str, recipe: Recipe, probes: Sequence[Probe]) -> tuple[object, ...]:
    """Name what a workload keeps of runs that take alike."""
    return what, recipe.optimizer, recipe.clip is None, tuple(type(probe) for probe in probes)


def _silent(_: object) -> None:
    """Hear nothing."""


def _first(found: Outcome, count: int) -> Outcome:
    """Leave out the members that only filled a compiled chunk."""
    probes = {name: value[:count] for name, value in found.probes.items()}
    return Outcome(found.losses[:count], found.final[:count], found.survived[:count], probes)


@contextmanager
def _matmul_precision(precision: str) -> Generator[None, None, None]:
    """Let matrix products in float32 round their operands to TF32 where that is asked for."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else before)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
