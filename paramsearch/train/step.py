"""One step of many members: forward, backward, clipping, optimizer, and what probes add up."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor

from paramsearch.tasks.task import Batch
from paramsearch.train.blockwise import update_in_blocks
from paramsearch.train.clip import clip
from paramsearch.train.optimizers.interface import Hyper, Optimizer, State, Tensors
from paramsearch.train.population import Stack, effective
from paramsearch.train.probe import Probe
from paramsearch.train.wide import Groups, apart, joined
from paramsearch.train.workload import Workload


@dataclass(slots=True)
class Live:
    """Members under way.

    Attributes:
        stack: Parameters, multipliers and hyperparameters.
        state: The optimizer's.
        memories: The probes', in their order.
    """

    stack: Stack
    state: State
    memories: list[Tensors]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(next(iter(self.stack.params.values())))

    def tensors(self) -> dict[str, Any]:
        """Give the tensors that a step changes, as one nest whose order does not change with it."""
        slots = {slot: _sorted(values) for slot, values in sorted(self.state.slots.items())}
        return {
            "params": _sorted(self.stack.params),
            "slots": slots,
            "step": self.state.step,
            "memories": [_sorted(memory) for memory in self.memories],
        }

    def changing(self) -> list[Tensor]:
        """Give the same tensors in a row."""
        return leaves(self.tensors())


def leaves(nest: Any) -> list[Tensor]:
    """Give the tensors of nested dicts, lists and tuples in the order of torch's ``tree_flatten``.

    Which takes six times as long, as it knows many more containers: of a step of two members of a
    small mlp, half the time.

    Example:
        >>> import torch
        >>> leaves({"b": torch.tensor(1), "a": [torch.tensor(2), (torch.tensor(3),)]})
        [tensor(1), tensor(2), tensor(3)]
    """
    found: list[Tensor] = []
    for each in cast(Iterable[Any], nest.values() if isinstance(nest, dict) else nest):
        if isinstance(each, Tensor):
            found.append(each)
        else:
            found += leaves(each)
    return found


@dataclass(frozen=True, slots=True)
class Change:
    """What one step is about to do.

    Attributes:
        losses: Loss of every member before the step, (members,).
        grads: Its gradient, clipped.
        updates: What the optimizer adds to the parameters.
        state: The optimizer's state after it.
    """

    losses: Tensor
    grads: Tensors
    updates: Tensors
    state: State


@dataclass(frozen=True, slots=True)
class Step:
    """The step that all members of a population make together.

    Attributes:
        workload: Model and data.
        optimizer: The pair (init, update).
        probes: What is measured on the way.
        clip: Largest norm of a member's gradient.
        scheduled: Whether the learning rate changes from step to step.
    """

    workload: Workload
    optimizer: Optimizer
    probes: Sequence[Probe]
    clip: float | None
    scheduled: bool

    def change(self, live: Live, batch: Batch, factor: Tensor) -> Change:
        """Work out a step without making it; the old optimizer state is used up.

        Args:
            live: The members.
            batch: The training batch.
            factor: The schedule's, a tensor without dimensions.
        """
        grads, losses = self._gradients(live.stack.params, live.stack.multipliers, batch)
        hyper = self._hyper(live, factor)
        updates, state = self.optimizer.update(grads, live.state, live.stack.params, hyper)
        return Change(losses, grads, updates, state)

    def _gradients(
        self, params: Tensors, multipliers: Tensors, batch: Batch
    ) -> tuple[Tensors, Tensor]:
        """Give the clipped gradients of all members, and their losses."""

        def loss(params: Tensors, multipliers: Tensors, batch: Batch) -> Tensor:
            return self.workload.loss(effective(params, multipliers), batch)

        gradients = self.workload.backend.gradients(loss, (0, 0, None))
        grads, losses = gradients(params, multipliers, batch)
        return (grads if self.clip is None else clip(grads, self.clip)), losses

    def _hyper(self, live: Live, factor: Tensor) -> Hyper:
        hyper = live.stack.hyper
        if not self.scheduled:
            return hyper
        lr = {name: value * factor for name, value in hyper.lr.items()}
        return hyper._replace(lr=lr, schedule=factor)

    def make(self, live: Live, change: Change) -> None:
        """Make the step: the members are changed in place."""
        self._watch(live, change.losses, change.grads, change.updates)
        for name, update in change.updates.items():
            live.stack.params[name].add_(update)
        live.state = change.state

    def _watch(self, live: Live, losses: Tensor, grads: Tensors, updates: Tensors) -> None:
        live.memories = [
            probe.add(memory, losses, grads, updates)
            for probe, memory in zip(self.probes, live.memories, strict=True)
        ]

    def __call__(self, live: Live, batch: Batch, factor: Tensor) -> Tensor:
        """Work out a step and make it; gives the losses before it, (members,)."""
        if self.probes or not self.optimizer.pure:
            change = self.change(live, batch, factor)
            self.make(live, change)
            return change.losses
        grads, losses = self._gradients(live.stack.params, live.stack.multipliers, batch)
        hyper = self._hyper(live, factor)
        steps = live.state.step
        for name, param in live.stack.params.items():  # gradients go as they are used up
            state = State(_of(name, live.state.slots), live.state.step)
            steps = update_in_blocks(self.optimizer, {name: grads.pop(name)}, param, state, hyper)
        live.state = State(live.state.slots, steps)
        return losses

    def wide(self, live: Live, groups: Groups, batch: Batch, factor: Tensor) -> Tensor:
        """Make the same step of members whose tensors of one shape lie end to end.

        With the updates of all tensors worked out together: a compiler puts them in an order of
        its own.

        Args:
            live: The members, all their tensors those of groups but for multipliers and what
                probes remember.
            groups: Which tensors are in them.
            batch: The training batch.
            factor: The schedule's, a tensor without dimensions.
        """
        params = live.stack.params
        grads, losses = self._gradients(apart(params, groups), live.stack.multipliers, batch)
        hyper = self._hyper(live, factor)
        changes, state = self.optimizer.update(joined(grads, groups), live.state, params, hyper)
        self._watch(live, losses, grads, apart(changes, groups))
        for name, change in changes.items():
            params[name].add_(change)
        live.state = state
        return losses

    def begin(self, stack: Stack) -> Live:
        """Give members that have not made a step; probes have still to start."""
        return Live(stack, self.optimizer.init(stack.params), [{} for _ in self.probes])


def in_place(live: Live, step: Callable[[Live], Tensor]) -> Tensor:
    """Make a step so that every tensor of the members stays where it is in memory.

    Args:
        live: The members; as objects they are left as they are.
        step: Makes a step of members, and may replace their tensors by new ones.

    Returns:
        What the step gives.
    """
    members = Live(live.stack, live.state, live.memories)
    losses = step(members)
    for old, new in zip(live.changing(), members.changing(), strict=True):
        if new is not old:
            old.copy_(new)
    return losses


def _of(name: str, slots: dict[str, Tensors]) -> dict[str, Tensors]:
    """Give what an optimizer remembers of one tensor."""
    return {s: {name: values[name]} if name in values else {} for s, values in slots.items()}


def _sorted(values: Tensors) -> Tensors:
    return dict(sorted(values.items()))
