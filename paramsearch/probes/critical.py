"""Critical sharpness: curvature along the update actually taken, from forward passes only."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from paramsearch.train.optimizers.interface import Tensors
from paramsearch.train.probe import Moment, Probe

DOUBLINGS = 40
"""Largest number of doublings or halvings of the trial step: a factor of 1e12."""

BISECTIONS = 4
"""Bisections of the bracket, which leave the critical step known to one part in 16."""


def critical_step(
    losses: Callable[[Tensor], Tensor], start: Tensor, bisections: int = BISECTIONS
) -> Tensor:
    """Find where the loss along a direction first exceeds its value at zero, for many members.

    ``s_c = min { s > 0 : L(s) > L(0) }``, bracketed by doubling or halving the trial step, then
    bisected. A non-finite loss counts as larger (Kalra et al. 2026, arXiv 2601.16979).

    Args:
        losses: Maps steps of shape (members,) to losses of shape (members,).
        start: First trial steps, (members,), positive.
        bisections: Each halves the uncertainty, a factor of two after bracketing.

    Returns:
        Critical steps, (members,); NaN where the direction does not descend or never rises.

    Example:
        >>> import torch
        >>> curvature = torch.tensor([1.0, 8.0], dtype=torch.float64)
        >>> quadratic = lambda s: -s + 0.5 * curvature * s**2    # rises from s = 2 / curvature
        >>> step = critical_step(quadratic, torch.ones(2, dtype=torch.float64), bisections=20)
        >>> [round(s, 4) for s in step.tolist()]
        [2.0, 0.25]
    """
    reference = losses(torch.zeros_like(start))
    # A change below this cannot be told from rounding: halving further would only find noise.
    visible = 4 * torch.finfo(reference.dtype).eps * reference.abs()

    def rises(step: Tensor) -> Tensor:
        return ~(losses(step) <= reference)  # also true for NaN

    shrinks = rises(start)
    low, high = start.clone(), start.clone()
    bracketed = torch.zeros_like(start, dtype=torch.bool)
    searching = reference.isfinite()
    for _ in range(DOUBLINGS):
        low = torch.where(searching & shrinks, low / 2, low)
        high = torch.where(searching & ~shrinks, high * 2, high)
        found = losses(torch.where(shrinks, low, high))
        crossed = torch.where(shrinks, found < reference - visible, ~(found <= reference))
        bracketed |= searching & crossed
        vanished = shrinks & ((found - reference).abs() < visible)
        searching = searching & ~crossed & ~vanished
        # What did not end the search becomes the other end of the bracket.
        high = torch.where(searching & shrinks, low, high)
        low = torch.where(searching & ~shrinks, high, low)
        if not searching.any():
            break
    for _ in range(bisections):
        middle = (low + high) / 2
        above = rises(middle)
        low, high = torch.where(above, low, middle), torch.where(above, middle, high)
    return torch.where(bracketed, (low + high) / 2, torch.full_like(start, float("nan")))


@dataclass(frozen=True)
class CriticalSharpness(Probe):
    """Measure the critical sharpness ``2 / eta_c`` along the optimizer's update at chosen times.

    The direction is the update with every tensor's own learning rate in it, so ``eta_c`` is the
    critical *base* learning rate; all passes use the batch that gave the gradient.

    Attributes:
        lr: Base learning rate, the same for every member.
        at: Steps at which to measure.

    Results: ``critical_sharpness``, shape (members, len(at)), in units of 1 / learning rate.
    """

    lr: float
    at: frozenset[int]

    def start(self, moment: Moment) -> Tensors:
        """Begin every search at the step that the optimizer takes; there are no values yet."""
        ones = torch.ones_like(next(iter(moment.params.values())).flatten(1)[:, 0])
        none = torch.full_like(ones, torch.nan)
        return {"step": ones, "values": none[:, None].repeat(1, len(self.at))}

    def looks(self, step: int, steps: int) -> bool:
        """Say whether a step is one of those asked for."""
        return step in self.at

    def look(self, memory: Tensors, moment: Moment) -> Tensors:
        """Search along this step's update, from where the last search ended."""

        def losses(step: Tensor) -> Tensor:
            moved = {
                name: p + moment.updates[name] * step.view(-1, *(1 for _ in p.shape[1:]))
                for name, p in moment.params.items()
            }
            return moment.losses(moved, moment.batch)

        found = critical_step(losses, memory["step"])
        values = memory["values"].clone()
        values[:, sum(step < moment.step for step in self.at)] = 2 / (found * self.lr)
        return {
            "step": torch.where(found.isfinite(), found, torch.ones_like(found)),
            "values": values,
        }

    def result(self, memory: Tensors, moment: Moment) -> Tensors:
        """Give the curve of every member."""
        del moment
        return {"critical_sharpness": memory["values"]}
