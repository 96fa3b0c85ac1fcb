"""What a job will take, told before it starts: member-steps, operations, memory and time.

Member-steps and operations are counts, the same on every machine: with ``f`` floating-point
operations of a step and ``g`` of a forward pass, n members that make T steps take ``n T f``, and
with probes ``n (T f + looks * passes * g + 2 g_eval)`` more, 4 g_eval where there is attention.
Seconds are those of the counted populations at the pace of small ones, trained for a moment at
every scale where that is short; beyond, at the pace of the largest such scale, as many times as
long as a step there takes more.
"""

import math
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from paramsearch.discovery.place import Place, place_at
from paramsearch.discovery.prediction import Growth, Prediction
from paramsearch.discovery.probed import Kind, Work
from paramsearch.discovery.rounds import Plan, lengthened
from paramsearch.discovery.setting import Setting
from paramsearch.discovery.survey import DEAR, Survey, survey
from paramsearch.discovery.timing import paces
from paramsearch.tracing.axes import STEPS
from paramsearch.train.cost import room

_MOST = 0.5  # seconds of the longest sample of a pace, at most
_SHARE = 0.003  # of the job that it may take
_HELD = 1.2  # what a process on the CPU grows by over what its tensors take: 1.1 to 1.4, convnets 2
_COMPILER = 6e7  # bytes of torch's compiler, 5e7 to 7e7
_BESIDE, _TRIAL = 80, 0.8  # times a moment of plain Python, beside training: to load; and for each
# trial, to propose and record


@dataclass(frozen=True, slots=True)
class Care:
    """How much may be done for a prediction.

    Attributes:
        least: Seconds of the longest sample of a pace, at least.
        dear: Effort of a member that is not trained for a moment.
    """

    least: float
    dear: float


CAREFUL = Care(0.4, DEAR)
QUICK = Care(0.02, 0.03)
"""For jobs that may be over in seconds."""


def predict(
    setting: Setting, plan: Plan, most: Plan, work: Work | None = None, care: Care = CAREFUL
) -> Prediction:
    """Predict what a job takes, without building models that are large.

    Args:
        setting: Model, task, axis, optimizer, objective, device and engine.
        plan: What it will train, as expected.
        most: At most.
        work: Member-steps, as the engine is told; by default those of the plan.
        care: How exactly.

    Raises:
        ParamsearchError: The model cannot be built or trained at one of the scales.
    """
    members, work = round(plan.member_steps / plan.steps), plan.work() if work is None else work
    if STEPS in setting.arch.training:
        plan, most = lengthened(plan), lengthened(most)
    counts = (round(plan.trials), round(plan.member_steps), math.ceil(most.member_steps), members)
    if setting.command is not None:
        return Prediction(*counts)
    ratios = sorted({p.ratio for p in plan.populations})
    found = survey(setting, ratios, [p.kind for p in plan.populations])
    near = {ratio: found.nearest(ratio, care.dear) for ratio in ratios}
    places = {
        ratio: place_at(
            setting, found, [p for p in plan.populations if p.ratio == ratio], work, near[ratio]
        )
        for ratio in ratios
    }
    device = torch.device(setting.device)
    resident, held = (0.0, 1.0) if device.type == "cuda" else (_resident(), _HELD)
    rough = sum(place.rough for place in places.values())
    parts: dict[float, float] = {}
    for one in sorted(set(near.values())):
        those = {ratio: place for ratio, place in places.items() if near[ratio] == one}
        # What is multiplied is measured well.
        here = all(place.needs is place.near for place in those.values())
        least = care.least if here else CAREFUL.least
        parts |= _timed(those, min(max(_SHARE * rough, least), _MOST))
    compiles = any(way.compiles for place in places.values() for way in place.ways.values())
    backend = places[ratios[0]].workload.backend
    looped = backend.name == "loop" and setting.engine.backend == "auto"
    return Prediction(
        *counts,
        flops=sum(place.flops for place in places.values()),
        memory=resident
        + _COMPILER * compiles
        + held * max(place.memory for place in places.values()),
        seconds=(_BESIDE + _TRIAL * plan.trials) * _moment() + sum(parts.values()),
        parts=tuple(parts[ratio] for ratio in ratios),
        looped=backend.reason if looped else "",
        growth=_growth(setting, found, ratios),
        room=room(device),
    )


def _timed(places: Mapping[float, Place], limit: float) -> dict[float, float]:
    """Time what trains at scales that are sampled at one of them, for 3 times the limit, about."""
    sizes: dict[Kind, int] = {}
    for place in places.values():
        sizes |= {kind: max(n, sizes.get(kind, 0)) for kind, n in place.sizes.items()}
    first = next(iter(places.values()))
    paced = paces(first.setting, first.workload, sizes, limit)
    return {ratio: place.seconds(paced) for ratio, place in places.items()}


def _growth(setting: Setting, found: Survey, ratios: Sequence[float]) -> Growth | None:
    """Say how a step grows along the axis."""
    if len(ratios) < 2:
        return None
    base, before, last = (found.needs(ratio).costs["plain"].seconds for ratio in (1, *ratios[-2:]))
    return Growth(
        axis=setting.axis,
        base=setting.base_scale,
        scale=round(setting.base_scale * ratios[-1]),
        times=last / base,
        power=math.log(last / before) / math.log(ratios[-1] / ratios[-2]),
    )


def _moment() -> float:
    """Give the seconds of a little work in Python, which differ twofold from host to host."""
    least = math.inf
    for _ in range(5):
        began = time.perf_counter()
        sum(hash(str(number)) & 1 for number in range(50_000))
        least = min(least, time.perf_counter() - began)
    return least


def _resident() -> float:
    """Give the most bytes that this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else 1024 * peak)
