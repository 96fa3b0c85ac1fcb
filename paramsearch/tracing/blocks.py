"""Where tensors stand in depth: branches in series on their stream, and their repeated block."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from paramsearch.tracing.branches import Branch, in_series, residual_branches
from paramsearch.tracing.names import numbers, starred, telling, without_numbers
from paramsearch.tracing.recording import Recording


@dataclass(frozen=True, slots=True)
class Series:
    """Where a tensor stands in depth.

    Attributes:
        branches: How many residual branches are in series on the stream that the tensor's own
            branch joins: 4 in a transformer of 2 layers; 0 outside of branches.
        block: Index of the repeated block that holds it; None outside of such blocks.
        stack: Path of these blocks, such as ``layers.*``; empty outside.
    """

    branches: int
    block: int | None
    stack: str


def series(recording: Recording, groups: Mapping[str, str]) -> dict[str, Series]:
    """Find where every tensor stands in depth.

    Args:
        recording: The recorded step.
        groups: Tensor name -> name of its group by module.

    Returns:
        Tensor name -> where it stands. Of a tensor that is called several times, the longest
        series counts; a tensor in branches inside branches belongs to the innermost.
    """
    found = residual_branches(recording)
    innermost: dict[int, Branch] = {}
    for branch in sorted(found, key=lambda branch: -len(branch.inside)):
        innermost |= dict.fromkeys(branch.inside, branch)
    own: dict[str, set[Branch]] = {name: set() for name in groups}
    for index, branch in innermost.items():
        own.get(recording.nodes[index].name, set()).add(branch)
    counts = in_series(recording, found)
    ends = block_ends(groups, own)
    blocks: dict[str, list[str]] = {}
    for prefix in dict.fromkeys(_prefix(name, end) for name, end in ends.items() if end):
        blocks.setdefault(without_numbers(prefix), []).append(prefix)
    index = {prefix: i for alike in blocks.values() for i, prefix in enumerate(alike)}
    return {
        name: Series(
            max((counts[branch] for branch in own[name]), default=0),
            index.get(_prefix(name, ends[name])),
            without_numbers(_prefix(name, ends[name])),
        )
        for name in groups
    }


def block_ends(groups: Mapping[str, str], own: Mapping[str, set[Branch]]) -> dict[str, int]:
    """Find how much of each name says in which repeated block the tensor is.

    Args:
        groups: Tensor name -> name of its group by module.
        own: Tensor name -> residual branches that it is in; copies in one branch, such as experts,
            are beside each other and no blocks.

    Returns:
        Tensor name -> number of the parts of its name that do; 0 if it is in no block.

    Example:
        >>> names = {"h.0.mlp.up": "mlp.up", "h.1.mlp.up": "mlp.up", "head": "head"}
        >>> block_ends(names, {name: set() for name in names})
        {'h.0.mlp.up': 2, 'h.1.mlp.up': 2, 'head': 0}
    """
    members: dict[tuple[str, str], list[str]] = {}
    for name, group in groups.items():
        members.setdefault((group, without_numbers(name)), []).append(name)
    ends: dict[str, int] = {}
    for (group, wording), names in members.items():
        others = [
            numbers(name)
            for (other, same), rest in members.items()
            if same == wording and other != group
            for name in rest
        ]
        kept = telling([numbers(name) for name in names], others) or ()
        counting = [i for i in range(len(numbers(names[0]))) if i not in kept]
        while counting and _beside(names, counting[-1], own):
            counting.pop()
        stars = [i for i, part in enumerate(starred(names[0], ()).split(".")) if part == "*"]
        ends |= dict.fromkeys(names, stars[counting[-1]] + 1 if counting else 0)
    return ends


def _beside(names: Sequence[str], number: int, own: Mapping[str, set[Branch]]) -> bool:
    """Say whether a number of the names tells copies in one branch apart, not blocks."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        row = numbers(name)
        rows.setdefault(row[:number] + row[number + 1 :], []).append(name)
    pairs = (pair for row in rows.values() for pair in combinations(row, 2))
    return any(own[one] & own[other] for one, other in pairs)


def _prefix(name: str, end: int) -> str:
    return ".".join(name.split(".")[:end])
