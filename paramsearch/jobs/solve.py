"""Solve for a parameterization, as a Python call: the starting point of a search, by itself."""

import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from paramsearch.discovery.files import plain
from paramsearch.discovery.nearest import nearest, published_rules
from paramsearch.discovery.progress import Listener, Progress, Watch, silent
from paramsearch.discovery.setting import Setting
from paramsearch.discovery.solver.base_rate import STEPS, BaseRate, base_rate
from paramsearch.discovery.solver.fitting import fitting
from paramsearch.discovery.solver.plan import solving
from paramsearch.discovery.solver.solve import Solution, check_ratios, solve_axis
from paramsearch.discovery.solver.table import solution_groups, solution_json
from paramsearch.discovery.summary import rule_json
from paramsearch.errors import ParamsearchError
from paramsearch.jobs.announce import Consent
from paramsearch.jobs.checks import (
    check_axis,
    check_seed,
    check_solvable,
    check_trains,
    from_file,
)
from paramsearch.jobs.device import check_device
from paramsearch.jobs.forecast import ahead
from paramsearch.jobs.names import space_for
from paramsearch.jobs.reports import Reports
from paramsearch.rules.encoding import Encoding
from paramsearch.rules.rule import Rule
from paramsearch.rules.space import Space
from paramsearch.score.objective import Objective
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import Arch, load_arch
from paramsearch.tracing.axes import declared
from paramsearch.tracing.trace import Trace, trace
from paramsearch.train.optimizers.table import optimizer_entry
from paramsearch.train.recipe import Engine


@dataclass(frozen=True, slots=True)
class SolveResult:
    """What was solved.

    Attributes:
        rule: The rule.
        groups: Per group of tensors its exponents with intervals.
        content: Everything, as ``paramsearch solve --json`` prints it.
    """

    rule: Rule
    groups: list[dict[str, Any]]
    content: dict[str, Any]


def solve(
    arch: Arch | str,
    *,
    axis: str | Sequence[str] = "width",
    optimizer: str = "adam",
    task: str | None = None,
    space: str | None = None,
    by: str = "role",
    ratios: Sequence[int] = (1, 2, 4),
    seeds: int = 6,
    steps: int | None = None,
    lr: float | None = None,
    seed: int = 0,
    device: str = "cpu",
    blind: bool = False,
    options: Mapping[str, object] | None = None,
    backend: str = "auto",
    precision: str = "float32",
    compile: bool | None = None,
    yes: bool = False,
    listen: Listener = silent,
) -> SolveResult:
    """Find the exponents at which the slopes of the update probes vanish.

    For every group of tensors g and every scale m, short runs at a near-optimal learning rate tell
    ``update_share`` (the loss decrease bought by g's update), ``feature_change`` and ``signal``
    (change and size of g's output). The exponents e of ``value = base value * ratio ** e`` are
    chosen such that none of them goes with a power of m, by damped Gauss-Newton from the standard
    parameterization. Each axis is solved by itself, with the others at their base.

    Args:
        arch: The architecture, or its name or path.
        axis: The axis along which the rule is to hold, or several; ``width=hidden_size`` declares
            one, as for ``search``.
        optimizer: Name of the optimizer.
        task: Name of the task; by default the architecture's own.
        space: Name or path of the space; by default the one named like the axes.
        by: Which tensors share exponents: of one ``"role"``, ``"module"`` or ``"tensor"``.
        ratios: Scales relative to the base.
        seeds: Seeds of the initial parameters.
        steps: Updates per run; by default as many as learning takes to begin, 20 at least.
        lr: Learning rate of the base model's runs; by default half of its best.
        seed: One seed, one result.
        device: Where to train, ``"cpu"`` or ``"cuda"``.
        blind: Leave published rules out of the result; solving never looks at them.
        options: What to set of the architecture: option or axis -> value.
        backend: How members are trained, as for ``search``.
        precision: Of matrix products, as for ``search``.
        compile: Whether to compile training steps; None where that pays.
        yes: Go on also where that takes longer, or more memory, than may be expected: `announce`.
        listen: Told about progress.

    Returns:
        The rule, and what the data determine of it.

    Raises:
        ParamsearchError: A name does not exist, a file is malformed, parts do not fit, the ratios
            are too few, or the model does not train.

    Example:
        >>> solve("mlp", ratios=[1, 2])  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        ParamsearchError: exponents are slopes over scales
    """
    ratios = check_ratios(ratios)
    named, declaring = declared(axis if isinstance(axis, str) else ",".join(axis))
    axes, options = tuple(named.split(",")), {**(options or {}), **declaring}
    check_seed(seed)
    check_seeds(seeds, steps, lr)
    optimizer_entry(optimizer)
    check_device(device)
    model = load_arch(arch, options) if isinstance(arch, str) else arch.having(options)
    for name in axes:
        check_solvable(model, name)
        model = check_axis(model, name)
    name = arch if isinstance(arch, str) else arch.name
    laid = Space.load(space or space_for(axes))
    trained_on = load_task(task or model.task, device, seed)
    with from_file(name):
        traced = trace(model, axis=axes[0], task=trained_on)
    with from_file(space):
        encoding = laid.encode(traced.groups(by), optimizer)
    engine, objective = Engine(backend, precision, compile), Objective.load("transfer")
    setting = Setting(model, trained_on, axes[0], optimizer, objective, device, seed, engine)
    words = {"--task": task, "--space": space, "--steps": steps, "--lr": lr}
    asked = {
        "arch": name,
        "options": [f"{key}={value}" for key, value in options.items()],
        "task": trained_on.name,
        "axes": list(axes),
        "optimizer": optimizer,
        "space": laid.name,
        "by": by,
        "ratios": list(ratios),
        "seeds": seeds,
        "seed": seed,
        "blind": blind,
    }
    command = _command(asked, {key: value for key, value in words.items() if value is not None})
    consent = Consent(model.name, "lower --ratios, --seeds or --steps", yes)
    for axis in axes:
        along, free = replace(setting, axis=axis), sum(v.axis == axis for v in encoding.variables)
        with from_file(name):
            ahead(along, solving(ratios, free, seeds, steps, lr), consent, listen)
            check_trains(along, [along.base_scale * ratio for ratio in ratios])
    started, counter = time.monotonic(), _Counter(listen)
    chosen = [1000 * seed + index for index in range(seeds)]
    solutions: list[Solution] = []
    for axis in axes:
        along = replace(setting, axis=axis)
        counter.stage(axis)
        if lr is None:
            base = base_rate(along, chosen, steps, counter.watch)
        else:
            base = BaseRate.given(lr, steps or STEPS)
        solutions.append(
            solve_axis(along, encoding, base, ratios, chosen, counter.watch, counter.round)
        )
    rule = _rule(encoding, solutions, f"{model.name}-{'-'.join(axes)}-{optimizer}", command)
    content = {
        "paramsearch": 1,
        **asked,
        "command": command,
        "rule": rule_json(rule),
        "groups": solution_groups(rule, encoding, traced.groups(by), solutions),
        "solutions": {solution.axis: solution_json(solution) for solution in solutions},
        "nearest": {} if blind else _nearest(rule, traced, by, axes),
        "fitting": {} if blind else _fitting(encoding, solutions, optimizer),
        "member_steps": counter.member_steps,
        "seconds": time.monotonic() - started,
    }
    content = plain(content)
    return SolveResult(rule, content["groups"], content)


