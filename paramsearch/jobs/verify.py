"""Verification from end to end, as a Python call, with the certificate that it leaves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paramsearch.discovery.certificate import certify
from paramsearch.discovery.files import plain, write_json
from paramsearch.discovery.folder import CERTIFICATE, check_folder
from paramsearch.discovery.progress import Listener, silent, weighed
from paramsearch.discovery.setting import Setting
from paramsearch.discovery.settings import free_folder
from paramsearch.discovery.target import Target, find_target
from paramsearch.discovery.verify import check_scales, measure
from paramsearch.discovery.verify_plan import verifying
from paramsearch.errors import ParamsearchError
from paramsearch.jobs.announce import Consent
from paramsearch.jobs.checks import check_axis, check_seed, check_trains, from_file
from paramsearch.jobs.command import check_command, command_of
from paramsearch.jobs.device import check_device
from paramsearch.jobs.forecast import ahead
from paramsearch.rules.resolve import resolve
from paramsearch.rules.rule import Rule
from paramsearch.score.objective import Objective
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import Arch, load_arch
from paramsearch.tracing.axes import declared
from paramsearch.tracing.trace import trace
from paramsearch.train.recipe import Engine

_FIRST_SEED = 500  # of every block of a thousand; searches use the first few


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification says.

    Attributes:
        passed: Whether the rule holds.
        sentence: The verdict in words.
        folder: Where ``certificate.json`` and ``certificate.png`` are.
        certificate: The content of ``certificate.json``.
    """

    passed: bool
    sentence: str
    folder: Path
    certificate: dict[str, Any]


def verify(
    target: str | Path | Rule,
    scales: Sequence[int],
    baselines: Sequence[str] = ("sp", "mup"),
    *,
    arch: Arch | str | None = None,
    axis: str | None = None,
    task: str | None = None,
    objective: str | None = None,
    seeds: int = 3,
    seed: int = 0,
    device: str = "cpu",
    out: str | Path | None = None,
    held: Mapping[str, int] | None = None,
    allow_searched: bool = False,
    dense: bool = False,
    options: Mapping[str, object] | None = None,
    engine: Engine | None = None,
    command: str | None = None,
    command_timeout: float | None = None,
    jobs: int = 1,
    yes: bool = False,
    listen: Listener = silent,
) -> Verification:
    """Prove a rule at scales that its search never saw, beside published rules.

    Transfer regret is the loss at a scale with the learning rate tuned at the base scale, minus
    the best loss that any of the rules reaches there.

    Args:
        target: A run folder, or a rule or its path or name.
        scales: Sizes along the axis, above the base.
        baselines: Published names or paths of rules to compare with.
        arch: The architecture; by default that of the run.
        axis: The axis, or the declaration of one as in a search; by default that of the run, or
            the rule's only one.
        task: The task; by default that of the run, or the architecture's own.
        objective: Gives steps and learning rates; by default that of the run, or ``transfer``.
        seeds: Training runs per rule and learning rate.
        seed: Of batches and initial parameters.
        device: Where to train.
        out: Where to write; by default the run folder, or a new one under ``runs/``.
        held: Other axes -> their size at every scale beyond the base, for a rule of several axes.
        allow_searched: Whether scales of the search may be verified.
        dense: Whether to train a common grid of learning rates at every scale; by default only
            points around each rule's optimum, which is followed from scale to scale, and the
            learning rate tuned at the base.
        options: What to set of the architecture: option or axis -> value; by default as the run.
        engine: How to train.
        command: The command line by which the user's own program trains a member; by default that
            of the run.
        command_timeout: Seconds that one run of it may take.
        jobs: Runs of it at the same time.
        yes: Go on also where that takes longer, or more memory, than may be expected: `announce`.
        listen: Told about progress.

    Returns:
        The verdict and its evidence.

    Raises:
        ParamsearchError: A scale is not held out, a rule does not fit the model, or nothing trains.

    Example:
        >>> verify("mup", [512])  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        ParamsearchError: a rule by itself does not say which architecture it is for
    """
    found = find_target(target)
    rule = found.rule
    axis, declaring = declared(axis or found.asked.get("axis") or _only_axis(rule))
    model = _arch(found, arch, options, declaring)
    name = task or (found.asked.get("task") if arch is None else None) or model.task
    goal = Objective.load(objective or found.asked.get("objective") or "transfer")
    model = check_axis(model, axis, name, goal.fidelity.steps)
    check_seed(seed)
    if seeds < 1:
        raise ParamsearchError(f"seeds must be at least 1; received {seeds}")
    same_model = arch is None and axis in found.searched
    searched = found.searched.get(axis, ()) if same_model and not held else ()
    others = [name for name in model.axes if name != axis]
    if wrong := [name for name in held or {} if name not in others]:
        allowed = ", ".join(others) or "none"
        raise ParamsearchError(f"--with: received axis '{wrong[0]}'; allowed: {allowed}")
    sizes = check_scales(scales, model.axes[axis], axis, searched, allow_searched)
    check_device(device)
    if command is None and arch is None:
        command = found.program
        command_timeout = found.timeout if command_timeout is None else command_timeout
    setting = Setting(
        model,
        load_task(name, device, seed),
        axis,
        rule.optimizer,
        goal,
        device,
        seed,
        engine or Engine(),
        command_of(command, command_timeout, jobs),
        dict(held or {}),
    )
    with from_file(objective or found.asked.get("objective"), about="objective"):
        check_command(setting)
    rules = _rules(rule, baselines, (axis, *setting.held))
    folder = _folder(out, found)
    check_folder(folder)
    files = {_label(baseline): baseline for baseline in baselines} | {rule.name: str(target)}
    with from_file(arch or found.asked.get("arch")):
        traced = trace(model, axis=axis, task=setting.task)
    for label, each in rules.items():  # a misfit shows before anything trains
        with from_file(files.get(label)):
            resolve(each, traced.tensors, dict.fromkeys(model.axes, 1.0))
    with from_file(arch or found.asked.get("arch")):
        plan = verifying(setting, sizes, len(rules), seeds, dense)
        consent = Consent(model.name, "lower --scales or --seeds", yes)
        parts = ahead(setting, plan, consent, listen).parts
        check_trains(setting, [setting.base_scale, *sizes])
    block = [1000 * seed + _FIRST_SEED + index for index in range(seeds)]
    with from_file(objective or found.asked.get("objective"), about="fidelity.lr"):
        evidence = measure(setting, rules, sizes, block, weighed(listen, parts), dense)
    certificate: dict[str, Any] = {
        "paramsearch": 1,
        "arch": model.name,
        "task": name,
        "held": dict(setting.held),
        "optimizer": rule.optimizer,
        "program": command,
        "rule": rule.name,
        "seeds": block,
        "steps": goal.fidelity.steps,
        **certify(evidence),
    }
    verdict = certificate["verdict"]
    return Verification(verdict["passed"], verdict["sentence"], folder, _write(folder, certificate))


