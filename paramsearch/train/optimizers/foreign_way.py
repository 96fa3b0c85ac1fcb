"""Which way members of a foreign optimizer may be laid out: tried on small tensors."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from paramsearch.errors import ParamsearchError
from paramsearch.rules.torch_class import construct, step_once
from paramsearch.train.optimizers.foreign_run import Run, Way
from paramsearch.train.optimizers.interface import Hyper, Tensors

WAYS = (Way(), Way(held=False), Way(linear=False), Way(linear=False, held=False))
"""From the fastest on; each is right for more classes than the one before."""

ALONE = Way(stacked=False, linear=False, held=False)
"""Every member has a torch optimizer of its own: right for every class."""

_STEPS = 24
_LRS = (1.0, 1e-4, 1e-4, 0.03)
_DECAYS = (0.1, 0.0, 0.1, 0.1)
_EPS = (1e-8, 1e-8, 1e-4, 1e-8)
_TOLERANCE = 1e-9


def find_way(name: str, settings: tuple[str, ...], ndims: Sequence[int]) -> Way:
    """Find the fastest way that gives every member the updates of a plain run of its own.

    Four members of unlike settings train on gradients that keep their signs, that alternate and
    that are random, each 100 times larger than the last member's, in float64: 24 steps with weight
    decay and 24 without.

    Args:
        name: ``module:Class``.
        settings: Names of the settings that the class is given.
        ndims: Numbers of dimensions of the model's tensors.

    Returns:
        The first of ``WAYS`` that agrees to 1e-9, else ``ALONE``.

    Raises:
        ParamsearchError: The class cannot be made or cannot make a step on such tensors.

    Example:
        >>> find_way("torch.optim:Adafactor", ("lr", "weight_decay"), [1, 2]).stacked
        False
    """
    shapes = {f"w{ndim}": (2, 3, 2, 2)[:ndim] for ndim in ndims}
    params, grads = _problem(shapes)
    decays = (True, False) if "weight_decay" in settings else (False,)
    wanted = {
        decay: list(plain_updates(name, settings, params, grads, _hyper(params, decay)))
        for decay in decays
    }
    for way in WAYS:
        if all(_agrees(Run(name, settings, way), params, grads, d, wanted[d]) for d in decays):
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


def _agrees(
    run: Run, params: Tensors, grads: Sequence[Tensors], decays: bool, wanted: Sequence[Tensors]
) -> bool:
    params, hyper = dict(params), _hyper(params, decays)
    for step, right in zip(grads, wanted, strict=True):
        try:
            updates = run.update(step, params, hyper)
        except ParamsearchError:  # it takes a member's tensors, but not several laid together
            return False
        for t, update in updates.items():
            smallest = 1e-12 * params[t].abs() + 1e-15
            if not ((update - right[t]).abs() <= _TOLERANCE * right[t].abs() + smallest).all():
                return False
            params[t] = params[t] + right[t]
    return True


def _problem(shapes: dict[str, tuple[int, ...]]) -> tuple[Tensors, list[Tensors]]:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    members = len(_LRS)
    params = {t: normal(members, *shape) for t, shape in shapes.items()}
    grads: list[Tensors] = []
    first = {t: normal(members, *shape) for t, shape in shapes.items()}
    for step in range(_STEPS):
        signs = (1.0, -1.0 if step % 2 else 1.0)
        gradients: Tensors = {}
        for t, shape in shapes.items():
            grad = normal(members, *shape)
            grad[0], grad[1] = signs[0] * first[t][0], signs[1] * first[t][1]
            size = 100.0 ** torch.arange(members, dtype=torch.float64)
            gradients[t] = grad * size.view(-1, *(1 for _ in shape))
        grads.append(gradients)
    return params, grads


def _hyper(params: Tensors, decays: bool) -> Hyper:
    def columns(values: tuple[float, ...]) -> Tensors:
        column = torch.tensor(values, dtype=torch.float64)
        return {t: column.view(-1, *(1 for _ in p.shape[1:])) for t, p in params.items()}

    decay = _DECAYS if decays else (0.0,) * len(_DECAYS)
    return Hyper(columns(_LRS), columns(decay), columns(_EPS), decays)
