"""The main job from end to end, as a Python call: search, with all the files that it leaves."""

import shlex
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from paramsearch.discovery.curves import note_worked
from paramsearch.discovery.driver import Driver
from paramsearch.discovery.evaluate import Evaluator
from paramsearch.discovery.files import plain
from paramsearch.discovery.folder import DATABASE, check_folder, opened
from paramsearch.discovery.ledger import Ledger
from paramsearch.discovery.nearest import published_rules
from paramsearch.discovery.progress import Listener, Progress, Watch, silent
from paramsearch.discovery.settings import SearchSettings, free_folder, latest_folder
from paramsearch.discovery.solver.solve import check_ratios
from paramsearch.discovery.store import Store
from paramsearch.discovery.summary import failures, summarize
from paramsearch.jobs.announce import Consent, announce
from paramsearch.jobs.checks import (
    check_axis,
    check_scored,
    check_seed,
    check_trains,
    from_file,
    of_training,
)
from paramsearch.jobs.command import command_of
from paramsearch.jobs.forecast import forecast, work_of
from paramsearch.jobs.names import space_for
from paramsearch.jobs.prepare import prepare
from paramsearch.jobs.reports import Reports
from paramsearch.jobs.search_axes import join
from paramsearch.jobs.search_result import SearchResult, Stopped, note_session, write_results
from paramsearch.jobs.spending import purse, spending
from paramsearch.jobs.suggestions import suggested
from paramsearch.rules.encoding import Encoding
from paramsearch.rules.rule import Rule
from paramsearch.score.objective import Objective
from paramsearch.tracing.arch import Arch, load_arch
from paramsearch.tracing.axes import STEPS, declared
from paramsearch.tracing.trace import Trace

_SHORTER = "lower --budget, choose an objective with smaller ratios"


