"""What was asked of a search: everything that decides its result, as it is kept in the run."""

import hashlib
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from paramsearch.catalog import find
from paramsearch.discovery.answers.wish import check_wish
from paramsearch.discovery.budget import Budget
from paramsearch.errors import ParamsearchError
from paramsearch.train.recipe import Engine

SOLVE_SEEDS = 3
"""Seeds per rule where the solver probes it."""


PATIENCE = 1
"""Generations without a better candidate than those suggested that the sampler goes on for behind
the solver: in searches of mlp, resmlp, convnet and gpt, none of the five after the first found a
better one."""

GENERATION, FEW = 16, 8
"""Candidates that the sampler proposes at a time, and behind the solver, whose rule it seldom
improves on."""

RECORD = 11
"""Version of what a run folder keeps of trials and longer runs; others cannot be continued."""

_CALLED = {"record": "the version of paramsearch's records"}  # to a user


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """The settings of one search; equal settings give an equal result.

    Attributes:
        arch: Name or path of the architecture.
        axis: The axis along which the rule is to hold.
        optimizer: Name of the optimizer.
        task: Name of the task.
        space: Name or path of the space.
        by: Which tensors share exponents: of one ``role``, ``module`` or ``tensor``.
        objective: Name or path of the objective.
        budget: Distinct candidates proposed by the sampler, or all member-steps or time, as
            ``Budget`` reads them.
        seed: Of the sampler, and through it of the run.
        device: Where members train.
        blind: Whether published rules stay unseen until the search is over.
        sampler: nevergrad's name of the sampler.
        solve: Whether the sampler starts where the update probes point, found by Gauss-Newton.
        patience: Generations without a better candidate after which the sampler stops, 0 for none;
            None for ``PATIENCE`` behind the solver, and none without it.
        generation: Candidates that the sampler proposes at a time; None for ``FEW`` behind the
            solver, and ``GENERATION`` without it.
        options: What is set of the architecture, each ``name=value``.
        backend: How members are trained side by side.
        precision: Of matrix products.
        compile: Whether steps are compiled; None where that pays.
        seeds: Seeds per candidate in the search.
        polish_seeds: Seeds per candidate in the polish; none of them is used in the search.
        polish_rounds: Moves at most in the polish.
        program: The command by which the user's own program trains a member; None for the engine.
        timeout: Seconds that one run of it may take; None for the default.
        suggest: Rules of the user, by name or path, that are tried first.
        prefer: Which end of the front is recommended, ``limit`` or ``loss``; None for the default.
        target_ratio: The largest ratio at which the rule is to be used; None for the default.
    """

    arch: str
    axis: str
    optimizer: str
    task: str
    space: str
    objective: str
    budget: int | str = 96
    by: str = "role"
    seed: int = 0
    device: str = "cpu"
    blind: bool = False
    sampler: str = "LargeDiagCMA"
    solve: bool = True
    options: tuple[str, ...] = ()
    backend: str = "auto"
    precision: str = "float32"
    compile: bool | None = None
    patience: int | None = None
    generation: int | None = None
    seeds: int = 2
    polish_seeds: int = 4
    polish_rounds: int = 8
    program: str | None = None
    timeout: float | None = None
    suggest: tuple[str, ...] = ()
    prefer: str | None = None
    target_ratio: float | None = None

    def __post_init__(self) -> None:
        """Check the numbers that a user gives."""
        Budget.read(self.budget)
        check_wish(self.prefer, self.target_ratio)
        for name, value in (("seed", self.seed), ("patience", self.patience or 0)):
            if value < 0:
                raise ParamsearchError(f"{name} must not be negative; received {value}")

    @property
    def command(self) -> str:
        """The command that gives this result, without the folder it goes to.

        Example:
            >>> SearchSettings("mlp", "width", "adam", "digits", "width", "transfer").command
            'paramsearch search mlp --axis width --optimizer adam --task digits --space width \
--objective transfer --budget 96 --seed 0 --device cpu --sampler LargeDiagCMA'
        """
        options = ("axis", "optimizer", "task", "space", "objective", "budget", "seed", "device")
        words = ["paramsearch search", self.arch]
        words += [f"--{name} {getattr(self, name)}" for name in (*options, "sampler")]
        words += [f"--suggest {shlex.quote(rule)}" for rule in self.suggest]
        words += [f"--prefer {self.prefer}"] * (self.prefer is not None)
        if self.target_ratio is not None:
            words += [f"--target-ratio {self.target_ratio:g}"]
        words += [f"--patience {self.patience}"] * (self.patience is not None)
        words += [f"--by {self.by}"] * (self.by != "role")
        words += [f"--set {shlex.quote(option)}" for option in self.options]
        words += [f"--backend {self.backend}"] * (self.backend != "auto")
        words += [f"--precision {self.precision}"] * (self.precision != "float32")
        words += [f"--{'' if self.compile else 'no-'}compile"] * (self.compile is not None)
        words += [f"--command {shlex.quote(self.program or '')}"] * (self.program is not None)
        words += [f"--command-timeout {self.timeout}"] * (self.timeout is not None)
        return " ".join(words + ["--blind"] * self.blind + ["--no-solve"] * (not self.solve))

    @property
    def allowance(self) -> Budget:
        """What may be spent."""
        return Budget.read(self.budget)

    @property
    def patient(self) -> int | None:
        """Generations without a better candidate that the sampler goes on for; None for any."""
        if self.patience is None:
            return PATIENCE if self.solve else None
        return self.patience or None

    @property
    def together(self) -> int:
        """Candidates that the sampler proposes at a time."""
        return self.generation or (FEW if self.solve else GENERATION)

    @property
    def engine(self) -> Engine:
        """How models are trained."""
        return Engine(self.backend, self.precision, self.compile)

    def search_seeds(self) -> list[int]:
        """Give the seeds of the search; other ``--seed``, other seeds."""
        return _block(self.seed, 0, self.seeds)

    def solve_seeds(self) -> list[int]:
        """Give the seeds of the solver."""
        return _block(self.seed, 0, SOLVE_SEEDS)

    def final_seeds(self) -> list[int]:
        """Give the seeds of polish, snap and baselines, fresh to the search."""
        return _block(self.seed, self.seeds, self.polish_seeds)

    def longer_seeds(self) -> list[int]:
        """Give the seeds on which rules are trained longer, fresh again, and twice as many."""
        return _block(self.seed, self.seeds + self.polish_seeds, 2 * self.polish_seeds)

    def confirming_seeds(self, number: int) -> list[int]:
        """Give the seeds on which the end of a climb is held against the rule before it, fresh."""
        return _block(self.seed, self.seeds + (3 + number) * self.polish_seeds, self.polish_seeds)

    def farther_seeds(self) -> list[int]:
        """Give the seeds whose curves foretell losses at the target, fresh, and twice as many."""
        return _block(self.seed, self.seeds + 9 * self.polish_seeds, 2 * self.polish_seeds)

    def identity(self) -> dict[str, Any]:
        """Give everything that must agree for a run to be continued, as JSON holds it."""
        files = (("architecture", self.arch), ("space", self.space), ("objective", self.objective))
        return asdict(self) | {
            "options": list(self.options),
            "suggest": list(self.suggest),
            "content": {kind: _digest(kind, name) for kind, name in files}
            | {"program": _program_digest(self.program)},
            "nevergrad": version("nevergrad"),
            "record": RECORD,
        }


