"""One run of a torch optimizer class over members laid side by side."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from paramsearch.errors import ParamsearchError
from paramsearch.rules.torch_class import construct, step_once
from paramsearch.train.optimizers.interface import Hyper, Tensors


@dataclass(frozen=True, slots=True)
class Way:
    """How members are laid out; each promise makes a run faster.

    Attributes:
        stacked: Members with the same settings share a parameter: their elements do not mix.
        linear: Updates are linear in lr, so it is 1 for the class and enters afterwards.
        held: Without weight decay updates do not depend on the parameter, so the class sees zero
            and its updates come out without rounding.
    """

    stacked: bool = True
    linear: bool = True
    held: bool = True


@dataclass(frozen=True, slots=True)
class _Piece:
    """A parameter of the class: some members of a tensor, and its param group."""

    name: str
    members: Tensor | int
    param: nn.Parameter
    group: dict[str, Any]


class Run:
    """A torch optimizer at work; made at the first update, when the settings are known.

    Args:
        name: ``module:Class``.
        settings: Names of the settings that the class is given: lr, weight_decay, eps.
        way: How members are laid out.
    """

    def __init__(self, name: str, settings: tuple[str, ...], way: Way) -> None:
        self._name = name
        self._settings = settings
        self._way = way
        self._pieces: list[_Piece] = []
        self._optimizers: list[torch.optim.Optimizer] = []

    def update(self, grads: Tensors, params: Tensors, hyper: Hyper) -> Tensors:
        """Make one step.

        Args:
            grads: Tensor name -> gradients, (members, *shape).
            params: Likewise.
            hyper: Members that share lr, weight decay and eps at the first step must always do.

        Returns:
            What is to be added to the parameters.
        """
        if hyper.decays and "weight_decay" not in self._settings:
            raise ParamsearchError(
                f"optimizer '{self._name}' has no weight decay; received one that is not zero"
            )
        if not self._optimizers:
            self._begin(params, hyper)
        held = self._way.held and not hyper.decays
        for piece in self._pieces:
            if held:
                piece.param.data.zero_()
            else:
                piece.param.data.copy_(params[piece.name][piece.members])
            piece.param.grad = grads[piece.name][piece.members].clone()
            if not self._way.linear:
                piece.group["lr"] = _number(hyper.lr[piece.name][piece.members])
        for optimizer in self._optimizers:
            step_once(self._name, optimizer)
        updates = {name: torch.empty_like(param) for name, param in params.items()}
        for piece in self._pieces:
            before = 0 if held else params[piece.name][piece.members]
            updates[piece.name][piece.members] = piece.param.data - before
        if self._way.linear:
            updates = {name: update.mul_(hyper.lr[name]) for name, update in updates.items()}
        return updates

    def _begin(self, params: Tensors, hyper: Hyper) -> None:
        members = len(next(iter(params.values())))
        sets: list[list[dict[str, Any]]] = [[] for _ in range(1 if self._way.stacked else members)]
        for name, param in params.items():
            for alike in self._alike(name, members, hyper):
                where = torch.tensor(alike, device=param.device)
                place: Tensor | int = where if self._way.stacked else alike[0]
                settings = self._values(name, alike[0], hyper)
                piece = nn.Parameter(param[place].clone())
                sets[0 if self._way.stacked else alike[0]].append({"params": [piece], **settings})
                self._pieces.append(_Piece(name, place, piece, {}))
        lr = sets[0][0]["lr"]
        self._optimizers = [construct(self._name, groups, lr=lr) for groups in sets]
        groups = {
            id(group["params"][0]): group
            for optimizer in self._optimizers
            for group in optimizer.param_groups
        }
        self._pieces = [
            _Piece(p.name, p.members, p.param, groups[id(p.param)]) for p in self._pieces
        ]

    def _alike(self, name: str, members: int, hyper: Hyper) -> list[list[int]]:
        """Group the members that may share a parameter."""
        if not self._way.stacked:
            return [[member] for member in range(members)]
        found: dict[tuple[float, ...], list[int]] = {}
        for member in range(members):
            key = tuple(self._values(name, member, hyper).values())
            found.setdefault(key, []).append(member)
        return list(found.values())

    def _values(self, name: str, member: int, hyper: Hyper) -> dict[str, float]:
        values = {key: _number(getattr(hyper, key)[name][member]) for key in self._settings}
        return {**values, "lr": 1.0} if self._way.linear else values


def _number(column: Tensor) -> float:
    """Give the value that all entries of a column share."""
    return column.flatten()[0].item()
