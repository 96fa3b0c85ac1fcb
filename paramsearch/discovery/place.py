"""One scale of a job, and what trains there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paramsearch.discovery.curves import recipe
from paramsearch.discovery.probed import Kind, Work
from paramsearch.discovery.rounds import Population
from paramsearch.discovery.setting import Setting
from paramsearch.discovery.survey import Needs, Survey, probes_of
from paramsearch.discovery.timing import PASSES, Paces, Way
from paramsearch.probes.attention import attends
from paramsearch.train.cost import compile_seconds
from paramsearch.train.engine import strategy
from paramsearch.train.recipe import Execution
from paramsearch.train.workload import Workload

_LARGEST = 512  # members of a sample


@dataclass(frozen=True, slots=True)
class Place:
    """One scale of a job, and what trains there.

    Attributes:
        setting: Of the job.
        populations: What trains.
        ways: How those of each kind train.
        needs: What a member takes.
        workload: The model at the scale where members are trained for a moment: this one, or the
            nearest smaller one where that does not take long.
        near: What a member takes there.
    """

    setting: Setting
    populations: Sequence[Population]
    ways: Mapping[Kind, Way]
    needs: Needs
    workload: Workload
    near: Needs

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
        return steps * self.needs.costs["plain"].seconds

    @property
    def flops(self) -> float:
        """Floating-point operations of all that trains here."""
        every = self.steps * self.needs.costs["plain"].flops
        sharp = self.looks * PASSES * self.needs.forward
        slopes = bool(self.setting.objective.weights.probe_slopes)
        # Before and after, of outputs and of logits.
        probed = 2 * (1 + attends(self.workload.tensors)) * slopes * self.needs.evaluation
        return sum(
            p.members * p.times * (every + sharp * p.sharp + probed * p.probed)
            for p in self.populations
        )

    @property
    def memory(self) -> float:
        """Bytes that the largest chunk takes."""
        costs = self.needs.costs
        return max(
            costs[p.kind].shared_bytes
            + costs[p.kind].member_bytes * max(self.ways[p.kind].chunks(p.members))
            for p in self.populations
        )

    @property
    def sizes(self) -> dict[Kind, int]:
        """Give how many members of each kind are sampled: as many as train at once, or not many."""
        sizes: dict[Kind, int] = {}
        for p in self.populations:
            # Chunks say nothing about those at the smaller scale where they are sampled.
            here = self.needs is self.near
            most = max(self.ways[p.kind].chunks(p.members)) if here else p.members
            sizes[p.kind] = min(max(most, sizes.get(p.kind, 0)), _LARGEST)
        return sizes

    def seconds(self, found: Paces) -> float:
        """Give the time of all that trains here.

        Args:
            found: Times where members were trained for a moment.
        """
        if self.needs is not self.near:
            found = found.scaled(self.near.costs["plain"], self.needs.costs["plain"])
        costs = self.needs.costs
        return sum(
            compile_seconds(costs[kind]) for kind, way in self.ways.items() if way.compiles
        ) + sum(
            p.times
            * found.seconds(
                self.ways[p.kind], p.probed, p.members, self.steps, self.looks * p.sharp
            )
            for p in self.populations
        )


def place_at(
    setting: Setting,
    found: Survey,
    populations: Sequence[Population],
    work: Work,
    near: float,
) -> Place:
    """Say how populations of one scale train.

    Args:
        setting: Of the job.
        found: What members take.
        populations: What trains, at least one.
        work: Member-steps ahead, by which the engine decides whether to compile.
        near: The scale over the base at which members are trained for a moment.
    """
    ratio, made = populations[0].ratio, recipe(setting)
    needs, workload = found.needs(ratio), found.workloads[near]
    ways: dict[Kind, Way] = {}
    kinds: list[Kind] = [p.kind for p in populations]
    for kind in dict.fromkeys(kinds):
        execution = Execution(setting.engine.compile, work.get((ratio, kind)))
        probes = probes_of(setting, kind)
        ways[kind] = Way(*strategy(needs.costs[kind], workload, made, probes, execution))
    return Place(setting, populations, ways, needs, workload, found.counted[near])
