"""Members that a user's own program trains, one process each."""

import math
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from paramsearch.errors import ParamsearchError
from paramsearch.rules.rule import Rule
from paramsearch.train.command import Command
from paramsearch.train.outcome import Outcome, outcome
from paramsearch.train.population import Member
from paramsearch.train.processes import Call, Ended, run_all
from paramsearch.train.reply import losses_in

_LONGEST = 240  # characters of the last line of stderr
_NOT_FINITE = "printed a loss that is not a finite number"


@dataclass
class Record:
    """What is known of the runs that a program has made at one scale.

    Attributes:
        worked: Whether any of them gave losses, finite or not.
        told: Failures that the user was told about, without the numbers in them.
    """

    worked: bool = False
    told: set[str] = field(default_factory=set[str])


@dataclass(frozen=True, eq=False)
class Program:
    """A command at one scale: what a workload is to members that train in this process.

    Attributes:
        command: The command.
        sizes: Axis -> size of the members along it, for every axis of the architecture.
        device: What stands for ``{device}``.
        record: Of all runs made so far.
    """

    command: Command
    sizes: Mapping[str, int]
    device: str = "cpu"
    record: Record = field(default_factory=Record)

    @property
    def place(self) -> str:
        """The scale in words, as in ``width=64, depth=3``."""
        return ", ".join(f"{axis}={size}" for axis, size in self.sizes.items())


def run_program(
    program: Program,
    rules: Sequence[Rule],
    members: Sequence[Member],
    steps: int,
    on_steps: Callable[[int], None],
    on_note: Callable[[str], None],
) -> Outcome:
    """Train members by a user's own program; what fails has the losses of what diverged at once.

    Args:
        program: The command at its scale.
        rules: The rules that members refer to; each is written to a file that lasts until all
            members are done.
        members: The runs to make, at least one.
        steps: What stands for ``{steps}``.
        on_steps: Called with the number of member-steps just made.
        on_note: Told in a sentence what fails, once for every kind of failure.

    Returns:
        The losses that each member printed, the last one repeated up to the longest list; ``final``
        and ``survived`` are those of the list itself. The order in which processes end does not
        matter.

    Raises:
        ParamsearchError: Every run at this scale has failed so far.
    """
    failures: dict[int, str] = {}
    found: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="paramsearch-") as name:
        folder = Path(name)
        paths = _written(rules, members, folder)
        calls = [
            _call(program, member, steps, paths[member.rule], folder / str(index))
            for index, member in enumerate(members)
        ]

        def on_end(index: int, ended: Ended) -> None:
            losses, failure = _judged(ended, folder)
            program.record.worked |= not failure
            if failure := failure or _NOT_FINITE * (not all(map(math.isfinite, losses))):
                failures[index] = failure
                _tell(program, failure, members[index], on_note)
            found.append(outcome(torch.tensor([losses], dtype=torch.float64), {}))
            shutil.rmtree(calls[index].folder, ignore_errors=True)
            on_steps(steps)

        run_all(calls, program.command.jobs, program.command.timeout, on_end)
    if not program.record.worked:
        raise ParamsearchError(
            f"every run of the command failed at {program.place}, {len(failures)} in all; "
            f"the first one {failures[0]}"
        )
    return _padded(found, failures)


def _written(rules: Sequence[Rule], members: Sequence[Member], folder: Path) -> dict[int, Path]:
    """Write the rules that members refer to; gives index -> path."""
    paths = {m.rule: folder / f"rule-{m.rule}.yaml" for m in members}
    for index, path in paths.items():
        rules[index].save(path)
    return paths


def _call(program: Program, member: Member, steps: int, rule: Path, folder: Path) -> Call:
    out = folder / "out"
    out.mkdir(parents=True)
    values = {
        **{axis: str(size) for axis, size in program.sizes.items()},
        "rule": str(rule),
        "lr": repr(float(member.lr)),
        "seed": str(member.seed),
        "steps": str(steps),
        "device": program.device,
        "out": str(out),
    }
    return Call(tuple(program.command.filled(values)), folder)


def _judged(ended: Ended, folder: Path) -> tuple[list[float], str]:
    """Give the losses of a run and what failed, in words; "" for nothing.

    The name of the temporary folder is left out, so that the same failure has the same words.
    """
    if ended.trouble:
        last = next((s for s in reversed(ended.stderr.splitlines()) if s.strip()), "")
        last = last.strip().replace(f"{folder}{os.sep}", "")
        said = f": {last[:_LONGEST]}" if last else ""
        return [math.nan], ended.trouble + said
    try:
        return losses_in(ended.stdout), ""
    except ParamsearchError as error:
        return [math.nan], str(error)


def _tell(program: Program, failure: str, member: Member, on_note: Callable[[str], None]) -> None:
    """Tell about a failure that was not told about yet; numbers in it may differ."""
    kind = re.sub(r"[\d.]+", "", failure)
    if kind not in program.record.told:
        program.record.told.add(kind)
        where = f"{program.place}, lr={member.lr:.3g}, seed={member.seed}"
        on_note(f"the command {failure} (at {where}); such runs count as failed")


def _padded(parts: Sequence[Outcome], failures: Mapping[int, str]) -> Outcome:
    """Put single members together, whose lists of losses may differ in length."""
    longest = max(part.losses.shape[1] for part in parts)
    rows = [
        torch.cat([part.losses, part.losses[:, -1:].expand(-1, longest - part.losses.shape[1])], 1)
        for part in parts
    ]
    return Outcome(
        losses=torch.cat(rows),
        final=torch.cat([part.final for part in parts]),
        survived=torch.cat([part.survived for part in parts]),
        failures=failures,
    )
