"""The table that ends a solve; it fits a terminal of 80 columns."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from paramsearch.cli.exponents import (
    Entry,
    cut_off,
    exponent_table,
    fill,
    interval,
    open_ways,
    published,
)


def solve_table(content: Mapping[str, Any]) -> Table:
    """Give each free exponent as used and as measured, its interval, and the nearest rule's.

    Args:
        content: As ``solve --json`` prints it.
    """
    nearest: Mapping[str, Any] = content["nearest"]
    table = exponent_table(
        f"{content['rule']['name']}: exponents along {', '.join(content['axes'])}"
    )
    for head in ("measured", "interval"):
        table.add_column(head, justify="right", no_wrap=True)
    near = {axis: found for axis, found in nearest.items() if found is not None}
    if near:
        table.add_column(" / ".join(dict.fromkeys(found["name"] for found in near.values())))

    def cells(group: str, quantity: str, axis: str, entry: Entry) -> list[str]:
        known = [published(near.get(axis), group, quantity, axis)] * bool(near)
        return [f"{entry['measured']:+.2f}", interval(entry), *known]

    fill(table, content["groups"], len(content["axes"]) > 1, cells)
    return table


def open_lines(content: Mapping[str, Any]) -> list[str]:
    """Say what the data leave open, and which published rules they allow, a sentence each."""
    lines = cut_off(content["groups"])
    for axis, rules in content["fitting"].items():
        says = ", ".join(rules) if rules else "none"
        lines.append(f"published rules that fit the data along {axis}: {says}")
    for axis, solution in content["solutions"].items():
        lines += [f"along {axis} the data leave open: {way}" for way in open_ways(solution, axis)]
    return lines


def solve_line(content: Mapping[str, Any], out: Path | None) -> str:
    """Say at what the probes were taken, and where the rule is."""
    parts: list[str] = []
    for axis, solution in content["solutions"].items():
        start, end = solution["start"]["size"], solution["solved"]["size"]
        parts.append(
            f"{axis}: {solution['steps']} steps at learning rate {solution['lr']:.2g}, "
            f"sum of squared slopes {start:.2g} → {end:.1g}"
        )
        if not solution["confirmed"]:
            parts.append("simple fractions did worse on fresh seeds and were not taken")
    where = "" if out is None else f"; rule in {out}"
    return f"{'; '.join(parts)}; {content['seconds']:.0f} s{where}"
