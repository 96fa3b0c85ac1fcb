"""Which way members of a foreign optimizer may be laid out: tried on the shapes of the model."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from itertools import tee
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from paramsearch.errors import ParamsearchError
from paramsearch.rules.torch_class import construct, step_once
from paramsearch.train.optimizers.foreign_run import MOST, Run, Way
from paramsearch.train.optimizers.interface import Hyper, Tensors, taken

Shapes = tuple[tuple[int, ...], ...]

WAYS = (Way(), Way(held=False), Way(linear=False), Way(linear=False, held=False))
"""From the fastest on; each is right for more classes than the one before."""

ALONE = Way(stacked=False, linear=False, held=False)
"""Every member has a torch optimizer of its own: right for every class."""

TRIED_BYTES = 16 * 2**20
"""Size of the parameters of the members tried at once, a tenth of what that takes at its peak."""

_TOLERANCE = 1e-9
_DOUBLE = 8  # bytes


@dataclass(frozen=True, slots=True)
class _Trial:
    """Members that a way is tried on, in float64.

    Attributes:
        shapes: Of their tensors.
        settings: lr, weight decay and eps of each kind of member.
        members: How many; kinds take turns.
        steps: Updates made.
    """

    shapes: Shapes
    settings: tuple[tuple[float, float, float], ...]
    members: int
    steps: int

    def order(self) -> Tensor:
        """Give the kind of every member, (members,)."""
        return torch.arange(self.members) % len(self.settings)

    def params(self) -> Tensors:
        """Give where each kind starts, (kinds, *shape)."""
        return self._normals(torch.Generator().manual_seed(0))

    def gradients(self) -> Iterable[Tensors]:
        """Yield the gradients of each step.

        Kinds in turn have gradients that keep their signs, that alternate and that are random;
        each kind's are 10 times larger than the last one's.
        """
        generator = torch.Generator().manual_seed(1)
        first = self._normals(generator)
        for step in range(self.steps):
            grads = self._normals(generator)
            for t, grad in grads.items():
                grad[0::3] = first[t][0::3]
                grad[1::3] = first[t][1::3] * (-1) ** step
                for kind in range(len(grad)):
                    grad[kind] *= 10.0**kind
            yield grads

    def hyper(self, kinds: Tensor, decays: bool) -> Hyper:
        """Give the settings of members of some kinds."""
        lr, decay, eps = torch.tensor(self.settings, dtype=torch.float64)[kinds].unbind(1)
        decay = self._columns(decay if decays else 0 * decay)
        return Hyper(self._columns(lr), decay, self._columns(eps), decays)

    def _columns(self, values: Tensor) -> Tensors:
        """Give a column of values of members for every tensor."""
        return {str(t): values.view(-1, *(1 for _ in s)) for t, s in enumerate(self.shapes)}

    def _normals(self, generator: torch.Generator) -> Tensors:
        return {
            str(t): torch.randn(
                len(self.settings), *shape, generator=generator, dtype=torch.float64
            )
            for t, shape in enumerate(self.shapes)
        }


_UNLIKE = ((1.0, 0.1, 1e-8),) * 2 + ((1e-4, 0.0, 1e-8),) * 2 + ((0.03, 0.1, 1e-4),) * 2
_ALIKE = ((0.03, 0.1, 1e-8),) * 3


@cache
def find_way(name: str, settings: tuple[str, ...], shapes: Shapes) -> Way:
    """Find the fastest way that gives every member the updates of a plain run of its own.

    Members of unlike settings make 24 steps on small tensors. Then, as a class may go about large
    tensors in another way, members of like settings make 8 on the shapes of the model: one by
    itself, two and as many as are ever put together share a parameter. All with weight decay and
    without, in float64.

    Args:
        name: ``module:Class``.
        settings: Names of the settings that the class is given.
        shapes: Those of the model's tensors, each once.

    Returns:
        The first of ``WAYS`` that agrees to 1e-9, for as many members as were tried; else, and for
        models too large for a trial of two members, ``ALONE``.

    Raises:
        ParamsearchError: The class cannot be made or cannot make a step on such tensors.

    Example:
        >>> find_way("torch.optim:Adafactor", ("lr", "weight_decay"), ((2,), (3, 2))).stacked
        False
    """
    most = min(MOST, TRIED_BYTES // (_DOUBLE * sum(map(prod, shapes))))
    if most < 2:
        return ALONE
    small = tuple(dict.fromkeys((2, 3, *(2 for _ in shape))[: len(shape)] for shape in shapes))
    sizes = sorted({1, 2, most})
    trials = [
        _Trial(small, _UNLIKE, len(_UNLIKE), 24),
        *(_Trial(shapes, _ALIKE[:n], n, 8) for n in sizes),
    ]
    decays = (True, False) if "weight_decay" in settings else (False,)
    for way in (replace(way, most=most) for way in WAYS):
        if all(_agrees(name, settings, way, t, d) for t in trials for d in decays):
            return way
    return ALONE


def plain_updates(
    name: str, settings: tuple[str, ...], params: Tensors, grads: Iterable[Tensors], hyper: Hyper
) -> Iterable[Tensors]:
    """Yield the updates of plain runs: every member with the class by itself.

    Args:
        name: ``module:Class``.
        settings: Names of the settings that the class is given.
        params: Where the runs start, (members, *shape) each.
        grads: Of each step, whatever the parameters are.
        hyper: Settings of every member, constant in time.
    """
    members = len(next(iter(params.values())))
    own = [{t: nn.Parameter(p[m].clone()) for t, p in params.items()} for m in range(members)]
    optimizers: list[torch.optim.Optimizer] = []
    for member, tensors in enumerate(own):
        groups: list[dict[str, Any]] = [
            {"params": [p], **{s: getattr(hyper, s)[t][member].item() for s in settings}}
            for t, p in tensors.items()
        ]
        optimizers.append(construct(name, groups, lr=groups[0]["lr"]))
    for step in grads:
        before = {t: torch.stack([tensors[t].detach() for tensors in own]) for t in params}
        for member, optimizer in enumerate(optimizers):
            for t, p in own[member].items():
                p.grad = step[t][member].clone()
            step_once(name, optimizer)
        yield {t: torch.stack([tensors[t].detach() for tensors in own]) - before[t] for t in params}


def _agrees(name: str, settings: tuple[str, ...], way: Way, trial: _Trial, decays: bool) -> bool:
    run, order, kinds = Run(name, settings, way), trial.order(), torch.arange(len(trial.settings))
    start, hyper = trial.params(), trial.hyper(order, decays)
    params = taken(start, order)
    ours, theirs = tee(trial.gradients())
    plain = plain_updates(name, settings, start, theirs, trial.hyper(kinds, decays))
    for grads, right in zip(ours, plain, strict=True):
        wanted = taken(right, order)
        try:
            updates = run.update(taken(grads, order), params, hyper)
        except ParamsearchError:  # it takes a member's tensors, but not several laid together
            return False
        if not all(_close(updates[t], wanted[t], params[t]) for t in params):
            return False
        params = {t: p + wanted[t] for t, p in params.items()}
    return True


def _close(found: Tensor, wanted: Tensor, param: Tensor) -> bool:
    """Compare updates, to the size of the largest of each member's."""
    largest = wanted.abs().view(len(wanted), -1).amax(1)
    size = largest.view(-1, *(1 for _ in wanted.shape[1:]))
    return bool(((found - wanted).abs() <= _TOLERANCE * size + 1e-12 * param.abs() + 1e-15).all())
