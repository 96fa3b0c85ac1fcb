"""Blind searches of the cells, and the regret of what they find far beyond the scales searched.

Every cell is searched from the standard parameterization without any published rule, over ratios 1,
2 and 4, for use up to 32 times the base (``-far``: 128 times). The rule found is then trained
there, 8 times beyond the largest scale searched, beside the standard parameterization and every
published rule that fits, on the same fresh seeds: the transfer regret is the loss with the learning
rate tuned at the base, minus the best loss that any of the rules reaches there. Runs are kept in
``--out``; a search that was interrupted goes on where it stopped.

    python benchmarks/transfer.py                 # all cells
    python benchmarks/transfer.py mlp-adam gpt    # cells whose name starts so
    python benchmarks/transfer.py --seed 1        # the same, searched with another seed
"""

import argparse
import json
import math
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

import paramsearch
from paramsearch.discovery.nearest import published_rules
from paramsearch.rules.neutral import neutral


@dataclass(frozen=True)
class Cell:
    """A search and where what it finds is tried.

    Attributes:
        arch: Name of the architecture.
        optimizer: Name of the optimizer.
        axis: The axis.
        scales: Held-out sizes.
        minutes: That the search may take on two idle cores.
        seeds: Of the verification: with three, a rule that diverged with 3 of 16 looked good.
        baselines: Published rules beside it; by default all for the optimizer and axis.
        asked: Further arguments of the search.
        ratio: The largest of the sizes over the base, for which the search is asked.
    """

    arch: str
    optimizer: str
    axis: str
    scales: tuple[int, ...]
    minutes: float
    baselines: tuple[str, ...] = ()
    seeds: int = 16
    asked: dict[str, object] = field(default_factory=dict)
    ratio: float = 32.0


_CONV = {"options": {"width": 8, "groups": 2, "stride": 2}}  # norms over four channels at the base
_MUON = {"options": {"width": 16}}  # Newton-Schulz at width 1024 is 32 GFLOP a step
_DECAY = {"task": "next_byte", "space": "weight-decay", "objective": "decay"}
_GPT = {"task": "bytes", "space": "transformer", "options": {"width": 16}}
_GPT_DECAY = {**_DECAY, "task": "bytes", "options": {"width": 16}, "budget": 32}  # three exponents
CELLS = {
    "mlp-adam": Cell("mlp", "adam", "width", (1024,), 4),
    "mlp-adam-far": Cell("mlp", "adam", "width", (4096,), 4, ("sp", "mup", "ntk"), 6, ratio=128),
    "mlp-lion": Cell("mlp", "lion", "width", (1024,), 4),
    "mlp-sgd": Cell("mlp", "gd", "width", (1024,), 4),
    "mlp-sgd-far": Cell("mlp", "gd", "width", (4096,), 4, ("sp", "mup", "ntk"), 6, ratio=128),
    "mlp-momentum": Cell("mlp", "sgd", "width", (1024,), 4),
    "mlp-muon": Cell("mlp", "muon", "width", (512,), 6, (), 16, _MUON),
    "uv-gd": Cell("uv", "gd", "width", (2048,), 1),
    "resmlp-adam": Cell("resmlp", "adam", "depth", (128,), 8),
    "resmlp-sgd": Cell("resmlp", "gd", "depth", (128,), 8),
    "convnet-momentum": Cell("convnet", "sgd", "width", (256,), 15, (), 3, _CONV),
    "mlp-decay": Cell("mlp", "adamw", "width", (1024,), 30, ("sp", "mup"), 3, _DECAY),
    "gpt-decay": Cell("gpt", "adamw", "width", (512,), 30, ("sp", "mup"), 3, _GPT_DECAY),
    "gpt-adamw": Cell("gpt", "adamw", "width", (512,), 20, ("sp", "mup", "ntk"), 3, _GPT),
}


def run(cell: Cell, folder: Path, seed: int) -> dict:
    """Search and verify one cell, or read what is there."""
    path = folder / "cell.json"
    if path.exists():
        return json.loads(path.read_text())
    started = time.monotonic()
    asked = {"arch": cell.arch, "optimizer": cell.optimizer, "axis": cell.axis, **cell.asked}
    asked["target_ratio"] = cell.ratio
    resume = (folder / "trials.db").exists()
    found = paramsearch.search(**asked, blind=True, seed=seed, out=folder, resume=resume)
    seconds = sum(session["seconds"] for session in found.timing["sessions"])
    baselines = cell.baselines or tuple(_published(cell, folder))
    told = paramsearch.verify(folder, list(cell.scales), baselines, seeds=cell.seeds, yes=True)
    content = {
        "seconds": seconds,
        "verify_seconds": time.monotonic() - started - seconds,
        "member_steps": found.summary["member_steps"],
        "pattern": found.summary["pattern"]["sentence"],
        "nearest": found.summary["nearest"],
        "reason": (found.summary["choice"] or {}).get("reason", ""),
        "limit": found.summary["limit"],
        "rules": told.certificate["rules"],
        "verdict": told.certificate["verdict"],
    }
    path.write_text(json.dumps(content))
    return content


def _published(cell: Cell, folder: Path) -> list[str]:
    """Name the published rules for the optimizer and axis; the standard one goes first."""
    names = list(published_rules(cell.optimizer, cell.axis))
    if "sp" in names:
        return ["sp", *(name for name in names if name != "sp")]
    standard = neutral(cell.optimizer, [cell.axis]).model_copy(update={"name": "sp"})
    standard.save(folder / "sp.yaml")  # along other axes it changes nothing
    return [str(folder / "sp.yaml"), *names]


def regrets(content: dict, scale: int) -> list[tuple[float, float, str]]:
    """Give (regret, spread, name) of every rule at a scale, the rule found first."""
    found: list[tuple[float, float, str]] = []
    for name, rule in content["rules"].items():
        entry = rule["scales"][str(scale)]
        regret = math.inf if entry["regret"] is None else entry["regret"]
        found.append((regret, entry["regret_spread"] or 0.0, name))
    return found


def main() -> None:
    """Run the cells asked for that are not there yet, and print the table of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cells", nargs="*", help="starts of names; default: all")
    parser.add_argument("--seed", type=int, default=0, help="of the search")
    parser.add_argument("--out", type=Path, default=Path("runs/transfer"))
    asked = parser.parse_args()
    table = Table(title="blind searches; regret at the held-out scale, with its spread over seeds")
    for head in ("cell", "search", "bar", "scale", "found", "best published", "sp", "rule"):
        table.add_column(head, justify="left" if head in ("cell", "rule") else "right")
    for name, cell in CELLS.items():
        if asked.cells and not any(name.startswith(start) for start in asked.cells):
            continue
        print(f"{name} ...", file=sys.stderr)
        folder = asked.out / (f"{name}-seed-{asked.seed}" if asked.seed else name)
        content = run(cell, folder, asked.seed)
        for scale in cell.scales:
            own, *others = regrets(content, scale)
            known = [each for each in others if not each[2].startswith("sp")]
            sp = next((each for each in others if each[2].startswith("sp")), None)
            best = min(known, default=None)
            minutes = (f"{content['seconds'] / 60:.1f}", f"{cell.minutes:g} min")
            columns = (_told(own), _told(best, named=True), _told(sp))
            table.add_row(name, *minutes, str(scale), *columns, content["pattern"])
    Console(width=160).print(table)


def _told(entry: tuple[float, float, str] | None, named: bool = False) -> str:
    if entry is None:
        return "none"
    return f"{entry[0]:.4f} ± {entry[1]:.4f}" + f" {entry[2]}" * named


if __name__ == "__main__":
    main()
