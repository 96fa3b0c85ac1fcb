"""The population engine: all members at one scale train together under ``torch.func.vmap``."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.func import grad_and_value, vmap

from paramsearch.rules.rule import Rule
from paramsearch.tasks.task import Batch
from paramsearch.train.optimizer import Optimizer, Tensors
from paramsearch.train.optimizers import EPS, optimizer_entry
from paramsearch.train.population import Member, Stack, Stacker, effective
from paramsearch.train.probe import Moment, Probe
from paramsearch.train.workload import Workload

CHUNK_BYTES = 192 * 2**20
"""Memory that one chunk of members may take: parameters, moments, gradients and activations."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How every member of a population is trained.

    Attributes:
        optimizer: Name of the optimizer.
        steps: Number of updates.
        weight_decay: Weight decay at the base scale, as in ``torch.optim``.
        eps: Adam's epsilon at the base scale.
        chunk: Members trained at once; None chooses it from their size.
    """

    optimizer: str
    steps: int
    weight_decay: float = 0.0
    eps: float = EPS
    chunk: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the members, in the order in which they were given.

    Attributes:
        losses: Training loss before each update, (members, steps); inf from divergence on.
        final: Mean training loss over the last quarter of the steps, (members,); inf if diverged.
            One batch would do for a rank, but the average has a far sharper optimum.
        survived: Share of the steps made before the loss became non-finite, (members,); 1 for
            members that did not diverge.
        probes: Everything the probes measured; the member dimension comes first.
    """

    losses: Tensor
    final: Tensor
    survived: Tensor
    probes: dict[str, Tensor] = field(default_factory=dict[str, Tensor])


def train(
    workload: Workload,
    rules: Sequence[Rule],
    members: Sequence[Member],
    recipe: Recipe,
    probes: Sequence[Callable[[], Probe]] = (),
    on_steps: Callable[[int], None] | None = None,
) -> Outcome:
    """Train a population and measure it.

    Every member's trajectory is that of a plain ``torch.optim`` run of the model into which its
    rule is plugged. A member whose loss becomes non-finite has loss inf from then on and does not
    disturb the others.

    Args:
        workload: The model at its scale, and its data.
        rules: The rules that members refer to.
        members: The runs to make.
        recipe: Optimizer, steps and base hyperparameters.
        probes: Makers of probes, called once per chunk of members.
        on_steps: Called with the number of member-steps just made; for progress.

    Returns:
        Losses, final losses and probe results.

    Raises:
        ParamsearchError: The optimizer is unknown, or a rule does not match a tensor.
    """
    optimizer = optimizer_entry(recipe.optimizer).make()
    stacker = Stacker(workload, rules, recipe.weight_decay, recipe.eps)
    size = recipe.chunk or chunk_size(workload)
    parts = [
        _train_chunk(
            workload,
            stacker.stack(members[start : start + size]),
            optimizer,
            recipe.steps,
            [make() for make in probes],
            on_steps,
        )
        for start in range(0, len(members), size)
    ]
    names = parts[0].probes if parts else {}
    return Outcome(
        losses=torch.cat([part.losses for part in parts]),
        final=torch.cat([part.final for part in parts]),
        survived=torch.cat([part.survived for part in parts]),
        probes={name: torch.cat([part.probes[name] for part in parts]) for name in names},
    )


def chunk_size(workload: Workload) -> int:
    """Choose how many members to train at once, from the memory that one of them takes.

    A member holds its parameters six times (values, gradient, two moments, update, draw) and its
    activations about twice, whose size is taken from the widest layers: examples x fan-outs.
    """
    parameters = sum(p.numel() for p in workload.model.parameters())
    examples = workload.batch(0)[1].numel()
    activations = examples * sum(t.fan_out for t in workload.tensors if len(t.shape) > 1)
    size = torch.finfo(workload.dtype).bits // 8
    return max(1, CHUNK_BYTES // (size * (6 * parameters + 4 * activations)))


def _train_chunk(
    workload: Workload,
    stack: Stack,
    optimizer: Optimizer,
    steps: int,
    probes: Sequence[Probe],
    on_steps: Callable[[int], None] | None,
) -> Outcome:
    def member_loss(params: Tensors, multipliers: Tensors, batch: Batch) -> Tensor:
        return workload.loss(effective(params, multipliers), batch)

    gradients = vmap(grad_and_value(member_loss), in_dims=(0, 0, None))
    params = stack.params
    state = optimizer.init(params)
    history: list[Tensor] = []
    members = len(next(iter(params.values())))
    with torch.no_grad():
        for step in range(steps):
            batch = workload.batch(step)
            grads, losses = gradients(params, stack.multipliers, batch)
            updates, state = optimizer.update(grads, state, params, stack.hyper)
            if probes:
                moment = Moment(step, steps, stack, params, grads, updates, batch, workload)
                for probe in probes:
                    probe.observe(moment)
            for name, update in updates.items():
                params[name].add_(update)
            history.append(losses)
            if on_steps is not None:
                on_steps(members)
        moment = Moment(steps, steps, stack, params, {}, {}, workload.evaluation(), workload)
        for probe in probes:
            probe.finish(moment)
    results = {name: value for probe in probes for name, value in probe.result().items()}
    return _outcome(torch.stack(history, dim=1), results)


def _outcome(losses: Tensor, probes: dict[str, Tensor]) -> Outcome:
    """Turn losses of shape (members, steps) into inf, from the first non-finite one on."""
    alive = losses.isfinite().cumprod(dim=1).bool()
    losses = losses.masked_fill(~alive, float("inf"))
    late = max(1, losses.shape[1] // 4)
    return Outcome(
        losses=losses,
        final=losses[:, -late:].mean(dim=1),
        survived=alive.to(losses.dtype).mean(dim=1),
        probes=probes,
    )