def _folder(out: str | Path | None, found: Target) -> Path:
    if out is not None:
        return Path(out)
    return found.folder or free_folder(Path("runs"), [f"verify-{found.rule.name}"])


def _write(folder: Path, certificate: dict[str, Any]) -> dict[str, Any]:
    from paramsearch.report.certificate_figure import certificate_figure  # matplotlib is slow

    folder.mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = plain(certificate)
    write_json(folder / CERTIFICATE, content)
    certificate_figure(content, folder / "certificate.png")
    return content


def _arch(
    found: Target,
    arch: Arch | str | None,
    options: Mapping[str, object] | None,
    declaring: Mapping[str, object],
) -> Arch:
    if arch is None and options is None:
        options = found.options
    arch = arch or found.asked.get("arch")
    if arch is None:
        raise ParamsearchError(
            f"rule '{found.rule.name}' by itself does not say which architecture it is for; "
            f"add --arch"
        )
    options = {**(options or {}), **declaring}
    return load_arch(arch, options) if isinstance(arch, str) else arch.having(options)


def _only_axis(rule: Rule) -> str:
    if len(rule.axes) != 1:
        raise ParamsearchError(
            f"rule '{rule.name}' speaks of {', '.join(rule.axes)}; choose one with --axis"
        )
    return rule.axes[0]


def _rules(rule: Rule, baselines: Sequence[str], axes: Sequence[str]) -> dict[str, Rule]:
    """Give name -> rule, the rule to verify first; it is not its own baseline."""
    if silent_on := [axis for axis in axes if axis not in rule.axes]:
        raise ParamsearchError(
            f"rule '{rule.name}' says nothing about axis '{silent_on[0]}'; it has "
            f"{', '.join(rule.axes)}"
        )
    axis = axes[0]
    rules = {rule.name: rule}
    for name in dict.fromkeys(baselines):
        baseline = Rule.load(name, optimizer=rule.optimizer)
        if axis not in baseline.axes:
            raise ParamsearchError(f"baseline '{name}' says nothing about axis '{axis}'")
        label = _label(name)
        if baseline != rule:
            rules[label if label not in rules else name] = baseline
    return rules


def _label(name: str) -> str:
    """Give the name of a rule from its name or path."""
    return name.removesuffix(".yaml").rsplit("/", 1)[-1]
