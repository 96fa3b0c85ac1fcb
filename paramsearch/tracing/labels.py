"""Names of groups that a person would choose: paths of modules, as short as they are clear."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import NamedTuple

from paramsearch.tracing.names import numbers, starred, telling

_MATRICES = ("input", "hidden", "output")


class Member(NamedTuple):
    """What the tensors of a group have in common.

    Attributes:
        wording: Their name, with ``*`` for numbers.
        group: Their group by role.
        place: Number of their place in the graph.
    """

    wording: str
    group: str
    place: int


def labels(members: Mapping[Member, Sequence[str]]) -> dict[Member, str]:
    """Name groups by the path of their module.

    The path begins inside the repeated block (``blocks.3.attention.query`` is
    ``attention.query``), outside of blocks without what it shares with their path
    (``model.norm`` beside ``model.layers.3`` is ``norm``). ``.weight`` is left out. Where two
    groups would have one name, more of the path is kept, then the role is added, then a number.

    Args:
        members: What the tensors of a group have in common -> their names.

    Returns:
        The same -> the name of the group, each once.

    Example:
        >>> rows = Member("net.*.weight", "input", 0), Member("net.*.weight", "hidden", 1)
        >>> list(labels({rows[0]: ["net.0.weight"], rows[1]: ["net.2.weight"]}).values())
        ['net.input', 'net.hidden']
    """
    paths = {member: _path(member, members) for member in members}
    blocks = [path[: _inner(path)] for path in paths.values() if "*" in path]
    chosen = {member: _short(path, blocks) for member, path in paths.items()}
    for longer in (_distinct, _whole, _with_role, _with_number):
        counts = Counter(chosen.values())
        twice = [member for member, label in chosen.items() if counts[label] > 1]
        if not twice:
            break
        alike = {label: [m for m in twice if chosen[m] == label] for label in counts}
        chosen |= {m: longer(m, alike[chosen[m]], paths, chosen[m]) for m in twice}
    return chosen


def _path(member: Member, members: Mapping[Member, Sequence[str]]) -> list[str]:
    """Give the parts of a name, with ``*`` for numbers that count blocks."""
    others = [
        numbers(name)
        for other, names in members.items()
        if other != member and other[:2] == member[:2]
        for name in names
    ]
    own = members[member]
    return starred(own[0], telling([numbers(name) for name in own], others) or ()).split(".")


def _inner(path: Sequence[str]) -> int:
    """Give the index of the first part of a path that lies inside the block."""
    return max((i + 1 for i, part in enumerate(path) if part == "*"), default=0)


def _short(path: Sequence[str], blocks: Sequence[Sequence[str]]) -> str:
    inner = _inner(path)
    if inner and inner < len(path) - 1:
        inside = path[inner:]
        return _joined(path if inside[0].isdecimal() else inside)
    shared = (_shared([path[:-1], block]) for block in blocks)
    return _joined(path if inner else path[max(shared, default=0) :])


def _shared(paths: Sequence[Sequence[str]]) -> int:
    """Count the first parts that all paths have in common."""
    return sum(1 for _ in takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False)))


def _joined(path: Sequence[str]) -> str:
    parts = [part for part in path if part != "*"]
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "weight" else parts)


def _distinct(
    member: Member, alike: Sequence[Member], paths: Mapping[Member, Sequence[str]], label: str
) -> str:
    """Add the first part of the path in which groups of one name differ."""
    path, at = paths[member], _shared([paths[other] for other in alike])
    whole = _joined(path) == label or at == len(path) or path[at] == "*"
    return label if whole else f"{path[at]}.{label}"


def _whole(
    member: Member, alike: Sequence[Member], paths: Mapping[Member, Sequence[str]], label: str
) -> str:
    return _joined(paths[member])


def _with_role(
    member: Member, alike: Sequence[Member], paths: Mapping[Member, Sequence[str]], label: str
) -> str:
    """Add the role; to a bias that of its weight: ``net.hidden.bias``."""
    role = member.group.split(".")[-1]
    role = role if role in _MATRICES else member.group.split(".")[0]
    owner, dot, leaf = label.rpartition(".")
    return f"{owner}.{role}.{leaf}" if dot and paths[member][-1] == leaf else f"{label}.{role}"


def _with_number(
    member: Member, alike: Sequence[Member], paths: Mapping[Member, Sequence[str]], label: str
) -> str:
    return f"{label}.{alike.index(member) + 1}"
