"""The coordinate check from end to end, as a Python call, with the picture that it leaves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paramsearch.discovery.coords import TOLERANCE, Check, Coordinate, Slope, coordinates
from paramsearch.discovery.files import plain
from paramsearch.discovery.folder import check_file
from paramsearch.discovery.progress import Listener, silent
from paramsearch.errors import ParamsearchError
from paramsearch.jobs.checks import check_axis, check_seed, from_file
from paramsearch.jobs.device import check_device
from paramsearch.jobs.rules import rule_target
from paramsearch.rules.degrees import degrees
from paramsearch.rules.rule import Rule
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import Arch, load_arch
from paramsearch.tracing.axes import declared
from paramsearch.train.optimizers.table import optimizer_entry
from paramsearch.train.recipe import Engine, Recipe

_RATIOS = (1, 2, 4, 8)
_LR, _LR_LINEAR = 1e-3, 0.1  # of optimizers whose step ignores the gradient's size, and others
_NAMED = 4  # layers that the verdict names at most


@dataclass(frozen=True, slots=True)
class CoordinateCheck:
    """What a coordinate check says.

    Attributes:
        passed: Whether every layer keeps its coordinates.
        sentence: The verdict in words.
        content: Everything measured, as ``--json`` prints it.
    """

    passed: bool
    sentence: str
    content: dict[str, Any]


def check_coordinates(
    arch: Arch | str,
    rule: str | Path | Rule = "mup",
    *,
    axis: str | None = None,
    scales: Sequence[int] | None = None,
    steps: int = 4,
    lr: float | None = None,
    optimizer: str | None = None,
    task: str | None = None,
    seeds: int = 4,
    seed: int = 0,
    device: str = "cpu",
    options: Mapping[str, object] | None = None,
    engine: Engine | None = None,
    out: str | Path | None = None,
    listen: Listener = silent,
) -> CoordinateCheck:
    """Check that no layer's output, nor its change over the first steps, follows the scale.

    Per layer, the root mean square of its output at initialization and of what has been added to
    it after t updates, on one batch; the slope of its log against the log of the scale.

    Args:
        arch: The architecture.
        rule: The rule, or its name, path or run folder.
        axis: The axis; by default the rule's only one.
        scales: Sizes along it; by default 1, 2, 4 and 8 times the base.
        steps: Updates.
        lr: Base learning rate; by default 0.1 for optimizers whose step is linear in the gradient
            (SGD), else 0.001.
        optimizer: Which form of a published rule; by default the rule's own.
        task: What to train on; by default the architecture's own.
        seeds: Training runs per scale.
        seed: Of initial parameters and batches.
        device: Where to train.
        options: What to set of the architecture: option or axis -> value.
        engine: How to train.
        out: Where to draw the picture: .png, .svg or .pdf; none is drawn if left out.
        listen: Told about progress.

    Returns:
        The verdict and what it rests on.

    Raises:
        ParamsearchError: A number out of range, a rule that does not fit the model, or a model
            that cannot be trained.

    Example:
        >>> check_coordinates("mlp", "mup", scales=[32, 64], seeds=2).passed
        True
    """
    found = rule_target(rule, optimizer).rule
    optimizer_entry(found.optimizer)
    named, declaring = declared(axis) if axis else (None, {})
    options, axis = {**(options or {}), **declaring}, _axis(found, named)
    model = load_arch(arch, options) if isinstance(arch, str) else arch.having(options)
    model = check_axis(model, axis)
    check_seed(seed)
    check_device(device)
    sizes = _sizes(scales, model.axes[axis])
    for name, number in (("steps", steps), ("seeds", seeds)):
        if number < 1:
            raise ParamsearchError(f"{name} must be at least 1; received {number}")
    if lr is None:
        lr = _LR_LINEAR if degrees(found.optimizer).k == 1 else _LR
    if not 0 < lr < float("inf"):
        raise ParamsearchError(f"lr must be a positive number; received {lr:g}")
    picture = _picture(out)
    check = Check(
        arch=model,
        task=load_task(task or model.task, device, seed),
        axis=axis,
        rule=found,
        scales=sizes,
        lr=lr,
        recipe=Recipe(found.optimizer, steps),
        seeds=tuple(1000 * seed + index for index in range(seeds)),
        device=device,
        engine=engine or Engine(),
    )
    with from_file(arch), from_file(rule):
        measured = coordinates(check, listen)
    passed, sentence = verdict(found.name, measured)
    content = _content(check, measured, passed, sentence)
    if picture is not None:
        from paramsearch.report.coords_figure import coords_figure

        picture.parent.mkdir(parents=True, exist_ok=True)
        coords_figure(content, picture)
        content["picture"] = str(picture)
    return CoordinateCheck(passed, sentence, content)


def verdict(rule: str, measured: Sequence[Coordinate]) -> tuple[bool, str]:
    """Say whether a rule keeps the coordinates of every layer.

    Args:
        rule: Its name.
        measured: Of every layer.

    Returns:
        Whether it does, and the sentence.

    Raises:
        ParamsearchError: Nothing was measured.
    """
    if not measured:
        raise ParamsearchError("no layer's output could be measured at every scale")
    parts = [_found(word, measured) for word in _PHRASES]
    parts = [part for part in parts if part]
    if parts:
        return False, f"{rule} {_failing(measured)}: {'; '.join(parts)}."
    return True, f"{rule} holds: every layer keeps its size and moves by as much at every scale."


def _failing(measured: Sequence[Coordinate]) -> str:
    clear = any(each.word in ("diverges", "grows", "shrinks") for each in measured)
    return "does not hold" if clear else "is not shown to hold"


_PHRASES = {  # of one layer, and of several
    "diverges": ("diverges", "diverge"),
    "grows": ("grows with the scale", "grow with the scale"),
    "shrinks": (
        "shrinks with the scale, that is, features freeze",
        "shrink with the scale, that is, features freeze",
    ),
    "unclear": (
        "spreads too much over seeds to tell; take more seeds or scales",
        "spread too much over seeds to tell; take more seeds or scales",
    ),
}


def _found(word: str, measured: Sequence[Coordinate]) -> str:
    """Name the layers that have a verdict, and say what it means."""
    names = [each.layer.name for each in measured if each.word == word]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    phrase = _PHRASES[word][len(names) > 1]
    return f"{', '.join(names[:_NAMED])}{more} {phrase}" if names else ""


def _content(
    check: Check, measured: Sequence[Coordinate], passed: bool, sentence: str
) -> dict[str, Any]:
    content: dict[str, Any] = {
        "paramsearch": 1,
        "arch": check.arch.name,
        "task": check.task.name,
        "axis": check.axis,
        "rule": check.rule.name,
        "optimizer": check.rule.optimizer,
        "lr": check.lr,
        "steps": check.recipe.steps,
        "seeds": list(check.seeds),
        "scales": list(check.scales),
        "tolerance": TOLERANCE,
        "layers": [_layer(each) for each in measured],
        "verdict": {"passed": passed, "sentence": sentence},
        "picture": None,
    }
    return plain(content)


def _layer(measured: Coordinate) -> dict[str, Any]:
    return {
        "name": measured.layer.name,
        "role": measured.layer.role,
        "tensors": list(measured.layer.tensors),
        "summed": measured.layer.summed,
        "size": measured.size.tolist(),
        "change": measured.change[:, 1:].tolist(),
        "start": _slope(measured.start),
        "moves": [_slope(slope) for slope in measured.moves],
        "word": measured.word,
    }


def _slope(slope: Slope) -> dict[str, float]:
    return {"slope": slope.value, "spread": slope.spread}


def _axis(rule: Rule, axis: str | None) -> str:
    if axis is None and len(rule.axes) > 1:
        raise ParamsearchError(
            f"rule '{rule.name}' speaks of {', '.join(rule.axes)}; choose one with --axis"
        )
    if axis not in (None, *rule.axes):
        raise ParamsearchError(
            f"rule '{rule.name}' says nothing about axis '{axis}'; it has {', '.join(rule.axes)}"
        )
    return axis or next(iter(rule.axes))


def _sizes(scales: Sequence[int] | None, base: int) -> tuple[int, ...]:
    if scales is None:
        return tuple(ratio * base for ratio in _RATIOS)
    if len(set(scales)) < 2 or min(scales) < 1:
        raise ParamsearchError(
            f"scales must be at least two different sizes from 1 up; received "
            f"{', '.join(map(str, scales)) or 'none'}"
        )
    return tuple(sorted(set(scales)))


def _picture(out: str | Path | None) -> Path | None:
    if out is None:
        return None
    from paramsearch.report.canvas import SUFFIXES  # matplotlib is slow

    path = Path(out)
    if path.suffix not in SUFFIXES:
        raise ParamsearchError(f"--out: received {path}; allowed: a file in {', '.join(SUFFIXES)}")
    check_file("--out", path)
    return path
