"""The short tables that end a search and a verification; they fit a terminal of 80 columns."""

import re
from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from paramsearch.cli.exponents import (
    Entry,
    cut_off,
    exponent_table,
    fill,
    interval,
    open_ways,
    published,
)
from paramsearch.report.schema import by_axis

_SENTENCE_ENDS = re.compile(r"(?<=[.]) (?=[A-Z])")


def search_table(summary: Mapping[str, Any]) -> Table:
    """Give each group's free exponents with their interval, beside the nearest published rule's.

    Args:
        summary: As in ``summary.json``.
    """
    parts = by_axis(summary)
    near = {axis: part["nearest"] for axis, part in parts.items() if part.get("nearest")}
    title = f"{summary['rule']['name']}: exponents of the {summary['axis']} ratio"
    table = exponent_table(title)
    table.add_column("tied values", no_wrap=True)
    rows = [row for part in parts.values() for row in part.get("sensitivity", [])]
    costs = {(row["group"], row["quantity"], row["axis"]): row for row in rows}
    if costs:
        table.add_column("±1/4", justify="right", no_wrap=True)
    if near:
        names = dict.fromkeys(found["name"] for found in near.values())
        head = _same(*near.values()) if len(near) == 1 else " / ".join(names)
        table.add_column(head, overflow="fold")

    def cells(group: str, quantity: str, axis: str, entry: Entry) -> list[str]:
        lost = [_cost(costs.get((group, quantity, axis)))] * bool(costs)
        known = [published(near.get(axis), group, quantity, axis)] * bool(near)
        return [_tied(entry), *lost, *known]

    fixed = fill(table, summary["groups"], len(parts) > 1, cells)
    captions = [f"±1/4: what being off by 1/4 costs{_unit(parts)}"] * bool(costs)
    captions += cut_off(summary["groups"])
    captions += [f"fixed by the space: {', '.join(fixed)}"] * bool(fixed)
    if captions:
        table.caption = "\n".join(captions)
        table.caption_style = "dim"
        table.caption_justify = "left"
    return table


def search_line(summary: Mapping[str, Any], folder: object) -> str:
    """Give the rule in a line, why it is recommended, the score, and where everything is.

    Args:
        summary: As in ``summary.json``.
        folder: The run folder.
    """
    parts, files = by_axis(summary), "rule.yaml, summary.json"
    said: list[str] = [summary["pattern"]["sentence"]]
    if "runs" not in summary:
        *lines, score = _found(summary, summary["axis"])
        end = f"{score}; {files} and pictures in {folder}"
        return "\n".join([*said, *lines, *_failed(summary), end])
    for axis, part in parts.items():
        said += [f"along {axis}:", *(f"  {line}" for line in _found(part, axis))]
    searches = ", ".join(summary["runs"].values())
    end = f"{files}, exponents.png and the searches {searches} in {folder}"
    return "\n".join([*said, *_failed(summary), end])


def _found(part: Mapping[str, Any], axis: str) -> list[str]:
    """Say of one axis what becomes of features, why this rule, what is open, and the score."""
    choice: Mapping[str, Any] | None = part["choice"]
    limit: Mapping[str, Any] | None = part["limit"]
    longer: Mapping[str, Any] | None = part["longer"]
    said: list[str] = [limit["sentence"]] if limit else []
    said += _ends(choice) if choice else []
    said += [longer["sentence"]] if longer and longer["sentence"] else []
    if part["baselines"]:
        said.append(f"on the same seeds: {', '.join(map(_scored, part['baselines'].items()))}")
    ways = open_ways(part["solution"], axis) if part["solution"] else []
    said += [f"update probes leave open: {way}" for way in ways]
    before, after = part["start_score"], part["score"]
    scores = f"{before['total']:.3g} → {after['total']:.3g} ± {after['spread']:.1g}"
    return [*said, f"score {scores} (lower is better)"]


