"""The command line of a user's own training program: a template, filled in for every member."""

import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paramsearch.errors import ParamsearchError

TIMEOUT = 3600.0
"""Seconds that one run may take unless the user says otherwise."""

PLACEHOLDERS = ("rule", "lr", "seed", "steps", "device", "out")
"""What can be filled in beside the axes of the architecture."""

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_SHELL = ("|", "||", "&", "&&", ";", ">", ">>", "<", "2>", "2>&1")


@dataclass(frozen=True, slots=True)
class Command:
    """A program that trains one member per call, and how it is run.

    The text is split as a POSIX shell would split it, but no shell ever sees it. ``{rule}`` is the
    path of the rule's file, ``{lr}`` the learning rate at the base scale, ``{seed}`` that of the
    initial parameters, ``{steps}`` and ``{device}`` those of the search, ``{out}`` an empty folder
    for the run, and each axis of the architecture stands for the member's size along it. Braces
    around anything but a single word stay as they are.

    Attributes:
        text: As the user gives it.
        timeout: Seconds that one run may take.
        jobs: Runs at the same time.

    Raises:
        ParamsearchError: The text cannot be split or is empty, or a number is not positive.

    Example:
        >>> command = Command("python 'my train.py' --lr={lr} --rule {rule} --json '{}'")
        >>> command.filled({"lr": "0.1", "rule": "/tmp/rule.yaml"})
        ['python', 'my train.py', '--lr=0.1', '--rule', '/tmp/rule.yaml', '--json', '{}']
    """

    text: str
    timeout: float = TIMEOUT
    jobs: int = 1

    def __post_init__(self) -> None:
        """Check what can be checked without an architecture."""
        if not self.words():
            raise ParamsearchError("--command: received nothing; allowed: a program and its words")
        shell = next((word for word in self.words() if word in _SHELL), None)
        if shell is not None:
            raise ParamsearchError(
                f"--command: received '{shell}', which only a shell understands; allowed: one "
                "program and its words; put anything else into a script"
            )
        if not 0 < self.timeout < float("inf"):
            raise ParamsearchError(
                f"--command-timeout: received {self.timeout:g}; allowed: seconds, above 0"
            )
        if self.jobs < 1:
            raise ParamsearchError(f"--jobs: received {self.jobs}; allowed: at least 1")

    def words(self) -> list[str]:
        """Split the text into words, placeholders and all."""
        try:
            return shlex.split(self.text)
        except ValueError as error:
            raise ParamsearchError(
                f"--command: received {self.text!r}, which cannot be split into words: "
                f"{str(error).lower()}"
            ) from error

    def check(self, axes: Sequence[str], axis: str) -> None:
        """Check the program and the placeholders.

        Args:
            axes: Axes of the architecture.
            axis: The one along which members differ.

        Raises:
            ParamsearchError: There is no such program, a placeholder does not exist, or one is
                missing without which all members would be the same.

        Example:
            >>> Command("python train.py {rule} {lr} {wdth}").check(["width"], "width")
            Traceback (most recent call last):
            paramsearch.errors.ParamsearchError: --command: received {wdth}; allowed: {rule}, \
{lr}, {seed}, {steps}, {device}, {out}, {width}
        """
        allowed = dict.fromkeys((*PLACEHOLDERS, *axes))
        found = [name for word in self.words() for name in _PLACEHOLDER.findall(word)]
        unknown = next((name for name in found if name not in allowed), None)
        if unknown is not None:
            listed = ", ".join(f"{{{name}}}" for name in allowed)
            raise ParamsearchError(f"--command: received {{{unknown}}}; allowed: {listed}")
        missing = next((name for name in ("rule", "lr", axis) if name not in found), None)
        if missing is not None:
            raise ParamsearchError(
                f"--command: received {self.text!r}; {{{missing}}} is missing, without which all "
                "runs would be the same"
            )
        program = self.words()[0]
        if not _PLACEHOLDER.search(program) and shutil.which(program) is None:
            raise ParamsearchError(
                f"--command: received '{program}'; allowed: a program on PATH, or the path of a "
                "file that can be run"
            )

    def filled(self, values: Mapping[str, str]) -> list[str]:
        """Give the words of one run; a value stays within its word, whatever it holds.

        Args:
            values: Placeholder -> text; any other stays as it is.
        """

        def value(found: re.Match[str]) -> str:
            return values.get(found[1], found[0])

        return [_PLACEHOLDER.sub(value, word) for word in self.words()]
