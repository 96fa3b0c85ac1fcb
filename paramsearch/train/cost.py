"""What a member costs, and what follows: how many train at once, and whether compiling pays."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch

from paramsearch.tasks.task import Batch
from paramsearch.train.meter import Meter
from paramsearch.train.workload import Workload

CPU_BYTES = 192 * 2**20
"""Memory that one chunk of members may take on the CPU. A quarter to four times as much makes eager
steps 0.9 to 1.3 times as slow (mlp, resmlp, gpt, convnet)."""

CACHED_BYTES = 24 * 2**20
"""Memory of a compiled chunk on the CPU: small enough to stay in the cache between steps."""

FEWEST = 8
"""Members of a compiled chunk that are worth the work around it, also beyond the cache."""

GPU_SHARE = 0.4
"""Share of a GPU's memory that one chunk may take."""

FLOPS, BANDWIDTH = 1e11, 1.6e10
"""What an eager step reaches on two ordinary cores, in operations and bytes per second."""

COMPILE_LEAST, COMPILE_EACH = 1.0, 0.005
"""What compiling a step takes, cold, on two ordinary cores: seconds at least, and for each of its
operations. With 91 of them 0.9 s (uv), 242 1.7 to 2.0 (mlp), 792 4.7 to 5.2 (gpt); but 383 4.4
(convnet), 1036 3.2 (resmlp)."""

GAIN = 0.4
"""Share of an eager step's time that compiling saves: 0 to 0.38 (gpt), 0.4 (convnet), 0.5 to 0.7
(uv, mlp), 0.77 (resmlp)."""

SPARED = 0.3
"""What compiling saves over the time of an eager step's memory traffic, for products take as long
as before: 0 to 0.32 (gpt of width 128 to 32), 0.37 to 0.62 (mlp, uv, convnet), 1.45 (resmlp, whose
steps are many small operations)."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What training takes; a count, the same on every machine.

    Attributes:
        flops: Floating-point operations per member and step.
        traffic: Bytes read and written per member and step, if every operation runs by itself.
        member_bytes: Memory that one more member takes at its peak.
        shared_bytes: Memory taken whatever the number of members.
        operations: Of a step, whatever the number of members.
    """

    flops: float
    traffic: float
    member_bytes: float
    shared_bytes: float
    operations: int = 0

    @property
    def seconds(self) -> float:
        """Rough time of a member-step on two ordinary cores; only to decide what is worthwhile."""
        return self.flops / FLOPS + self.traffic / BANDWIDTH


def measure(run: Callable[[int], None]) -> Cost:
    """Measure what a member costs from runs of one member and of three.

    Args:
        run: Trains a number of members for one step.
    """
    one, three = Meter(), Meter()
    for meter, members in ((one, 1), (three, 3)):
        with meter:
            run(members)
    member_bytes = max(1.0, (three.peak - one.peak) / 2)
    return Cost(
        flops=(three.flops - one.flops) / 2,
        traffic=(three.traffic - one.traffic) / 2,
        member_bytes=member_bytes,
        shared_bytes=max(0.0, one.peak - member_bytes),
        operations=one.operations,
    )


def forward_flops(workload: Workload, batch: Batch) -> float:
    """Count the floating-point operations of one member's loss on a batch, without its gradient.

    Args:
        workload: The model at its scale.
        batch: The training batch, or that of the evaluation.
    """
    params = {name: p.detach()[None] for name, p in workload.model.named_parameters()}
    meter = Meter()
    with torch.no_grad(), meter:
        workload.backend.each(workload.loss, (0, None))(params, batch)
    return float(meter.flops)


def room(device: torch.device) -> float:
    """Give the bytes of memory that the machine, or the GPU that trains, has.

    Example:
        >>> room(torch.device("cpu")) > CPU_BYTES
        True
    """
    if device.type == "cuda":
        return float(cast(Any, torch.cuda).get_device_properties(device).total_memory)
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def chunk_size(cost: Cost, device: torch.device, compiled: bool = False) -> int:
    """Choose how many members train at once.

    Args:
        cost: Of a member.
        device: Where they train.
        compiled: Whether by a compiled step, which is made for one number of members: a power
            of two.

    Returns:
        A number of at least 1.

    Example:
        >>> chunk_size(Cost(1e6, 1e6, member_bytes=2**20, shared_bytes=0), torch.device("cpu"))
        192
    """
    if device.type == "cuda":
        most = GPU_SHARE * room(device)
    else:
        most = CPU_BYTES
        if compiled:
            most = min(most, max(CACHED_BYTES, FEWEST * cost.member_bytes + cost.shared_bytes))
    size = max(1, int((most - cost.shared_bytes) / cost.member_bytes))
    return 1 << (size.bit_length() - 1) if compiled else size


def compile_seconds(cost: Cost) -> float:
    """Give the time that compiling a step takes, roughly, on two ordinary cores.

    Args:
        cost: Of a member.

    Example:
        >>> [round(compile_seconds(Cost(1, 1, 1, 0, operations=n)), 1) for n in (100, 500)]
        [1.5, 3.5]
    """
    return COMPILE_LEAST + COMPILE_EACH * cost.operations


def compiling_pays(cost: Cost, member_steps: float) -> bool:
    """Say whether compiling the step is expected to save more time than it takes.

    Decided by counts alone, not by the clock: one seed, one result.

    Args:
        cost: Of a member.
        member_steps: Ahead with this step, those aside in which a probe looks.

    Example:
        >>> small = Cost(flops=1.3e6, traffic=9e5, member_bytes=3e5, shared_bytes=0, operations=252)
        >>> compiling_pays(small, 20_000), compiling_pays(small, 2_000_000)
        (False, True)
    """
    return SPARED * cost.traffic / BANDWIDTH * member_steps > compile_seconds(cost)
