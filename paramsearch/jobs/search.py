"""The main job from end to end, as a Python call: search, with all the files that it leaves."""

import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from paramsearch.catalog import names
from paramsearch.discovery.driver import Driver, proposer_for
from paramsearch.discovery.evaluate import Evaluator
from paramsearch.discovery.files import plain, write_json
from paramsearch.discovery.folder import RULE, SUMMARY, check_folder, opened
from paramsearch.discovery.ledger import Ledger
from paramsearch.discovery.nearest import published_rules
from paramsearch.discovery.progress import Listener, Progress, Watch, silent
from paramsearch.discovery.setting import Setting
from paramsearch.discovery.settings import SearchSettings, free_folder, latest_folder
from paramsearch.discovery.store import Store
from paramsearch.discovery.summary import summarize
from paramsearch.errors import ParamsearchError
from paramsearch.jobs.checks import check_axis, check_seed, check_trains, from_file
from paramsearch.jobs.device import check_device
from paramsearch.rules.encoding import Encoding
from paramsearch.rules.rule import Rule
from paramsearch.rules.space import Space
from paramsearch.score.objective import Objective
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import Arch, load_arch
from paramsearch.tracing.trace import Trace, trace
from paramsearch.train.optimizers.table import optimizer_entry


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found.

    Attributes:
        rule: The rule.
        groups: Per group of tensors its exponents with intervals, as in ``summary.json``.
        folder: The run folder, with ``rule.yaml``, ``summary.json`` and ``report.png``.
        summary: The content of ``summary.json``.
    """

    rule: Rule
    groups: list[dict[str, Any]]
    folder: Path
    summary: dict[str, Any]


class Stopped(KeyboardInterrupt):
    """A search was interrupted; the run can be continued.

    Attributes:
        trials: Trials kept in the run.
        command: The command that continues it.
    """

    def __init__(self, trials: int, command: str):
        """Note how far the run came and how to continue it."""
        super().__init__(f"stopped after {trials} trials; continue with: {command}")
        self.trials = trials
        self.command = command


def search(
    arch: Arch | str,
    *,
    axis: str,
    optimizer: str = "adam",
    task: str | None = None,
    space: str | None = None,
    objective: str = "transfer",
    budget: int = 96,
    seed: int = 0,
    device: str = "cpu",
    out: str | Path | None = None,
    resume: bool = False,
    blind: bool = False,
    sampler: str = "LargeDiagCMA",
    solve: bool = True,
    options: Mapping[str, object] | None = None,
    backend: str = "auto",
    precision: str = "float32",
    compile: bool | None = None,
    listen: Listener = silent,
) -> SearchResult:
    """Discover a parameterization by experiment.

    Finds the exponents e of ``value = base value * ratio ** e``, per group of tensors and
    quantity, with the lowest score of the objective, and what the data determine of them.

    Args:
        arch: The architecture, or its name or path.
        axis: The axis along which the rule is to hold.
        optimizer: Name of the optimizer.
        task: Name of the task; by default the architecture's own.
        space: Name or path of the space; by default the one named like the axis.
        objective: Name or path of the objective.
        budget: Distinct candidates to train, before the best is polished.
        seed: One seed, one result.
        device: Where to train, ``"cpu"`` or ``"cuda"``.
        out: The run folder; by default a new one under ``runs/``.
        resume: Continue the run in the folder, to the result it would have had uninterrupted.
        blind: Leave published rules unseen until the search is over.
        sampler: nevergrad's name of the sampler.
        solve: Start the sampler where the update probes point.
        options: What to set of the architecture: option or axis -> value.
        backend: How members are trained: ``"stacked"`` side by side, ``"loop"`` one after the
            other, ``"auto"`` as the model allows.
        precision: Of matrix products: ``"float32"``, ``"tf32"`` or ``"bf16"``.
        compile: Whether to compile training steps; None where that pays.
        listen: Told about progress.

    Returns:
        The rule, with its evidence and the folder that holds it.

    Raises:
        ParamsearchError: A name does not exist, a file is malformed, parts do not fit, or the
            folder cannot be used.
        Stopped: On Ctrl-C, a ``KeyboardInterrupt``; the run can be continued.

    Example:
        >>> search("mlp", axis="depht")  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        ParamsearchError: unknown axis
    """
    options = options or {}
    model = load_arch(arch, options) if isinstance(arch, str) else arch.having(options)
    check_axis(model, axis)
    check_seed(seed)
    settings = SearchSettings(
        arch=arch if isinstance(arch, str) else arch.name,
        axis=axis,
        optimizer=optimizer,
        task=task or model.task,
        space=space or _default_space(axis),
        objective=objective,
        budget=budget,
        seed=seed,
        device=device,
        blind=blind,
        sampler=sampler,
        solve=solve,
        options=tuple(f"{name}={value}" for name, value in options.items()),
        backend=backend,
        precision=precision,
        compile=compile,
        seeds=Objective.load(objective).fidelity.seeds,
    )
    folder = _folder(out, settings, resume)
    check_folder(folder)
    setting, traced, encoding = prepare(settings, model)
    reports = _Reports(listen, setting.objective.fidelity.steps)
    start = encoding.rule(encoding.start_indices, "start")
    evaluator = Evaluator(
        setting, Watch(reports.steps, reports.note), start, _work(settings, setting)
    )
    with opened(folder, settings, resume) as store:
        started = time.monotonic()
        try:
            with from_file(settings.objective, about="fidelity.lr"):
                ledger = Ledger(evaluator, store)
                summary, rule = _run(settings, traced, encoding, ledger, reports.send)
        except KeyboardInterrupt as error:
            command = f"{settings.command} --out {shlex.quote(str(folder))} --resume"
            raise Stopped(len(store.trials()), command) from error
        finally:
            _note_session(store, time.monotonic() - started, evaluator.member_steps)
        _write(folder, summary, rule, store)
    return SearchResult(rule, summary["groups"], folder, summary)


def prepare(settings: SearchSettings, arch: Arch) -> tuple[Setting, Trace, Encoding]:
    """Load and check everything that a search needs, before anything is written.

    Args:
        settings: What is asked.
        arch: The architecture.

    Returns:
        The setting, the traced model and its free exponents.

    Raises:
        ParamsearchError: A name does not exist, a file is malformed, or parts do not fit.
    """
    optimizer_entry(settings.optimizer)
    check_device(settings.device)
    task = load_task(settings.task, settings.device, settings.seed)
    space, objective = Space.load(settings.space), Objective.load(settings.objective)
    if settings.axis not in space.axes:
        raise ParamsearchError(
            f"space '{settings.space}' frees exponents of {', '.join(space.axes)}; "
            f"received --axis {settings.axis}; choose another --space"
        )
    where = (settings.axis, settings.optimizer, objective, settings.device, settings.seed)
    setting = Setting(arch, task, *where, settings.engine)
    with from_file(settings.arch):
        traced = trace(arch, axis=settings.axis, task=task)
    with from_file(settings.space):
        encoding = space.encode(traced.groups(), settings.optimizer)
        if not encoding.variables:
            raise ParamsearchError(
                f"space '{space.name}' leaves no exponent of architecture '{arch.name}' free, so "
                f"there is nothing to search; allowed: at least one with low < high"
            )
    proposer_for(settings, encoding)  # a sampler that cannot be used shows before anything trains
    with from_file(settings.arch):
        ratios = objective.fidelity.ratios[1:]
        check_trains(setting, [setting.base_scale * ratio for ratio in ratios])
    return setting, traced, encoding


def _default_space(axis: str) -> str:
    """Give the space named like the axis."""
    if axis not in names("space"):
        raise ParamsearchError(
            f"no shipped space is named like axis '{axis}'; give one by --space (known: "
            f"{', '.join(names('space'))}, or the path of a file)"
        )
    return axis


def _run(
    settings: SearchSettings,
    traced: Trace,
    encoding: Encoding,
    ledger: Ledger,
    listen: Listener,
) -> tuple[dict[str, Any], Rule]:
    seen = {} if settings.blind else _fitting(settings, traced)
    found = Driver(settings, encoding, ledger, seen, listen).run()
    published = seen or _fitting(settings, traced)
    summary = summarize(settings, found, encoding, traced.groups(), published)
    steps = Objective.load(settings.objective).fidelity.steps
    summary |= {"base": ledger.base(), "trials": ledger.trials}
    summary |= {"member_steps": ledger.members() * steps}
    return plain(summary), found.rule.model_copy(update={"source": settings.command})


def _fitting(settings: SearchSettings, traced: Trace) -> dict[str, Rule]:
    """Give the published rules that cover every tensor of the model."""
    rules = published_rules(settings.optimizer, settings.axis)
    return {name: r for name, r in rules.items() if all(map(r.exponents, traced.tensors))}


def _write(folder: Path, summary: dict[str, Any], rule: Rule, store: Store) -> None:
    from paramsearch.report.search_figure import search_figure  # matplotlib is slow to import

    rule.save(folder / RULE)
    write_json(folder / SUMMARY, summary)
    write_json(folder / "timing.json", {"sessions": store.get("sessions")})
    search_figure(summary, folder / "report.png")


def _note_session(store: Store, seconds: float, steps: int) -> None:
    sessions: list[dict[str, float]] = store.get("sessions") or []
    rate = steps / seconds if seconds > 0 else 0.0
    session = {"seconds": seconds, "member_steps": steps, "member_steps_per_second": rate}
    store.put("sessions", [*sessions, session])


def _folder(out: str | Path | None, settings: SearchSettings, resume: bool) -> Path:
    if out is not None:
        return Path(out)
    words: Sequence[str] = (settings.arch, settings.axis, settings.optimizer)
    return (latest_folder if resume else free_folder)(Path("runs"), words)


def _work(settings: SearchSettings, setting: Setting) -> int:
    """Give the member-steps that the search will make at one scale, about."""
    fidelity = setting.objective.fidelity
    return settings.budget * settings.seeds * len(fidelity.lr.around(1.0)) * fidelity.steps


class _Reports:
    """Sends progress on, also between batches, as member-steps are made."""

    def __init__(self, listen: Listener, steps: int):
        self._listen = listen
        self._last = Progress("base", 0, None, None)
        self._share = 1 / steps  # of a member that one of its steps is
        self._members = 0.0

    def send(self, progress: Progress) -> None:
        self._last = replace(progress, members=self._members)
        self._listen(self._last)

    def steps(self, count: int) -> None:
        self._members += count * self._share
        self.send(replace(self._last, note=""))

    def note(self, words: str) -> None:
        self.send(replace(self._last, note=words))
