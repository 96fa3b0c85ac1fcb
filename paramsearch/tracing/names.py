"""Numbers in the names of tensors: which of them count blocks, and which tell tensors apart."""

import re
from collections.abc import Collection, Iterable
from itertools import combinations

Numbers = tuple[str, ...]
"""The numbers between the dots of a name, in order."""


def without_numbers(name: str) -> str:
    """Replace the numbers between the dots of a tensor's name, which count blocks.

    Example:
        >>> without_numbers("blocks.3.fc1.weight")
        'blocks.*.fc1.weight'
    """
    return re.sub(r"(?<![^.])\d+(?![^.])", "*", name)


def numbers(name: str) -> Numbers:
    """Give the numbers between the dots of a tensor's name.

    Example:
        >>> numbers("stages.0.blocks.12.conv2.weight")
        ('0', '12')
    """
    return tuple(part for part in name.split(".") if re.fullmatch(r"\d+", part))


def telling(own: Collection[Numbers], others: Iterable[Numbers]) -> tuple[int, ...] | None:
    """Find the fewest numbers that tell names of a group from others with the same words.

    Only a number that is the same in the whole group can; all the rest count blocks.

    Args:
        own: Numbers of the group's names.
        others: Numbers of the other names.

    Returns:
        Which of the numbers, () if there are no others; None if no choice of them will do.

    Example:
        >>> telling([("0", "1"), ("1", "1")], [("0", "3"), ("1", "3")])
        (1,)
        >>> telling([("0",), ("1",)], [("2",)]) is None
        True
    """
    first, rest = next(iter(own)), set(others)
    same = [i for i, value in enumerate(first) if all(row[i] == value for row in own)]
    for count in range(len(same) + 1):
        for chosen in combinations(same, count):
            if not any(all(row[i] == first[i] for i in chosen) for row in rest):
                return chosen
    return None


def starred(name: str, kept: Collection[int]) -> str:
    """Replace the numbers of a name but for some of them.

    Args:
        name: The name.
        kept: Which of its numbers stay.

    Example:
        >>> starred("blocks.3.net.1.weight", [1])
        'blocks.*.net.1.weight'
    """
    count = -1
    parts: list[str] = []
    for part in name.split("."):
        number = re.fullmatch(r"\d+", part) is not None
        count += number
        parts.append("*" if number and count not in kept else part)
    return ".".join(parts)


def patterns(own: Iterable[str], others: Iterable[str]) -> tuple[str, ...] | None:
    """Give patterns of a shell that fit the names of a group in every block, and no others.

    Args:
        own: Names of the group.
        others: The other names.

    Returns:
        One pattern per wording, in the order of the names, as few numbers in them as will do; None
        if numbers cannot tell the group from the others.

    Example:
        >>> patterns(["h.0.fc.weight", "h.1.fc.weight"], ["h.0.fc.bias"])
        ('h.*.fc.weight',)
    """
    wordings: dict[str, list[str]] = {}
    for name in own:
        wordings.setdefault(without_numbers(name), []).append(name)
    rest: dict[str, list[Numbers]] = {}
    for name in others:
        rest.setdefault(without_numbers(name), []).append(numbers(name))
    found: list[str] = []
    for wording, names in wordings.items():
        kept = telling([numbers(name) for name in names], rest.get(wording, []))
        if kept is None:
            return None
        found.append(re.sub(r"[?\[]", r"[\g<0>]", starred(names[0], kept)))
    return tuple(found)
