"""What a search will take, told before it starts: member-steps, operations, memory and time.

Member-steps and operations are counts, the same on every machine: with ``f`` floating-point
operations of a step and ``g`` of a forward pass, n members that make T steps take ``n T f``, and
with probes ``n (T f + looks * passes * g + 2 g_eval)`` more, 4 g_eval where there is attention.
Seconds are those of the counted populations at the pace of small ones, trained for a moment at
every scale.
"""

import math
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paramsearch.discovery.curves import recipe, workload_at
from paramsearch.discovery.prediction import Prediction
from paramsearch.discovery.probed import Kind, Work, probes_for
from paramsearch.discovery.rounds import Plan, Population, lengthened
from paramsearch.discovery.setting import Setting
from paramsearch.discovery.timing import PASSES, Paces, Way, paces
from paramsearch.probes.attention import attends
from paramsearch.tracing.axes import STEPS
from paramsearch.train.cost import Cost, compile_seconds, forward_flops
from paramsearch.train.engine import cost_of, strategy
from paramsearch.train.recipe import Execution
from paramsearch.train.workload import Workload

_SAMPLE = (0.4, 0.5)  # seconds of the longest sample of a pace, at least and at most
_SHARE = 0.003  # of the search that it may take
_LARGEST = 512  # members of a sample
_HELD = 1.2  # what a process on the CPU grows by over what its tensors take: 1.1 to 1.4, convnets 2
_COMPILER = 6e7  # bytes of torch's compiler, 5e7 to 7e7
_BESIDE, _TRIAL = 80, 0.8  # times a moment of plain Python, beside training: to load; and for each
# trial, to propose and record


def predict(setting: Setting, plan: Plan, most: Plan, work: Work | None = None) -> Prediction:
    """Predict what a search takes.

    Args:
        setting: Model, task, axis, optimizer, objective, device and engine.
        plan: What it will train, as expected.
        most: At most.
        work: Member-steps, as the evaluator is told; by default those of the plan.
    """
    members, work = round(plan.member_steps / plan.steps), plan.work() if work is None else work
    if STEPS in setting.arch.training:
        plan, most = lengthened(plan), lengthened(most)
    counts = (round(plan.trials), round(plan.member_steps), math.ceil(most.member_steps), members)
    places: list[Place] = []
    for ratio in setting.objective.fidelity.ratios:
        began = time.perf_counter()
        workload = workload_at(setting, setting.base_scale * ratio)
        if not isinstance(workload, Workload):
            return Prediction(*counts)
        mine = [p for p in plan.populations if p.ratio == ratio]
        places.append(_place(setting, workload, mine, work, began))
    resident, held = (0.0, 1.0) if setting.device.startswith("cuda") else (_resident(), _HELD)
    compiles = any(way.compiles for place in places for way in place.ways.values())
    rough = sum(place.rough for place in places)
    limit = min(max(_SHARE * rough, _SAMPLE[0]), _SAMPLE[1])
    reason = next((p.workload.backend.reason for p in places), "")
    looped = places[0].workload.backend.name == "loop" and setting.engine.backend == "auto"
    return Prediction(
        *counts,
        flops=sum(place.flops for place in places),
        memory=resident + _COMPILER * compiles + held * max(place.memory for place in places),
        seconds=(_BESIDE + _TRIAL * plan.trials) * _moment()
        + sum(place.seconds(limit) for place in places),
        looped=reason if looped else "",
        steepness=_steepness(places, setting.objective.fidelity.ratios),
    )


def _steepness(places: "Sequence[Place]", ratios: Sequence[int]) -> float:
    """Give the power of the scale with which the operations of a step grow at the end."""
    before, last = (place.costs["plain"].flops for place in places[-2:])
    return math.log(last / before) / math.log(ratios[-1] / ratios[-2]) if before > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Place:
    """One scale of a search, and what trains there.

    Attributes:
        setting: Of the search.
        workload: The model at this scale.
        populations: What trains.
        ways: How those of each kind train.
        costs: Of a member of each kind.
        preparing: Seconds that the search needs before it can train here.
    """

    setting: Setting
    workload: Workload
    populations: Sequence[Population]
    ways: Mapping[Kind, Way]
    costs: Mapping[Kind, Cost]
    preparing: float

    @property
    def steps(self) -> int:
        """Updates per member."""
        return self.setting.objective.fidelity.steps

    @property
    def looks(self) -> int:
        """Times that critical sharpness is measured in a run with probes."""
        objective = self.setting.objective
        weighs = bool(objective.weights.sharpness_collapse)
        return len(objective.fidelity.sharpness_steps()) * weighs

    @property
    def rough(self) -> float:
        """Seconds, roughly, without measuring any."""
        steps = self.steps * sum(p.members * p.times for p in self.populations)
        return steps * self.costs["plain"].seconds

    @property
    def flops(self) -> float:
        """Floating-point operations of all that trains here."""
        workload = self.workload
        every = self.steps * self.costs["plain"].flops
        sharp = self.looks * PASSES * forward_flops(workload, workload.batch(0))
        slopes = bool(self.setting.objective.weights.probe_slopes)
        ends = 2 * (1 + attends(workload.tensors))  # before and after, of outputs and of logits
        probed = ends * slopes * forward_flops(workload, workload.evaluation())
        return sum(
            p.members * p.times * (every + sharp * p.sharp + probed * p.probed)
            for p in self.populations
        )

    @property
    def memory(self) -> float:
        """Bytes that the largest chunk takes."""
        return max(
            self.costs[p.kind].shared_bytes
            + self.costs[p.kind].member_bytes * max(self.ways[p.kind].chunks(p.members))
            for p in self.populations
        )

    def seconds(self, limit: float) -> float:
        """Time all that trains here by small samples, which take about 3 times the limit."""
        sizes = (self._most(probed=False), self._most(probed=True))
        found: Paces = paces(self.setting, self.workload, *sizes, limit)
        return (
            self.preparing
            + sum(
                compile_seconds(self.costs[kind]) for kind, way in self.ways.items() if way.compiles
            )
            + sum(
                p.times
                * found.seconds(
                    self.ways[p.kind], p.probed, p.members, self.steps, self.looks * p.sharp
                )
                for p in self.populations
            )
        )

    def _most(self, probed: bool) -> int:
        """Give how many members are sampled: as many as train at once, if those are not many."""
        some = (p for p in self.populations if p.probed == probed)
        sizes = (n for p in some for n in self.ways[p.kind].chunks(p.members))
        return min(max(sizes, default=1), _LARGEST)


def _place(
    setting: Setting,
    workload: Workload,
    populations: Sequence[Population],
    work: Work,
    began: float,
) -> Place:
    made, fidelity = recipe(setting), setting.objective.fidelity
    weights = setting.objective.weights
    slopes = weights.model_copy(update={"sharpness_collapse": 0.0})
    times = fidelity.sharpness_steps()
    costs: dict[Kind, Cost] = {}
    ways: dict[Kind, Way] = {}
    plain: Kind = "plain"
    kinds: list[Kind] = [plain, *(p.kind for p in populations)]
    for kind in dict.fromkeys(kinds):
        counted = slopes if kind == "probed" else weights
        probes = probes_for(counted, fidelity.lr.low, times) if kind != plain else []
        ahead = work.get((populations[0].ratio, kind))
        execution = Execution(setting.engine.compile, ahead)
        costs[kind] = cost_of(workload, made, probes)
        ways[kind] = Way(*strategy(workload, made, probes, execution))
    return Place(setting, workload, populations, ways, costs, time.perf_counter() - began)


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
