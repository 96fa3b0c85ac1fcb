"""Loss-versus-learning-rate curves of many rules at one scale, as one population."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from paramsearch.discovery.progress import Watch
from paramsearch.discovery.setting import Setting
from paramsearch.errors import ParamsearchError
from paramsearch.rules.rule import Rule
from paramsearch.score.curve import Optimum, optimum
from paramsearch.tracing.axes import STEPS
from paramsearch.tracing.trace import Trace, trace
from paramsearch.train.engine import train
from paramsearch.train.outcome import Outcome
from paramsearch.train.population import Member
from paramsearch.train.probe import Probe
from paramsearch.train.program import Program, run_program
from paramsearch.train.recipe import Execution, Recipe
from paramsearch.train.workload import Workload, prepare

Array = NDArray[np.float64]
Point = tuple[int, float]
"""A point of a curve: the index of a rule, and a base learning rate."""


def point_losses(
    setting: Setting,
    workload: Workload | Program,
    rules: Sequence[Rule],
    points: Sequence[Point],
    seeds: Sequence[int],
    watch: Watch = Watch(),  # noqa: B008 - frozen
) -> Array:
    """Train single points of the rules' curves at every seed, all as one population.

    Args:
        setting: Optimizer and number of steps.
        workload: The model at its scale, as ``workload_at`` gives it.
        rules: The rules.
        points: What to train, each an index of a rule and a base learning rate.
        seeds: Seeds of the initial parameters.
        watch: Told about progress.

    Returns:
        Mean losses over the last quarter of the steps, inf where diverged, shape (points, seeds).
    """
    members = [Member(rule, lr, seed) for rule, lr in points for seed in seeds]
    outcome = train_members(setting, workload, rules, members, watch)
    return shaped(outcome.final, len(points), len(seeds))


def train_members(
    setting: Setting,
    workload: Workload | Program,
    rules: Sequence[Rule],
    members: Sequence[Member],
    watch: Watch,
    probes: Sequence[Probe] = (),
    work: int | None = None,
) -> Outcome:
    """Train members in this process, or by the user's program.

    Args:
        setting: Optimizer, number of steps and engine.
        workload: As ``workload_at`` gives it.
        rules: The rules that members refer to.
        members: The runs to make.
        watch: Told about progress.
        probes: What is measured on the way; a program has none.
        work: Member-steps ahead, by which the engine decides whether to compile.

    Returns:
        What became of the members.
    """
    if isinstance(workload, Program):
        steps = steps_at(setting, workload.sizes.get(STEPS, 0))
        return run_program(workload, rules, members, steps, watch.steps, watch.note)
    execution = Execution(setting.engine.compile, work)
    made = recipe(setting, steps_at(setting, workload.traced.scale.get(STEPS, 0)))
    return train(workload, rules, members, made, probes, watch.steps, execution, watch.note)


def workload_at(setting: Setting, scale: int) -> Workload | Program:
    """Give the setting's model at a size along its axis, or the user's program, ready to train.

    It is prepared once for a setting and all that are made from it.
    """
    parts = (setting.arch, setting.task)
    key = (*map(id, parts), *setting.sizes(scale).items(), setting.device, setting.engine)
    key = (*key, setting.axis, setting.command)
    if key not in setting.places:
        setting.places[key] = (_prepared(setting, scale), parts)  # parts keep their ids
    return setting.places[key][0]


def note_worked(setting: Setting, scales: Iterable[int]) -> None:
    """Note at which scales runs of the user's program have worked in an earlier session.

    Args:
        setting: Whose command it is; where there is none, nothing is noted.
        scales: Sizes along its axis.
    """
    for scale in scales if setting.command is not None else ():
        place = workload_at(setting, scale)
        assert isinstance(place, Program), "a command trains"
        place.record.worked = True


def _prepared(setting: Setting, scale: int) -> Workload | Program:
    sizes = {**setting.arch.axes, **setting.sizes(scale)}
    if setting.command is not None:
        return Program(setting.command, sizes, setting.device)
    return prepare(
        setting.arch,
        setting.task,
        setting.sizes(scale),
        device=setting.device,
        engine=setting.engine,
        base=_base_trace(setting),
    )


def _base_trace(setting: Setting) -> Trace:
    """Give the trace at the base, made once for a setting and all that are made from it."""
    parts = (setting.arch, setting.task)
    key = ("trace", *map(id, parts))
    if key not in setting.places:
        found = trace(setting.arch, task=setting.task)
        setting.places[key] = (found, parts)  # parts keep their ids
    return setting.places[key][0]


def base_optimum(setting: Setting, lrs: Sequence[float], losses: Array) -> Optimum:
    """Give the best learning rate of the base model, from which everything else is transferred.

    Args:
        setting: Names the axis and the base.
        lrs: Learning rates, increasing.
        losses: Losses of the base model, (lrs, seeds).

    Raises:
        ParamsearchError: Every learning rate diverged, or the best is at the end of the grid.
    """
    at = f"{setting.axis}={setting.base_scale}"
    span = f"from {lrs[0]:.3g} to {lrs[-1]:.3g}"
    keys = "(fidelity.lr.low and fidelity.lr.high of the objective)"
    best = optimum(lrs, losses)
    if best is None:
        raise ParamsearchError(
            f"every learning rate {span} diverged at {at}; move the grid down {keys}"
        )
    if not best.interior:
        way = "down" if best.log2_lr < np.log2(lrs[0]) + 1e-6 else "up"
        raise ParamsearchError(
            f"at {at} the best learning rate is the last of the grid {span}; move the grid {way} "
            f"{keys}"
        )
    return best


def steps_at(setting: Setting, size: int) -> int:
    """Give the updates of a run at a size along axis ``steps``; elsewhere they are the objective's.

    At the base size they are the objective's too, and m times as many at m times that size.
    """
    arch, steps = setting.arch, setting.objective.fidelity.steps
    return round(steps * size / arch.axes[STEPS]) if STEPS in arch.training else steps


def recipe(setting: Setting, steps: int | None = None) -> Recipe:
    """Give the recipe of the setting's objective, with its number of steps or another."""
    fidelity = setting.objective.fidelity
    return Recipe(
        setting.optimizer,
        steps or fidelity.steps,
        weight_decay=fidelity.weight_decay,
        eps=fidelity.eps,
        schedule=fidelity.schedule.made(),
        clip=fidelity.clip,
    )


def shaped(values: Tensor, *shape: int) -> Array:
    """Turn a tensor over members into a float64 array of the grid's shape."""
    return values.double().cpu().numpy().reshape(*shape)
