"""How long the members of one scale take here and now, by training a few of them for a moment."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from paramsearch.discovery.curves import recipe
from paramsearch.discovery.probed import Kind
from paramsearch.discovery.setting import Setting
from paramsearch.probes.quantities import update_probes
from paramsearch.rules.neutral import neutral
from paramsearch.train.cost import GAIN, Cost
from paramsearch.train.engine import train
from paramsearch.train.pace import NONE, Pace, pace
from paramsearch.train.population import Member, Stacker
from paramsearch.train.probe import Probe, member_losses
from paramsearch.train.recipe import Execution
from paramsearch.train.workload import Workload

PASSES = 8.3
"""Forward passes of one look of critical sharpness; 7 to 12, mean over searches of an mlp."""

_SEEDS = 4  # of the initial parameters in a sample


@dataclass(frozen=True, slots=True)
class Way:
    """How the engine trains populations of one scale, with probes or without.

    Attributes:
        compiles: Whether by a compiled step.
        chunk: Members at once.
    """

    compiles: bool
    chunk: int

    def chunks(self, members: int) -> list[int]:
        """Split a population as the engine does; compiled chunks are filled up.

        Example:
            >>> Way(False, 4).chunks(10), Way(True, 4).chunks(10)
            ([4, 4, 2], [4, 4, 4])
        """
        whole, rest = divmod(members, self.chunk)
        return [self.chunk] * whole + [self.chunk if self.compiles else rest] * bool(rest)


@dataclass(frozen=True, slots=True)
class Paces:
    """Times at one scale.

    Attributes:
        plain: Of populations without probes, step by step.
        probed: With the probes that add up at every step.
        looking: Of forward passes, in place of steps.
    """

    plain: Pace
    probed: Pace
    looking: Pace

    def scaled(self, known: Cost, other: Cost) -> "Paces":
        """Give the times at another scale, from what a step takes here and there.

        Args:
            known: Of a member at this scale.
            other: At that scale.
        """
        more = (
            other.member_bytes / known.member_bytes,
            other.operations / max(1, known.operations),
            other.seconds / known.seconds,
        )
        return Paces(*(own.scaled(*more) for own in (self.plain, self.probed, self.looking)))

    def seconds(self, way: Way, probed: bool, members: int, steps: int, looks: int) -> float:
        """Give the time of one population.

        Args:
            way: How it is trained.
            probed: Whether probes watch it.
            members: How many it has.
            steps: Of each.
            looks: Times that critical sharpness is measured.
        """
        own = self.probed if probed else self.plain
        saved = 1 - GAIN if way.compiles else 1.0
        marginal = Pace(0.0, 0.0, self.looking.step, self.looking.member_step)
        return sum(
            own.seconds(n, 0)
            + saved * (own.seconds(n, steps) - own.seconds(n, 0))
            + marginal.seconds(n, looks * PASSES * probed)
            for n in way.chunks(members)
        )


def paces(setting: Setting, workload: Workload, sizes: Mapping[Kind, int], seconds: float) -> Paces:
    """Time the members of one scale.

    Args:
        setting: Optimizer and learning rates; samples take the lowest, with which none diverges.
        workload: The model at its scale.
        sizes: Kinds of population that there are -> most members that train at once.
        seconds: That each of at most three measurements may take, about.
    """
    rule = neutral(setting.optimizer, workload.ratios)
    usual = recipe(setting)
    lr = setting.objective.fidelity.lr.low

    def sample(count: int) -> list[Member]:
        return [Member(0, lr, index % _SEEDS) for index in range(count)]

    def training(probes: Sequence[Probe]) -> Callable[[int, int], None]:
        def run(count: int, steps: int) -> None:
            short, how = replace(usual, steps=steps), Execution(False, chunk=count)
            train(workload, [rule], sample(count), short, probes, execution=how)
            _finish(workload)

        return run

    stacker = Stacker(workload, [rule], usual.weight_decay, usual.eps)

    def look(count: int, passes: int) -> None:
        stack = stacker.stack(sample(count))
        with torch.no_grad():
            for _ in range(passes):
                moved = {name: p + lr * p for name, p in stack.params.items()}
                member_losses(workload, stack, moved, workload.batch(0))
        _finish(workload)

    def timed(run: Callable[[int, int], None], *kinds: Kind) -> Pace:
        members = max((sizes[kind] for kind in kinds if kind in sizes), default=0)
        return pace(run, members, seconds) if members else NONE

    return Paces(
        plain=timed(training(()), "plain"),
        probed=timed(training(update_probes()), "probed", "sharp"),
        looking=timed(look, "sharp"),
    )


def _finish(workload: Workload) -> None:
    """Wait for the device."""
    if workload.device.type == "cuda":
        torch.cuda.synchronize(workload.device)