def check_seeds(seeds: int, steps: int | None, lr: float | None) -> None:
    """Check the numbers that say what is trained.

    Raises:
        ParamsearchError: One of them is too small.

    Example:
        >>> check_seeds(3, None, 0.01)
    """
    if seeds < 2:
        raise ParamsearchError(f"seeds must be at least 2, to tell a spread; received {seeds}")
    if steps is not None and steps < 2:
        raise ParamsearchError(f"steps must be at least 2; received {steps}")
    if lr is not None and not 0 < lr < float("inf"):
        raise ParamsearchError(f"lr must be a positive number; received {lr}")


class _Counter:
    """Sends progress on, and counts member-steps."""

    def __init__(self, listen: Listener):
        self._reports = Reports(listen, STEPS)
        self._axis, self._count = "", 0
        self.member_steps = 0
        self.watch = Watch(self._steps, self._reports.note)

    def stage(self, axis: str) -> None:
        self._axis, self._count = axis, 0
        self._reports.send(Progress(f"solve {axis}", 0, None, None))

    def round(self, number: int, wrong: float) -> None:
        self._reports.send(Progress(f"solve {self._axis}", number, None, wrong))

    def _steps(self, count: int) -> None:
        self.member_steps += count
        self._reports.steps(count)


def _rule(encoding: Encoding, solutions: Sequence[Solution], name: str, source: str) -> Rule:
    """Give the rule with the exponents of all axes; what was not solved stays at its start."""
    solved = {
        variable: value
        for solution in solutions
        for variable, value in zip(solution.variables, solution.values, strict=True)
    }
    values = [solved.get(variable, variable.start) for variable in encoding.variables]
    return encoding.rule_at(values, name).model_copy(update={"source": source})


def _nearest(rule: Rule, traced: Trace, by: str, axes: Sequence[str]) -> dict[str, Any]:
    """Compare with the published rules, axis by axis."""
    groups = traced.groups(by)
    return {
        axis: nearest(rule, published_rules(rule.optimizer, axis), groups, axis) for axis in axes
    }


def _fitting(
    encoding: Encoding, solutions: Sequence[Solution], optimizer: str
) -> dict[str, dict[str, float]]:
    """Name the published rules that the data cannot tell from the solution, axis by axis."""
    return {
        solution.axis: fitting(solution, encoding, published_rules(optimizer, solution.axis))
        for solution in solutions
    }


def _command(asked: Mapping[str, Any], given: Mapping[str, object]) -> str:
    """Give the command that gives this result."""
    words = ["paramsearch solve", shlex.quote(str(asked["arch"]))]
    words += [f"--axis {axis}" for axis in asked["axes"]]
    words += [f"--optimizer {asked['optimizer']}", f"--by {asked['by']}"]
    words += [f"--ratios {','.join(map(str, asked['ratios']))}"]
    words += [f"--seeds {asked['seeds']} --seed {asked['seed']}"]
    words += [f"{key} {shlex.quote(str(value))}" for key, value in given.items()]
    words += [f"--set {shlex.quote(option)}" for option in asked["options"]]
    return " ".join(words + ["--blind"] * bool(asked["blind"]))