def _failed(summary: Mapping[str, Any]) -> list[str]:
    """Say how many runs of the user's program failed, and what the first did; nothing if none."""
    found: list[Mapping[str, Any]] = summary["failures"]
    places = (f"{e['failed']} of {e['runs']} at {e['axis']} {e['scale']}" for e in found)
    first = f"; the first one {found[0]['failure']}" if found else ""
    return [f"runs of the command that failed: {', '.join(places)}{first}"] * bool(found)


def _scored(baseline: tuple[str, Mapping[str, Any]]) -> str:
    """Give a published rule's name and score, and its limit where features do not learn."""
    name, score = baseline
    label = score["limit"]
    apart = "" if label in (None, "features learn") else f" ({label})"
    return f"{name} {score['total']:.3g} ± {score['spread']:.1g}{apart}"


def _ends(choice: Mapping[str, Any]) -> list[str]:
    """Say why the rule is recommended, a sentence a line, and name the ends of the front beside."""
    ends = [end for end in ("limit", "loss") if choice["recommended_end"] != end]
    named = [f"{end} end: {choice[f'{end}_pattern']}" for end in ends if not choice["same"]]
    sentences: list[str] = _SENTENCE_ENDS.split(choice["reason"])
    return ["recommended because:", *(f"  - {each}" for each in sentences), *named]


def _unit(parts: Mapping[str, Mapping[str, Any]]) -> str:
    """Say along which axes what is lost is told in loss, not in score."""
    axes = [axis for axis, part in parts.items() if part.get("sensitivity_in") == "loss"]
    where = f" along {' and '.join(axes)}" if len(axes) < len(parts) else ""
    return f",{where} in log loss over the ratios searched" if axes else ""


def _same(near: Mapping[str, Any]) -> str:
    """Name the nearest published rule, and those that are the same on this model."""
    if not near["same"]:
        return str(near["name"])
    return f"{near['name']} (= {', '.join(near['same'])} here)"


def _tied(entry: Mapping[str, Any]) -> str:
    alone = entry["determined"] and entry["low"] == entry["high"]
    return "none other" if alone else interval(entry)


def _cost(entry: Mapping[str, Any] | None) -> str:
    """Give what being off by a quarter costs, on the side where that is more."""
    sides = (entry["below"], entry["above"]) if entry else ()
    known = [side for side in sides if side is not None]
    if not known:
        return ""
    most = max(known, key=lambda side: side["mean"])
    return f"{'≈ ' * most['estimated']}{most['mean']:.2g}"


def certificate_table(certificate: Mapping[str, Any]) -> Table:
    """Give per rule and scale the best loss, the loss transferred from the base, and the regret.

    Args:
        certificate: As in ``certificate.json``.
    """
    title = f"learning rate {certificate['base_lr']:.3g}, tuned at {certificate['axis']} "
    title += f"{certificate['base_scale']}; regret: lost by keeping it"
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    table.add_column("rule", no_wrap=True)
    for head in (certificate["axis"], "best\nloss", "at base\nLR", "regret", "best\nLR"):
        table.add_column(head, justify="right", no_wrap=True)
    for name, rule in certificate["rules"].items():
        table.add_section()
        drift = f"  drift {_number(rule['drift_octaves'], 'unknown')}"
        beside = [Text(name), Text(f"{drift} oct", style="dim")]
        for row, (scale, entry) in enumerate(rule["scales"].items()):
            regret = _number(entry["regret"])
            regret += "" if entry["regret"] is None else f" ± {entry['regret_spread']:.1g}"
            losses = (_number(entry["best_loss"]), _number(entry["transferred_loss"]))
            optimum = _number(entry["optimum"], "none")
            first = beside[row] if row < len(beside) else ""
            table.add_row(first, scale, *losses, regret, optimum)
    return table


def _number(value: float | None, none: str = "diverged") -> str:
    return none if value is None else f"{value:.3g}"
