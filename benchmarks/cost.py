"""What a search takes against what was predicted before it started.

Runs small searches, each in a process of its own, and prints for every one, predicted and taken
with their ratio:

- member-steps: updates of all training runs;
- FLOPs: of matrix products, counted in a second run of the same search (``--no-flops`` leaves it
  out, which halves the time);
- seconds, from the base curve to the rule;
- memory: the peak of the process.

Last how many of the ratios are within 30 %. Searches differ in budget, widths, steps, learning-rate
mode, optimizer and architecture.

Run: ``python benchmarks/cost.py`` (about 20 minutes), or ``--only short`` for one case.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import paramsearch
from paramsearch.discovery.progress import Progress
from paramsearch.score.objective import Objective
from paramsearch.train.meter import Meter

TRACK = {"lr": {"mode": "track"}}
LONG = {"steps": 80}
SHORT = {"steps": 16, "sharpness": 4}
CASES = {  # name: architecture, optimizer, budget, base width, changes of the objective
    "short": ("mlp", "adam", 16, 8, SHORT),
    "budget": ("mlp", "adam", 96, 8, SHORT),
    "steps": ("mlp", "adam", 16, 16, LONG),
    "widths": ("mlp", "adam", 16, 16, {"ratios": [1, 2, 4, 8]}),
    "track": ("mlp", "adam", 16, 16, TRACK),
    "sgd": ("mlp", "sgd", 32, 8, {"ratios": [1, 2, 6]}),
    "resmlp": ("resmlp", "adam", 16, 16, SHORT),
}
KEYS = ("member_steps", "flops", "seconds", "memory")
WITHIN = 0.3


def written(changes: dict, folder: Path) -> Path:
    """Write the ``transfer`` objective with changes; tracked curves cannot be compared."""
    content = Objective.load("transfer").model_dump(mode="json")
    grid = content["fidelity"]["lr"] | changes.get("lr", {})
    content["fidelity"] |= changes | {"lr": grid}
    if grid["mode"] == "track":
        content["weights"]["lr_collapse"] = 0.0
        for stage in content["stages"]:
            stage["terms"] = [term for term in stage["terms"] if term != "lr_collapse"]
    path = folder / "objective.yaml"
    path.write_text(json.dumps(content))  # JSON is YAML
    return path


def searched(name: str, meter: Meter | None) -> dict[str, dict[str, float]]:
    """Search, and give what was predicted and taken."""
    arch, optimizer, budget, width, changes = CASES[name]
    before: list[int] = []

    def listen(progress: Progress) -> None:
        started = progress.stage == "base" and not progress.note
        if started and meter is not None and not before:
            before.append(meter.flops)  # made so far to predict

    with tempfile.TemporaryDirectory() as folder:
        result = paramsearch.search(
            arch,
            axis="width",
            optimizer=optimizer,
            objective=str(written(changes, Path(folder))),
            budget=budget,
            blind=True,
            options={"width": width},
            out=Path(folder) / "run",
            compile=None if meter is None else False,
            listen=listen,
        )
    session, predicted = result.timing["sessions"][-1], result.summary["predicted"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taken = {
        "member_steps": session["member_steps"],
        "flops": float("nan") if meter is None else meter.flops - before[0],
        "seconds": session["seconds"],
        "memory": peak * (1 if sys.platform == "darwin" else 1024),
    }
    told = {
        "member_steps": predicted["member_steps"],
        "flops": predicted["flops"],
        "seconds": session["predicted_seconds"],
        "memory": session["predicted_memory"],
    }
    return {"told": told, "taken": taken}


def apart(name: str, *words: str) -> dict[str, dict[str, float]]:
    """Search in a process of its own, so that its memory is its own."""
    command = [sys.executable, __file__, "--child", name, *words]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(ended.stdout.splitlines()[-1])


def child(name: str, count: bool) -> None:
    """Search here and print what ``searched`` gives; under a meter, times mean nothing."""
    if not count:
        print(json.dumps(searched(name, None)))
        return
    with Meter() as meter:
        print(json.dumps(searched(name, meter)))


def main() -> None:
    """Run every case and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=CASES)
    parser.add_argument("--no-flops", action="store_true")
    parser.add_argument("--child", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--count", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        child(asked.child, asked.count)
        return
    close: list[bool] = []
    print("search   what          predicted      taken  taken / predicted")
    for name in [asked.only] if asked.only else CASES:
        found = apart(name)
        if not asked.no_flops:
            found["taken"]["flops"] = apart(name, "--count")["taken"]["flops"]
        for key in KEYS:
            told, taken = found["told"][key], found["taken"][key]
            if taken == taken:  # not NaN
                close.append(abs(taken / told - 1) <= WITHIN)
                print(f"{name:8s} {key:12s} {told:10.3g} {taken:10.3g} {taken / told:10.2f}")
        sys.stdout.flush()
    print(f"within {WITHIN:.0%}: {sum(close)} of {len(close)}")


if __name__ == "__main__":
    main()
