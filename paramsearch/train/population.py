"""A population: members that share a model and data and differ in a few scalars per tensor."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from paramsearch.rules.draws import draw
from paramsearch.rules.resolve import Factors, resolve
from paramsearch.rules.rule import Rule
from paramsearch.tracing.tensor import TensorInfo
from paramsearch.train.optimizers.interface import Hyper, Tensors
from paramsearch.train.workload import Workload


@dataclass(frozen=True, slots=True)
class Member:
    """One training run.

    Attributes:
        rule: Index of its rule among the population's rules.
        lr: Learning rate at the base scale.
        seed: Seed of its initial parameters.
    """

    rule: int
    lr: float
    seed: int


@dataclass(frozen=True, slots=True)
class Stack:
    """Members laid side by side in memory, ready to step.

    Attributes:
        params: Tensor name -> parameters, shape (members, *shape).
        multipliers: Tensor name -> forward multipliers, shape (members, 1, ..., 1); tensors whose
            multiplier is 1 for every member are left out.
        hyper: Learning rates, weight decays and epsilons.
    """

    params: Tensors
    multipliers: Tensors
    hyper: Hyper

    def effective(self, params: Tensors) -> Tensors:
        """Apply the forward multipliers: what the model sees in place of its parameters."""
        return effective(params, self.multipliers)


def effective(params: Tensors, multipliers: Tensors) -> Tensors:
    """Multiply parameters by their forward multipliers, of one member or of all alike."""
    return {name: multipliers[name] * p if name in multipliers else p for name, p in params.items()}


class Stacker:
    """Makes stacks of any members of a population, without repeating the draws.

    Args:
        workload: The model at its scale.
        rules: The rules that members refer to by index.
        weight_decay: Weight decay at the base scale.
        eps: Adam's epsilon at the base scale.
    """

    def __init__(
        self, workload: Workload, rules: Sequence[Rule], weight_decay: float, eps: float
    ) -> None:
        self._workload = workload
        self._factors = [resolve(rule, workload.tensors, workload.ratios) for rule in rules]
        self._weight_decay = weight_decay
        self._eps = eps
        self._draws: dict[int, Tensors] = {}

    def stack(self, members: Sequence[Member]) -> Stack:
        """Lay members out: their own scale factors on draws shared by all rules of a seed."""
        self._draws = {
            seed: self._draws[seed] if seed in self._draws else self._draw(seed)
            for seed in {member.seed for member in members}
        }
        params: Tensors = {}
        multipliers: Tensors = {}
        lr: Tensors = {}
        weight_decay: Tensors = {}
        eps: Tensors = {}
        for tensor in self._workload.tensors:
            name, ndim = tensor.name, len(tensor.shape)
            factors = [self._factors[member.rule][name] for member in members]
            params[name] = self._initial(tensor, members, factors)
            lrs = [member.lr * f.lr for member, f in zip(members, factors, strict=True)]
            lr[name] = self._column(lrs, ndim)
            decays = [self._weight_decay * f.weight_decay for f in factors]
            weight_decay[name] = self._column(decays, ndim)
            eps[name] = self._column([self._eps * f.eps for f in factors], ndim)
            if any(f.multiplier != 1 for f in factors):
                multipliers[name] = self._column([f.multiplier for f in factors], ndim)
        hyper = Hyper(lr, weight_decay, eps, decays=self._weight_decay != 0)
        return Stack(params, multipliers, hyper)

    def _initial(
        self, tensor: TensorInfo, members: Sequence[Member], factors: Sequence[Factors]
    ) -> Tensor:
        law = self._workload.laws[tensor.name]
        size = law.std or law.mean  # a constant tensor scales its constant
        sizes = self._column([size * f.init for f in factors], len(tensor.shape))
        if law.std == 0:
            return sizes.expand(-1, *tensor.shape).clone()
        return torch.stack([self._draws[m.seed][tensor.name] for m in members]).mul_(sizes)

    def _column(self, values: list[float], ndim: int) -> Tensor:
        """One value per member, shape (members, 1, ..., 1) with ndim ones."""
        column = torch.tensor(values, dtype=torch.float64, device=self._workload.device)
        return column.to(self._workload.dtype).view(-1, *(1 for _ in range(ndim)))

    def _draw(self, seed: int) -> Tensors:
        generator = torch.Generator().manual_seed(seed)
        shapes = {tensor.name: tensor.shape for tensor in self._workload.tensors}
        device, dtype = self._workload.device, self._workload.dtype
        return {name: d.to(device, dtype) for name, d in draw(shapes, generator).items()}
