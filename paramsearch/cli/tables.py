"""The short tables that end a search and a verification."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from paramsearch.rules.gauge import QUANTITIES


def search_table(summary: Mapping[str, Any]) -> Table:
    """Give each group's exponents with their interval, beside the nearest published rule's.

    Args:
        summary: As in ``summary.json``.
    """
    near: Mapping[str, Any] | None = summary["nearest"]
    score = summary["score"]
    title = f"{summary['rule']['name']}: score {score['total']:.4g} ± {score['spread']:.1g}"
    title += f" (start {summary['start_score']['total']:.4g})"
    table = Table(title=title, title_justify="left")
    for head in ("group", "quantity", "exponent", "tied values"):
        table.add_column(head)
    if near is not None:
        table.add_column(f"nearest: {near['name']}")
    for group in summary["groups"]:
        for quantity in (name for name in QUANTITIES if name in group):
            for axis, entry in group[quantity].items():
                row = [group["name"], f"{quantity} ({axis})", f"{entry['value']:+.2f}"]
                row.append(_interval(entry))
                if near is not None:
                    row.append(_published(near, group["name"], quantity, axis))
                table.add_row(*row)
    return table


def _interval(entry: Mapping[str, Any]) -> str:
    if entry["fixed"]:
        return "fixed"
    words = f"{entry['low']:+.2f} .. {entry['high']:+.2f}"
    return words if entry["determined"] else f"{words} (undetermined)"


def _published(near: Mapping[str, Any], group: str, quantity: str, axis: str) -> str:
    value = near["exponents"].get(group, {}).get(quantity, {}).get(axis)
    return "" if value is None else f"{value:+.2f}"


def certificate_table(certificate: Mapping[str, Any]) -> Table:
    """Give per rule and scale the transferred loss, the regret and the drift of the optimum.

    Args:
        certificate: As in ``certificate.json``.
    """
    table = Table(title=f"learning rate {certificate['base_lr']:.3g} from the base scale")
    heads = ("rule", certificate["axis"], "best loss", "at base LR", "regret", "best LR", "drift")
    for head in heads:
        table.add_column(head, overflow="fold")
    for name, rule in certificate["rules"].items():
        table.add_section()
        for scale, entry in rule["scales"].items():
            last = scale == list(rule["scales"])[-1]
            drift = f"{_number(rule['drift_octaves'])} oct" if last else ""
            regret = _number(entry["regret"])
            regret += "" if entry["regret"] is None else f" ± {entry['regret_spread']:.1g}"
            losses = (_number(entry["best_loss"]), _number(entry["transferred_loss"]))
            first = scale == next(iter(rule["scales"]))
            table.add_row(
                name if first else "", scale, *losses, regret, _number(entry["optimum"]), drift
            )
    return table


def _number(value: float | None) -> str:
    return "diverged" if value is None else f"{value:.3g}"
