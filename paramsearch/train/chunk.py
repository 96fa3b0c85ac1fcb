"""Train one chunk of members from their initial parameters to the end."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from paramsearch.tasks.task import Batch
from paramsearch.train.captured import capture
from paramsearch.train.compiled import Program, Stepping
from paramsearch.train.leaving import Left, keep, leave, put_back
from paramsearch.train.outcome import Outcome, outcome
from paramsearch.train.population import Stack
from paramsearch.train.probe import Moment
from paramsearch.train.step import Live, Step, in_place

CHECK_EVERY = 8
"""Steps between looks for diverged members; each makes a GPU wait."""

_WORTH_MOVING = 1 / 8  # share of members that must have diverged before the others are moved
_WORTH_LEAVING = 1 / 2  # the same, when it means to leave a compiled step, made for their number


def train_chunk(
    step: Step,
    stack: Stack,
    factors: Sequence[float],
    program: Program | None = None,
    on_step: Callable[[], None] | None = None,
) -> Outcome:
    """Train members side by side.

    Args:
        step: What a step is.
        stack: The members at their start; changed in place.
        factors: The schedule's factor of each step.
        program: Gives the compiled step of members of this number; None runs operation by
            operation.
        on_step: Called after every step.

    Returns:
        What became of them.
    """
    with torch.no_grad():
        return _Chunk(step, stack, factors, program).train(on_step)


class _Chunk:
    """Members under way, and what is known about them."""

    def __init__(
        self, step: Step, stack: Stack, factors: Sequence[float], program: Program | None
    ) -> None:
        self._step = step
        self._program = program
        self._workload = step.workload
        device = self._workload.device
        self._live = step.begin(stack)
        # Kept on the device as one tensor, so that no step waits for a copy of a number.
        self._factors = torch.tensor(factors, dtype=torch.float64, device=device)
        self._losses = torch.full(
            (self._live.count, len(factors)),
            float("inf"),
            dtype=self._workload.dtype,
            device=device,
        )
        self._rows = torch.arange(self._live.count, device=device)
        self._left: list[Left] = []
        self._stepping: Stepping | None = None

    def train(self, on_step: Callable[[], None] | None) -> Outcome:
        try:
            return self._trained(on_step)
        finally:  # what refers to this object would keep its tensors until garbage is collected
            self._stepping = None

    def _trained(self, on_step: Callable[[], None] | None) -> Outcome:
        steps, probes = len(self._factors), self._step.probes
        start = self._moment(0)
        self._live.memories = [probe.start(start) for probe in probes]
        for number in range(steps):
            if self._live.count:
                self._advance(number)
            if (number + 1) % CHECK_EVERY == 0:
                self._drop(number)
            if on_step is not None:
                on_step()
        while self._left:
            self._live = put_back(self._live, self._left.pop())
        end = self._moment(steps)
        pairs = zip(probes, self._live.memories, strict=True)
        results = {name: v for probe, m in pairs for name, v in probe.result(m, end).items()}
        return outcome(self._losses, results)

    def _advance(self, number: int) -> None:
        batch, factor = self._workload.batch(number), self._factors[number]
        if any(probe.looks(number, len(self._factors)) for probe in self._step.probes):
            # In place, for a recording knows the tensors by where they are.
            losses = in_place(self._live, lambda live: self._look(live, number, batch, factor))
        else:
            losses = self._fast(batch, factor)
        self._losses[self._rows, number] = losses

    def _fast(self, batch: Batch, factor: Tensor) -> Tensor:
        if self._stepping is None:
            self._stepping = self._made(batch, factor)
        return self._stepping(batch, factor)

    def _made(self, batch: Batch, factor: Tensor) -> Stepping:
        """Give the step of the members as they now lie in memory."""
        step = self._slow if self._program is None else self._program(self._live)
        return capture(step, self._live.changing(), batch, factor) if self._records else step

    def _slow(self, batch: Batch, factor: Tensor) -> Tensor:
        if not self._records:
            return self._step(self._live, batch, factor)
        return in_place(self._live, lambda live: self._step(live, batch, factor))

    @property
    def _records(self) -> bool:
        """Whether steps are played back from a recording."""
        return self._workload.device.type == "cuda" and self._step.optimizer.steady

    def _look(self, live: Live, number: int, batch: Batch, factor: Tensor) -> Tensor:
        """Make one step slowly, so that probes see gradient and update apart."""
        steps = len(self._factors)
        change = self._step.change(live, batch, factor)
        moment = self._moment(number, change.grads, change.updates, batch)
        live.memories = [
            probe.look(memory, moment) if probe.looks(number, steps) else memory
            for probe, memory in zip(self._step.probes, live.memories, strict=True)
        ]
        self._step.make(live, change)
        return change.losses

    def _moment(
        self,
        number: int,
        grads: dict[str, Tensor] | None = None,
        updates: dict[str, Tensor] | None = None,
        batch: Batch | None = None,
    ) -> Moment:
        workload, stack = self._workload, self._live.stack
        seen = batch or workload.evaluation()
        steps = len(self._factors)
        params = stack.params
        return Moment(number, steps, stack, params, grads or {}, updates or {}, seen, workload)

    def _drop(self, number: int) -> None:
        """Leave diverged members behind; probes find them where they were."""
        if not self._live.count:
            return
        alive = self._losses[self._rows, number].isfinite()
        gone = 1 - alive.double().mean().item()
        if gone < (_WORTH_MOVING if self._program is None else _WORTH_LEAVING) and gone < 1:
            return
        rows = alive.nonzero().flatten()
        if self._step.probes:
            self._left.append(leave(self._live, rows))
        self._live = keep(self._live, rows, self._step.optimizer)
        self._rows = self._rows[rows]
        self._program = self._stepping = None