def search(
    arch: Arch | str,
    *,
    axis: str | Sequence[str],
    optimizer: str = "adam",
    task: str | None = None,
    space: str | None = None,
    by: str = "role",
    objective: str | None = None,
    budget: int | str = 96,
    seed: int = 0,
    device: str = "cpu",
    out: str | Path | None = None,
    resume: bool = False,
    blind: bool = False,
    suggest: Sequence[str] = (),
    prefer: str | None = None,
    target_ratio: float | None = None,
    sampler: str = "LargeDiagCMA",
    patience: int | None = None,
    solve: bool = True,
    options: Mapping[str, object] | None = None,
    backend: str = "auto",
    precision: str = "float32",
    compile: bool | None = None,
    command: str | None = None,
    command_timeout: float | None = None,
    jobs: int = 1,
    yes: bool = False,
    listen: Listener = silent,
) -> SearchResult:
    """Discover a parameterization by experiment.

    Finds the exponents e of ``value = base value * ratio ** e``, per group of tensors and
    quantity, with the lowest score of the objective, and what the data determine of them.

    Args:
        arch: The architecture, or its name or path.
        axis: The axis along which the rule is to hold; ``"width=hidden_size"`` declares one, see
            `Arch.along`. Every model has ``batch`` and ``steps``, the axes of training. Of several,
            ``"width,depth"``, each is searched with that budget and the others at their base.
        optimizer: Name of the optimizer.
        task: Name of the task; by default the architecture's own.
        space: Name or path of the space; by default the one named like the axis.
        by: Which tensors share exponents: of one ``"role"``, ``"module"`` or ``"tensor"``.
        objective: Name or path of the objective; by default ``transfer``, or ``losses`` where there
            is a command or the axis is one of training.
        budget: Distinct candidates to propose, before the best is polished; or what the whole
            search may take, as ``"2e6steps"`` (updates of all runs), ``"90s"``, ``"5min"``,
            ``"1h"``. With a time, the result depends on how fast the machine is.
        seed: One seed, one result.
        device: Where to train, ``"cpu"`` or ``"cuda"``.
        out: The run folder; by default a new one under ``runs/``.
        resume: Continue the run in the folder, to the result it would have had uninterrupted.
        blind: Leave published rules unseen until the search is over.
        suggest: Rules to try first, by name or path.
        prefer: Which rule to recommend where no rule is best in both: ``"limit"``, the one that
            keeps features learning at every scale, or ``"loss"``, the one with the lowest
            transferred loss; by default the lowest loss among rules that hold up to the target.
        target_ratio: Up to which ratio they must not; by default 256.
        sampler: nevergrad's name of the sampler.
        patience: Generations of 8 candidates (16 without the solver) without a better one after
            which the sampler stops before the budget is spent, 0 for none; by default 1 behind the
            solver, else none.
        solve: Start the sampler where the update probes point, if the objective weighs them.
        options: What to set of the architecture: option or axis -> value.
        backend: How members are trained: ``"stacked"`` side by side, ``"loop"`` one after the
            other, ``"auto"`` as the model allows.
        precision: Of matrix products: ``"float32"``, ``"tf32"`` or ``"bf16"``.
        compile: Whether to compile training steps; None where that pays.
        command: The command line by which the user's own program trains a member, with placeholders
            ``{rule}``, ``{lr}`` and the axes, as ``Command`` tells; None trains here.
        command_timeout: Seconds that one run of it may take.
        jobs: Runs of it at the same time.
        yes: Go on also where that takes longer, or more memory, than may be expected: `announce`.
        listen: Told about progress.

    Returns:
        The rule, with its evidence and the folder that holds it.

    Raises:
        ParamsearchError: A name does not exist, a file is malformed, parts do not fit, the
            objective's ratios are too few, a suggestion lies outside the space, the budget is too
            small, or the folder cannot be used.
        Stopped: On Ctrl-C, a ``KeyboardInterrupt``; the run can be continued.

    Example:
        >>> search("mlp", axis="depht")  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        ParamsearchError: unknown axis
    """
    asked: dict[str, Any] = dict(locals())
    named, declaring = declared(axis if isinstance(axis, str) else ",".join(axis))
    options = {**(options or {}), **declaring}
    model = load_arch(arch, options) if isinstance(arch, str) else arch.having(options)
    axis, *others = named.split(",")
    if others:
        axes = (axis, *others)
        for each in axes:
            check_axis(model, each)
        words: Sequence[str] = (arch if isinstance(arch, str) else arch.name, named, optimizer)
        folder = _folder(out, words, resume)
        check_folder(folder)
        found: dict[str, SearchResult] = {}
        for each in axes:
            asked |= {"axis": each, "space": space or space_for(axes), "options": options}
            asked |= {"out": folder / each}
            asked |= {"resume": resume and (folder / each / DATABASE).exists()}
            found[each] = search(**asked)
        return join(found, model, folder)
    program = command_of(command, command_timeout, jobs)
    losses_alone = program is not None or of_training(model, axis)
    objective = objective or ("losses" if losses_alone else "transfer")
    goal = Objective.load(objective)
    model = check_axis(model, axis, task or model.task, goal.fidelity.steps)
    check_seed(seed)
    with from_file(objective):
        check_ratios(goal.fidelity.ratios, "fidelity.ratios")
        check_scored(model, axis, goal)
    settings = SearchSettings(
        arch=arch if isinstance(arch, str) else arch.name,
        axis=axis,
        optimizer=optimizer,
        task=task or model.task,
        space=space or space_for([axis]),
        objective=objective,
        budget=int(budget) if str(budget).isdecimal() else budget,
        by=by,
        seed=seed,
        device=device,
        blind=blind,
        sampler=sampler,
        patience=patience,
        solve=solve and goal.weights.probe_slopes > 0,
        options=tuple(f"{name}={value}" for name, value in options.items()),
        backend=backend,
        precision=precision,
        compile=compile,
        seeds=goal.fidelity.seeds,
        program=command,
        timeout=command_timeout,
        suggest=tuple(suggest),
        prefer=prefer,
        target_ratio=target_ratio,
    )
    folder = _folder(out, (settings.arch, axis, optimizer), resume)
    check_folder(folder)
    setting, traced, encoding = prepare(settings, model, program)
    reports = Reports(listen, goal.fidelity.steps)
    if solve and not settings.solve:
        reports.note(f"no solver: objective '{objective}' does not weigh its probe_slopes")
    start = encoding.rule(encoding.start_indices, "start")
    evaluator = Evaluator(
        setting, Watch(reports.steps, reports.note), start, work_of(settings, setting, encoding)
    )
    seen = {} if blind else _fitting(settings, traced)
    first = suggested(encoding, suggest, blind)
    again = f"{settings.command}{f' --jobs {jobs}' * (jobs > 1)}"
    again += f" --out {shlex.quote(str(folder))} --resume"
    with opened(folder, settings, resume) as store, _resumable(store, again):
        reports.send(Progress("plan", 0, None, None))
        with from_file(settings.arch):
            plan = spending(
                settings.allowance,
                min(settings.together, encoding.points),
                lambda trials: forecast(settings, setting, encoding, len(seen), trials),
            )
        predicted = plan.predicted
        done = len(store.trials())
        announce(predicted, Consent(model.name, _SHORTER, yes), reports, done)
        with from_file(settings.arch):
            check_trains(setting, [setting.base_scale * ratio for ratio in goal.fidelity.ratios])
        reports.send(Progress("base", 0, None, None))
        started = time.monotonic()
        try:
            with from_file(settings.objective, about="fidelity.lr"):
                ledger = Ledger(evaluator, store)
                note_worked(setting, ledger.worked())
                made = partial(_member_steps, ledger, model, goal)
                driver = Driver(
                    settings,
                    encoding,
                    ledger,
                    seen,
                    reports.send,
                    purse(settings, plan, made, store),
                    first,
                    goal,
                )
                summary, rule = _run(settings, traced, encoding, ledger, seen, driver)
        finally:
            seconds = time.monotonic() - started
            note_session(store, seconds, evaluator.member_steps, predicted, done)
        summary |= {"member_steps": made() + ledger.beside, "predicted": predicted.counts()}
        timing = {"sessions": store.get("sessions")}
        write_results(folder, summary, rule, timing)
    return SearchResult(rule, summary["groups"], folder, summary, timing)


