"""One run of a torch optimizer class over members laid side by side."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from paramsearch.errors import ParamsearchError
from paramsearch.rules.torch_class import construct, step_once
from paramsearch.train.optimizers.interface import Hyper, Tensors

MOST = 64
"""Members that share a parameter at most; on more, elementwise updates gain nothing."""


@dataclass(frozen=True, slots=True)
class Way:
    """How members are laid out; each promise makes a run faster.

    Attributes:
        stacked: Members with the same settings share a parameter: their elements do not mix.
        linear: Updates are linear in lr, so it is 1 for the class and enters afterwards.
        held: Without weight decay updates do not depend on the parameter, so the class sees zero
            and its updates come out without rounding.
        most: Largest number of members that share a parameter.
    """

    stacked: bool = True
    linear: bool = True
    held: bool = True
    most: int = MOST


@dataclass(slots=True)
class _Piece:
    """A parameter of the class, which holds some members of a tensor.

    Attributes:
        name: Of the tensor.
        param: The parameter.
        shape: Its shape with members in front, also where it has but one and none in front.
        members: Where its members lie among all.
        places: Where they lie in it: all of it, until members leave.
        group: Its param group.
    """

    name: str
    param: nn.Parameter
    shape: torch.Size
    members: Tensor
    places: Tensor
    group: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def rows(self) -> Tensor:
        """Give what it holds, members in front."""
        return self.param.data.view(self.shape)

    def lay(self, values: Tensor) -> Tensor:
        """Lay values of all members out like the parameter, zero for those that left."""
        own = values.index_select(0, self.members)
        if own.shape != self.shape:
            own = own.new_zeros(self.shape).index_copy_(0, self.places, own)
        return own.view_as(self.param)


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
                piece.param.data.copy_(piece.lay(params[piece.name]))
            piece.param.grad = piece.lay(grads[piece.name])
            if not self._way.linear:
                piece.group["lr"] = _number(hyper.lr[piece.name][piece.members])
        for optimizer in self._optimizers:
            step_once(self._name, optimizer)
        updates = {name: torch.empty_like(param) for name, param in params.items()}
        for piece in self._pieces:
            change = piece.rows.index_select(0, piece.places)
            if not held:
                change -= params[piece.name].index_select(0, piece.members)
            updates[piece.name].index_copy_(0, piece.members, change)
        if self._way.linear:
            updates = {name: update.mul_(hyper.lr[name]) for name, update in updates.items()}
        return updates

    def keep(self, rows: Tensor) -> None:
        """Go on with some of the members; the others' places stay, but their gradients are zero.

        Args:
            rows: Their indices in increasing order, (kept,).
        """
        if not self._way.stacked:
            self._optimizers = [self._optimizers[int(row)] for row in rows if self._optimizers]
        for piece in self._pieces:
            stays = torch.isin(piece.members, rows)
            piece.places = piece.places[stays]
            piece.members = torch.searchsorted(rows, piece.members[stays])
            if not stays.any():
                piece.param.grad = torch.zeros_like(piece.param)
        self._pieces = [piece for piece in self._pieces if len(piece.members)]

    def _begin(self, params: Tensors, hyper: Hyper) -> None:
        members = len(next(iter(params.values())))
        sets: list[list[dict[str, Any]]] = [[] for _ in range(1 if self._way.stacked else members)]
        for name, param in params.items():
            for alike in self._alike(name, members, hyper):
                where = torch.tensor(alike, device=param.device)
                values = param.index_select(0, where)
                piece = nn.Parameter(values if self._way.stacked else values[0])
                settings = self._values(name, alike[0], hyper)
                sets[0 if self._way.stacked else alike[0]].append({"params": [piece], **settings})
                places = torch.arange(len(alike), device=param.device)
                self._pieces.append(_Piece(name, piece, values.shape, where, places))
        lr = sets[0][0]["lr"]
        self._optimizers = [construct(self._name, groups, lr=lr) for groups in sets]
        groups = {
            id(group["params"][0]): group
            for optimizer in self._optimizers
            for group in optimizer.param_groups
        }
        for piece in self._pieces:
            piece.group = groups[id(piece.param)]

    def _alike(self, name: str, members: int, hyper: Hyper) -> list[list[int]]:
        """Part the members into those that share a parameter."""
        if not self._way.stacked:
            return [[member] for member in range(members)]
        found: dict[tuple[float, ...], list[int]] = {}
        for member in range(members):
            key = tuple(self._values(name, member, hyper).values())
            found.setdefault(key, []).append(member)
        most = self._way.most
        return [m[i : i + most] for m in found.values() for i in range(0, len(m), most)]

    def _values(self, name: str, member: int, hyper: Hyper) -> dict[str, float]:
        values = {key: _number(getattr(hyper, key)[name][member]) for key in self._settings}
        return {**values, "lr": 1.0} if self._way.linear else values


def _number(column: Tensor) -> float:
    """Give the value that all entries of a column share."""
    return column.flatten()[0].item()
