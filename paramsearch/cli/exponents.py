"""How the tables of searches and solves tell an exponent: interval, bounds, the nearest rule's."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from paramsearch.rules.gauge import QUANTITIES

Entry = Mapping[str, Any]


def exponent_table(title: str) -> Table:
    """Make a table of exponents: their groups, quantities and values; other columns may follow."""
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    table.collapse_padding, table.pad_edge = True, False
    table.add_column("group", overflow="fold")
    table.add_column("quantity", no_wrap=True)
    table.add_column("exponent", justify="right", no_wrap=True)
    return table


def fill(
    table: Table,
    groups: Sequence[Mapping[str, Any]],
    several: bool,
    cells: Callable[[str, str, str, Entry], Sequence[str]],
) -> list[str]:
    """Add a row for every free exponent.

    Args:
        table: As ``exponent_table`` makes it, with its other columns.
        groups: As ``--json`` prints them.
        several: Whether there are several axes, which are named then.
        cells: Group, quantity, axis and exponent -> what stands in the other columns.

    Returns:
        The fixed exponents in words.
    """
    fixed: list[str] = []
    told, breaks = "", ".\n" if several else "."  # the names of axes take the room
    for group, quantity, axis, entry in exponents(groups):
        name, value = f"{quantity}{f' {axis}' * several}", f"{entry['value']:+.2f}"
        if entry["fixed"]:
            fixed.append(f"{group} {name} {value}")
            continue
        first = "" if group == told else group.replace(".", breaks)
        table.add_row(first, name, value, *cells(group, quantity, axis, entry))
        told = group
    return fixed


def interval(entry: Entry) -> str:
    """Give the range that is equally good, in brackets where a bound of the space cuts it off.

    Args:
        entry: The exponent, as ``groups`` of ``--json`` holds it.

    Example:
        >>> interval({"low": -1.5, "high": -0.5, "determined": False})
        '(-1.50 .. -0.50)'
    """
    span = f"{entry['low']:+.2f} .. {entry['high']:+.2f}"
    return span if entry["determined"] else f"({span})"


def published(near: Mapping[str, Any] | None, group: str, quantity: str, axis: str) -> str:
    """Give the exponent of the nearest published rule; empty where there is none.

    Args:
        near: The rule, as ``nearest`` of ``--json`` holds it.
        group: Name of the group.
        quantity: For instance ``lr``.
        axis: The axis.

    Example:
        >>> published({"exponents": {"hidden": {"lr": {"width": -1}}}}, "hidden", "lr", "width")
        '-1.00'
    """
    found: Mapping[str, Any] = near["exponents"] if near is not None else {}
    value: float | None = found.get(group, {}).get(quantity, {}).get(axis)
    return "" if value is None else f"{value:+.2f}"


def exponents(
    groups: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[str, str, str, Entry]]:
    """Go through all exponents: group, quantity, axis and what is known of the exponent.

    Args:
        groups: As ``--json`` prints them.

    Example:
        >>> groups = [{"name": "hidden", "lr": {"width": {"value": -1.0}}}]
        >>> list(exponents(groups))
        [('hidden', 'lr', 'width', {'value': -1.0})]
    """
    for group in groups:
        for quantity in (name for name in QUANTITIES if name in group):
            for axis, entry in group[quantity].items():
                yield group["name"], quantity, axis, entry


def cut_off(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say what brackets mean, and which exponents lie at a bound, a sentence each.

    Args:
        groups: As ``--json`` prints them.

    Example:
        >>> entry = {"low": -2.0, "high": -1.5, "value": -2.0, "determined": False}
        >>> cut_off([{"name": "hidden", "lr": {"width": entry | {"at_bound": True}}}])[1]
        'at a bound of the space, so widen it: hidden lr -2.00'
    """
    known = list(exponents(groups))
    several = len({axis for *_, axis, _ in known}) > 1
    told: list[str] = []
    if not all(entry["determined"] for *_, entry in known):
        told.append("(...): undetermined, as good all the way to a bound of the space")
    ends = [
        f"{group} {quantity}{f' {axis}' * several} {entry['value']:+.2f}"
        for group, quantity, axis, entry in known
        if entry["at_bound"]
    ]
    if ends:
        told.append(f"at a bound of the space, so widen it: {', '.join(ends)}")
    return told


def open_ways(solution: Mapping[str, Any], axis: str) -> list[str]:
    """Give the directions in which exponents can move together without a visible change.

    Args:
        solution: What the solver said of an axis, as ``--json`` holds it.
        axis: The axis.

    Example:
        >>> way = {"direction": {"hidden lr width": 1.0, "output lr width": -0.5}}
        >>> open_ways({"open": [way | {"low": -0.2, "high": 0.4}]}, "width")
        ['+1.0 hidden lr, -0.5 output lr times -0.2 .. +0.4']
    """
    told: list[str] = []
    for way in solution["open"]:
        parts = [
            f"{weight:+.1f} {label.removesuffix(f' {axis}')}"
            for label, weight in way["direction"].items()
            if abs(weight) >= 0.1
        ]
        told.append(f"{', '.join(parts)} times {way['low']:+.1f} .. {way['high']:+.1f}")
    return told
