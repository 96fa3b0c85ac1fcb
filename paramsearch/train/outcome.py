"""What became of the members of a population."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor


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
        failures: Index of a member whose losses are missing or not finite -> why, in words; of a
            user's program alone.
    """

    losses: Tensor
    final: Tensor
    survived: Tensor
    probes: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    failures: Mapping[int, str] = field(default_factory=dict[int, str])


def outcome(losses: Tensor, probes: dict[str, Tensor]) -> Outcome:
    """Sum up losses of shape (members, steps); what follows a non-finite one becomes inf.

    Example:
        >>> made = outcome(torch.tensor([[2.0, 1.0], [2.0, torch.nan]]), {})
        >>> made.final.tolist(), made.survived.tolist()
        ([1.0, inf], [1.0, 0.5])
    """
    alive = losses.isfinite().cumprod(dim=1).bool()
    losses = losses.masked_fill(~alive, float("inf"))
    late = max(1, losses.shape[1] // 4)
    return Outcome(
        losses=losses,
        final=losses[:, -late:].mean(dim=1),
        survived=alive.to(losses.dtype).mean(dim=1),
        probes=probes,
    )


def joined(parts: Sequence[Outcome]) -> Outcome:
    """Put the outcomes of consecutive chunks of members together.

    Args:
        parts: At least one.
    """
    names = parts[0].probes
    return Outcome(
        losses=torch.cat([part.losses for part in parts]),
        final=torch.cat([part.final for part in parts]),
        survived=torch.cat([part.survived for part in parts]),
        probes={name: torch.cat([part.probes[name] for part in parts]) for name in names},
    )