@contextmanager
def _resumable(store: Store, again: str) -> Generator[None, None, None]:
    """Say, where the user interrupts, how far the run came and how to go on."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise Stopped(len(store.trials()), again) from error


def _run(
    settings: SearchSettings,
    traced: Trace,
    encoding: Encoding,
    ledger: Ledger,
    seen: dict[str, Rule],
    driver: Driver,
) -> tuple[dict[str, Any], Rule]:
    found = driver.run()
    published = seen or _fitting(settings, traced)
    summary = summarize(settings, found, encoding, traced.groups(settings.by), published)
    solved = ledger.solution(encoding, settings.solve_seeds()) if settings.solve else None
    summary |= {"base": ledger.base(), "solution": solved, "trials": ledger.trials}
    summary |= {"failures": failures(settings.axis, ledger.runs())}
    return plain(summary), found.rule.model_copy(update={"source": settings.command})


def _member_steps(ledger: Ledger, model: Arch, goal: Objective) -> int:
    """Count the updates of all runs of candidates by now."""
    return ledger.members(lengthened=STEPS in model.training) * goal.fidelity.steps


def _fitting(settings: SearchSettings, traced: Trace) -> dict[str, Rule]:
    """Give the published rules that cover every tensor of the model and whose sites it can take."""
    rules = published_rules(settings.optimizer, settings.axis)
    covering = {n: r for n, r in rules.items() if all(map(r.exponents, traced.tensors))}
    return {name: r for name, r in covering.items() if not r.refusal(traced.tensors)}


def _folder(out: str | Path | None, words: Sequence[str], resume: bool) -> Path:
    if out is not None:
        return Path(out)
    return (latest_folder if resume else free_folder)(Path("runs"), words)
