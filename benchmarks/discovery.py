"""Blind solves of models whose exponents are known: how far off they are, how sure, how fast.

Every cell starts from the standard parameterization and sees no published rule. Known answers are
muP (Yang et al. 2022, arXiv:2203.03466) over width, in the gauge without multipliers, and over
depth with Adam the family of branch multipliers depth^-a and learning rates depth^(a-1), from
Depth-muP (a = 1/2; Yang et al. 2023, arXiv:2310.02244) to CompleteP (a = 1; Dey et al. 2025,
arXiv:2505.01618), of which the nearest member counts. Finished cells are kept in ``--out`` and not
run again, so that the benchmark can be interrupted.

    python benchmarks/discovery.py                 # all cells
    python benchmarks/discovery.py mlp-adam gpt    # cells whose name starts so
"""

import argparse
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

import paramsearch

ADAM = {
    ("input", "lr"): 0.0,
    ("hidden", "init"): -0.5,
    ("hidden", "lr"): -1.0,
    ("output", "lr"): -1.0,
}
SGD = {**ADAM, ("input", "lr"): 1.0, ("hidden", "lr"): 0.0}
MUON = {**ADAM, ("hidden", "lr"): 0.0}
DEPTH_ADAM = [
    {("branch", "multiplier"): -a / 100, ("hidden", "lr"): a / 100 - 1} for a in range(50, 101)
]
DEPTH_SGD = [{("branch", "multiplier"): -0.5, ("hidden", "lr"): 0.0}]

Answer = dict[tuple[str, str], float]
"""(Role or name of a group, quantity) -> exponent."""


@dataclass(frozen=True)
class Cell:
    """A model, an optimizer, and what is known about it.

    Attributes:
        known: Axis -> answers that are equally right.
        within: How far off an exponent may be.
        seconds: How long the solve may take on two idle cores.
    """

    arch: str
    optimizer: str
    known: dict[str, list[Answer]]
    within: float
    seconds: float
    asked: dict[str, object] = field(default_factory=dict)


COSTS = ("member-steps", "seconds", "bar")
UV = {("input", "lr"): 1.0, ("output", "lr"): -1.0}
ATTENTION = {**ADAM, ("logits", "multiplier"): -0.5}  # 1 / d, where 0 is 1 / sqrt(d)
GPT = {"task": "bytes", "seeds": 2}
# GroupNorm over few channels is far from its limit: from 32 channels, in two layers for cost.
CONVNET = {"options": {"width": 32, "stride": 2, "depth": 2}, "seeds": 2}
CELLS = {
    "mlp-adam": Cell("mlp", "adam", {"width": [ADAM]}, 0.15, 10),
    "mlp-lion": Cell("mlp", "lion", {"width": [ADAM]}, 0.15, 10),
    "mlp-sgd": Cell("mlp", "gd", {"width": [SGD]}, 0.15, 10),
    "mlp-momentum": Cell("mlp", "sgd", {"width": [SGD]}, 0.15, 10),
    "mlp-muon": Cell("mlp", "muon", {"width": [MUON]}, 0.15, 20),
    "uv-gd": Cell("uv", "gd", {"width": [UV]}, 0.1, 5),
    "resmlp-adam": Cell("resmlp", "adam", {"depth": DEPTH_ADAM}, 0.15, 20),
    "resmlp-sgd": Cell("resmlp", "gd", {"depth": DEPTH_SGD}, 0.15, 20),
    "convnet-momentum": Cell("convnet", "sgd", {"width": [SGD]}, 0.2, 60, CONVNET),
    "gpt-adamw": Cell(
        "gpt", "adamw", {"width": [ATTENTION]}, 0.2, 45, {**GPT, "space": "transformer"}
    ),
    "gpt-width-depth": Cell(
        "gpt", "adamw", {"width": [ATTENTION], "depth": DEPTH_ADAM}, 0.2, 120, GPT
    ),
}


def error(cell: Cell, groups: list[dict], key: str) -> tuple[float, str]:
    """Give the largest distance from the nearest known answer, and where it is."""
    return max(
        min(_distance(answer, groups, key, axis) for answer in answers)
        for axis, answers in cell.known.items()
    )


def _distance(answer: Answer, groups: list[dict], key: str, axis: str) -> tuple[float, str]:
    worst = (0.0, "")
    for (role, quantity), exponent in answer.items():
        for group in groups:
            named = group["name"] == role or group["role"] == role
            entry = group.get(quantity, {}).get(axis)
            if named and entry is not None and not entry["fixed"]:
                where = f"{group['name']} {quantity} {axis}"
                worst = max(worst, (abs(entry[key] - exponent), where))
    return worst


def run(cell: Cell, seed: int) -> dict:
    """Solve one cell."""
    return paramsearch.solve(
        cell.arch,
        axis=list(cell.known),
        optimizer=cell.optimizer,
        blind=True,
        seed=seed,
        yes=True,
        **{"options": None, **cell.asked},
    ).content


def main() -> None:
    """Run the cells asked for that are not there yet, and print the table of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cells", nargs="*", help="starts of names; default: all")
    parser.add_argument("--seeds", type=int, default=3, help="repetitions, each with fresh seeds")
    parser.add_argument("--out", type=Path, default=Path("runs/discovery"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    table = Table(title=f"blind solves, {os.cpu_count()} cores; off: largest error of an exponent")
    for head in ("cell", "seed", "off, rule", "off, measured", "where", "bar", *COSTS):
        table.add_column(head, justify="right" if head != "cell" else "left")
    for name, cell in CELLS.items():
        if asked.cells and not any(name.startswith(start) for start in asked.cells):
            continue
        for seed in range(asked.seeds):
            path = asked.out / f"{name}-{seed}.json"
            if not path.exists():
                print(f"{name}, seed {seed} ...", file=sys.stderr)
                content = run(cell, seed)
                path.write_text(json.dumps(content))
            content = json.loads(path.read_text())
            groups = content["groups"]
            used, _ = error(cell, groups, "value")
            measured, where = error(cell, groups, "measured")
            row = [name, str(seed), f"{used:.2f}", f"{measured:.2f}", where, f"{cell.within:.2f}"]
            row += [f"{content['member_steps']:.0f}"]
            table.add_row(*row, f"{content['seconds']:.0f}", f"{cell.seconds:.0f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
