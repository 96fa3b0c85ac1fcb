"""The short tables that end a search and a verification; they fit a terminal of 80 columns."""

import re
from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from paramsearch.cli.exponents import cut_off, exponents, interval, published

_SENTENCE_ENDS = re.compile(r"(?<=[.]) (?=[A-Z])")


def search_table(summary: Mapping[str, Any]) -> Table:
    """Give each group's free exponents with their interval, beside the nearest published rule's.

    Args:
        summary: As in ``summary.json``.
    """
    near: Mapping[str, Any] | None = summary.get("nearest")
    title = f"{summary['rule']['name']}: exponents of the {summary['axis']} ratio"
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    table.add_column("group", no_wrap=True)
    table.add_column("quantity", no_wrap=True)
    table.add_column("exponent", justify="right", no_wrap=True)
    table.add_column("tied values", no_wrap=True)
    costs = {(e["group"], e["quantity"], e["axis"]): e for e in summary.get("sensitivity", [])}
    if costs:
        table.add_column("±1/4", justify="right", no_wrap=True)
    if near is not None:
        table.add_column(_same(near))
    fixed: list[str] = []
    told = ""
    for group, quantity, axis, entry in exponents(summary["groups"]):
        name = quantity if axis == summary["axis"] else f"{quantity} {axis}"
        if entry["fixed"]:
            fixed.append(f"{group} {name} {entry['value']:+.2f}")
            continue
        row = ["" if group == told else group, name, f"{entry['value']:+.2f}", _tied(entry)]
        row += [_cost(costs.get((group, quantity, axis)))] * bool(costs)
        table.add_row(*row, *[published(near, group, quantity, axis)] * bool(near))
        told = group
    unit = ", in log loss over the ratios searched" * (summary.get("sensitivity_in") == "loss")
    captions = [f"±1/4: what being off by 1/4 costs{unit}"] * bool(costs)
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
    if "runs" in summary:
        parts = ", ".join(summary["runs"].values())
        files = f"rule.yaml, summary.json and the searches {parts} in {folder}"
        return f"{summary['pattern']['sentence']}\n{files}"
    before, after = summary["start_score"], summary["score"]
    scores = f"{before['total']:.3g} → {after['total']:.3g} ± {after['spread']:.1g}"
    choice: Mapping[str, Any] | None = summary["choice"]
    limit: Mapping[str, Any] | None = summary["limit"]
    said = [summary["pattern"]["sentence"], *([limit["sentence"]] if limit else [])]
    said += _ends(choice) if choice else []
    if summary["baselines"]:
        said.append(f"on the same seeds: {', '.join(map(_scored, summary['baselines'].items()))}")
    where = f"score {scores} (lower is better); rule.yaml, summary.json and pictures in {folder}"
    return "\n".join([*said, where])


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