def differences(stored: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Say in words how the identity of a stored run differs from the one wanted.

    Args:
        stored: Identity kept in the run.
        wanted: Identity of the settings now given.

    Returns:
        One phrase per difference; empty when the run can be continued.

    Example:
        >>> differences({"seed": 0, "content": {}}, {"seed": 1, "content": {}})
        ['seed is 0 there and 1 here']
    """

    def told(values: dict[str, Any], name: str) -> object:
        value = values.get(name)
        return "the default" if value is None else value

    found = [
        f"{_CALLED.get(name, name)} is {told(stored, name)} there and {told(wanted, name)} here"
        for name in wanted
        if name != "content" and stored.get(name) != wanted.get(name)
    ]
    before: dict[str, str | None] = stored.get("content", {})
    after: dict[str, str | None] = wanted.get("content", {})
    return found + [
        f"the {kind} file has changed since"
        for kind in after
        if before.get(kind) != after[kind] and not found
    ]


def _block(seed: int, first: int, count: int) -> list[int]:
    return [1000 * seed + first + index for index in range(count)]


def _digest(kind: str, name: str) -> str | None:
    try:
        content = Path(find(kind, name)).read_bytes()
    except (ParamsearchError, OSError):
        return None  # an architecture given as an object has no file
    return hashlib.sha256(content).hexdigest()


def _program_digest(program: str | None) -> str | None:
    """Digest the files that a command names, such as the script it runs."""
    paths = [Path(word) for word in shlex.split(program or "")]
    contents = [path.read_bytes() for path in paths if path.is_file()]
    return hashlib.sha256(b"".join(contents)).hexdigest() if contents else None


def free_folder(root: Path, names: Sequence[str]) -> Path:
    """Give a folder under ``root`` that does not exist yet, named by what it holds.

    Args:
        root: For instance ``runs``.
        names: Words of the name; of paths, the file's name counts.

    Example:
        >>> free_folder(Path("/nowhere"), ["mlp", "width", "adam"]).name
        'mlp-width-adam'
        >>> free_folder(Path("/nowhere"), ["my/model.py", "width", "torch.optim:RMSprop"]).name
        'model-width-torch.optim-RMSprop'
    """
    number = 1
    while (folder := _numbered(root, names, number)).exists():
        number += 1
    return folder


def latest_folder(root: Path, names: Sequence[str]) -> Path:
    """Give the last folder that ``free_folder`` gave for these names and that was made.

    Args:
        root: For instance ``runs``.
        names: Words of the name.
    """
    number = 1
    while _numbered(root, names, number + 1).exists():
        number += 1
    return _numbered(root, names, number)


def _word(name: str) -> str:
    """Give a name as part of a folder's name."""
    plain = Path(name).stem if name.endswith((".py", ".yaml")) else name
    return plain.replace(":", "-").replace("/", "-")


def _numbered(root: Path, names: Sequence[str], number: int) -> Path:
    stem = "-".join(map(_word, names))
    return root / (stem if number == 1 else f"{stem}-{number}")
