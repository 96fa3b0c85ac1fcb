"""The table that ends a solve; it fits a terminal of 80 columns."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from paramsearch.rules.gauge import QUANTITIES


def solve_table(content: Mapping[str, Any]) -> Table:
    """Give each free exponent as used and as measured, its interval, and the nearest rule's.

    Args:
        content: As ``solve --json`` prints it.
    """
    nearest: Mapping[str, Any] = content["nearest"]
    table = Table(
        title=f"{content['rule']['name']}: exponents along {', '.join(content['axes'])}",
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
    )
    table.add_column("group", overflow="fold")
    table.add_column("quantity", no_wrap=True)
    for head in ("exponent", "measured", "interval"):
        table.add_column(head, justify="right", no_wrap=True)
    near = {axis: found for axis, found in nearest.items() if found is not None}
    if near:
        table.add_column(" / ".join(dict.fromkeys(found["name"] for found in near.values())))
    for group in content["groups"]:
        first = True
        for quantity in (name for name in QUANTITIES if name in group):
            for axis, entry in group[quantity].items():
                if entry["fixed"]:
                    continue
                what = quantity if len(content["axes"]) == 1 else f"{quantity} {axis}"
                row = [group["name"] if first else "", what]
                row += [f"{entry['value']:+.2f}", f"{entry['measured']:+.2f}", _interval(entry)]
                row += [_published(near.get(axis), group["name"], quantity, axis)] * bool(near)
                table.add_row(*row)
                first = False
    return table


def open_lines(content: Mapping[str, Any]) -> list[str]:
    """Say what the data leave open, and which published rules they allow, a sentence each."""
    lines: list[str] = []
    if not all(_entries(content, "determined")):
        lines.append("(...): as far as the space reaches, so that the data do not determine it")
    for axis, rules in content["fitting"].items():
        says = ", ".join(rules) if rules else "none"
        lines.append(f"published rules that fit the data along {axis}: {says}")
    for axis, solution in content["solutions"].items():
        for way in solution["open"]:
            parts = [
                f"{weight:+.1f} {label.removesuffix(f' {axis}')}"
                for label, weight in way["direction"].items()
                if abs(weight) >= 0.1
            ]
            span = f"{way['low']:+.1f} .. {way['high']:+.1f}"
            lines.append(f"along {axis} the data leave open: {', '.join(parts)} times {span}")
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


def _entries(content: Mapping[str, Any], key: str) -> list[Any]:
    return [
        entry[key]
        for group in content["groups"]
        for quantity in (name for name in QUANTITIES if name in group)
        for entry in group[quantity].values()
    ]


def _interval(entry: Mapping[str, Any]) -> str:
    span = f"{entry['low']:+.2f} .. {entry['high']:+.2f}"
    return span if entry["determined"] else f"({span})"


def _published(near: Mapping[str, Any] | None, group: str, quantity: str, axis: str) -> str:
    found: Mapping[str, Any] = near["exponents"] if near is not None else {}
    value: float | None = found.get(group, {}).get(quantity, {}).get(axis)
    return "" if value is None else f"{value:+.2f}"
