"""How many member-steps each way of searching takes to come as low as the best score known.

Ways differ in who proposes (nevergrad's samplers, uniform random points, Optuna's tree-structured
Parzen estimator) and in where they begin: at the start of the space, or at what the solver found
(``solve +``), whose own updates count. All else is the same: space, objective, seeds of the
models, the race with its stages. What a way asks for counts, also where another asked before: a
candidate is trained once and kept in ``--out``, with every finished run, for later calls.

Every incumbent, the best candidate of a way so far, is scored again on other seeds, on which
nothing was chosen: on those of the search, the lowest of many scores is a lucky one. The best score
known is the lowest there of all incumbents of all ways. A score is as low where it is within the
seed spread: the root mean square of the standard errors, over seeds, of the five best incumbents.

    python benchmarks/samplers.py                # all cells, usual ways; needs optuna for tpe
    python benchmarks/samplers.py mlp --ways random "solve + LargeDiagCMA"
"""

import argparse
import json
import math
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from paramsearch.discovery.encoding import Point
from paramsearch.discovery.evaluate import Evaluator
from paramsearch.discovery.evaluation import Evaluation
from paramsearch.discovery.files import plain
from paramsearch.discovery.ledger import Ledger
from paramsearch.discovery.proposer import Proposer, Sampling
from paramsearch.discovery.race import Race
from paramsearch.discovery.settings import SearchSettings
from paramsearch.discovery.store import Store
from paramsearch.jobs.prepare import prepare
from paramsearch.tracing.arch import load_arch

GENERATION = 16
STALE = 5  # generations without a new candidate after which a sampler has converged
BEST = 5  # incumbents over which the seed spread is averaged
AFTER = (16, 32, 64)  # candidates after which scores are compared
# half the learning rates of the shipped grid, which ends too low for plain gradient descent
GRID = {"step": 1.0, "high": 16.0}
CELLS: dict[str, dict[str, object]] = {  # "arch optimizer task axis" -> options of the architecture
    "mlp adam digits width": {},
    "mlp gd teacher width": {"width": 16},
    "resmlp adam digits depth": {"depth": 2, "width": 16},
    "uv gd teacher width": {},
}
PLUS = ("DiscreteLenglerOnePlusOne", "SmoothLognormalDiscreteOnePlusOne")
NEVERGRAD = ("LargeDiagCMA", *PLUS, "TwoPointsDE")
WARM = "solve + "
SHIPPED = f"{WARM}LargeDiagCMA"
WAYS = {  # way -> member-steps that it may spend; the last generation may go beyond
    **dict.fromkeys((WARM + name for name in (*NEVERGRAD, "tpe")), 25_000),
    **dict.fromkeys((*NEVERGRAD, "random", "tpe"), 65_000),
}
USUAL = (SHIPPED, WARM + PLUS[1], "LargeDiagCMA", "random", "tpe")
Row = tuple[int, int, float, Point]
"""After a generation: candidates, member-steps, the score of the incumbent, and its point."""


class Uniform:
    """Proposes some points first, then points of the grid that are all as likely."""

    def __init__(self, counts: Sequence[int], first: Sequence[Point], seed: int) -> None:
        self._counts, self._first = counts, list(first)
        self._draws = np.random.default_rng(seed)

    def ask(self, count: int) -> list[Point]:
        """Give the next candidates."""
        first, self._first = self._first[:count], self._first[count:]
        drawn = self._draws.integers(self._counts, size=(count - len(first), len(self._counts)))
        return first + [tuple(row) for row in drawn.tolist()]

    def tell(self, scores: Sequence[float]) -> None:
        """Learn nothing."""


class Parzen:
    """Proposes by Optuna's tree-structured Parzen estimator (Bergstra et al. 2011)."""

    def __init__(self, counts: Sequence[int], first: Sequence[Point], seed: int) -> None:
        try:
            import optuna
        except ImportError:
            sys.exit("tpe needs optuna, which this benchmark alone uses: pip install optuna")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        # several are asked before one is told: the liar keeps them apart
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        self._study, self._counts = optuna.create_study(sampler=sampler), counts
        self._asked: list[Any] = []
        for point in first:
            named = {str(index): choice for index, choice in enumerate(point)}
            self._study.enqueue_trial(named, skip_if_exists=True)

    def ask(self, count: int) -> list[Point]:
        """Give the next candidates."""
        points: list[Point] = []
        for _ in range(count):
            self._asked.append(trial := self._study.ask())
            ranges = enumerate(self._counts)
            points.append(tuple(trial.suggest_int(str(i), 0, n - 1) for i, n in ranges))
        return points

    def tell(self, scores: Sequence[float]) -> None:
        """Tell the scores of the candidates last asked."""
        for trial, score in zip(self._asked, scores, strict=True):
            self._study.tell(trial, score)
        self._asked = []


OTHERS: dict[str, type[Uniform] | type[Parzen]] = {"random": Uniform, "tpe": Parzen}


class Place:
    """A cell that is ready to be searched, with all that was ever evaluated in it."""

    def __init__(self, cell: str, folder: Path) -> None:
        arch, optimizer, task, axis = cell.split()
        where = (arch, axis, optimizer, task, axis, "transfer")
        options = tuple(f"{name}={value}" for name, value in CELLS[cell].items())
        self.settings = SearchSettings(*where, options=options, compile=False)
        setting, _, self.encoding = prepare(self.settings, load_arch(arch, CELLS[cell]))
        fidelity = setting.objective.fidelity
        fidelity = fidelity.model_copy(update={"lr": fidelity.lr.model_copy(update=GRID)})
        self.objective = setting.objective.model_copy(update={"fidelity": fidelity})
        self.start: Point = tuple(self.encoding.start_indices)
        setting = replace(setting, objective=self.objective)
        self.evaluator = Evaluator(setting, start=self.encoding.rule(self.start, "start"))
        self.store = Store(folder / "store.sqlite")

    @property
    def solved(self) -> tuple[int, list[Point]]:
        """Member-steps of the solver, and the points where it arrived: simple, and measured."""
        if (kept := self.store.get("solved")) is None:
            self.evaluator.base()
            before = self.evaluator.member_steps
            found = self.evaluator.solve(self.encoding, self.settings.solve_seeds())
            steps = self.evaluator.member_steps - before
            kept = plain([steps, [found["values"], found["measured"]]])
            self.store.put("solved", kept)
        (steps, rows), free = kept, self.encoding.variables
        return steps, [tuple(v.nearest(x) for v, x in zip(free, row, strict=True)) for row in rows]

    def search(self, way: str, seed: int) -> list[Row]:
        """Search in one way."""
        solving, points = self.solved if way.startswith(WARM) else (0, [])
        first, name = list(dict.fromkeys([self.start, *points])), way.removeprefix(WARM)
        counts = [len(variable.values) for variable in self.encoding.variables]
        if name in OTHERS:
            proposer = OTHERS[name](counts, first, seed)
        else:
            center = points[0] if points else self.start
            proposer = Proposer(counts, center, Sampling(name, seed, GENERATION))
            proposer.enqueue(first)
        ledger = Ledger(self.evaluator, self.store)
        race = Race(ledger, self.objective.stages, self.settings.search_seeds())
        rows, seen = list[Row](), set[Point]()
        best, steps, stale = (math.inf, self.start), 0, 0
        while stale < STALE and steps < WAYS[way]:
            asked = proposer.ask(GENERATION)
            heats = race.run([self.encoding.rule(point, way) for point in asked], len(rows))
            proposer.tell([heat.told for heat in heats])
            scored = zip(heats, asked, strict=True)
            best = min([best, *((h.evaluation.score, p) for h, p in scored if h.whole)])
            stale = 0 if set(asked) - seen else stale + 1
            seen |= set(asked)
            steps = solving + ledger.members() * self.objective.fidelity.steps
            rows.append((len(seen), steps, *best))
        return rows

    def fresh(self, points: Sequence[Point]) -> dict[Point, Evaluation]:
        """Evaluate points on seeds that no way has seen, on which nothing was chosen."""
        rules, seeds = [self.encoding.rule(p, "fresh") for p in points], self.settings.final_seeds()
        found = Ledger(self.evaluator, self.store).measure(rules, seeds, "fresh", 0)
        return {point: each.evaluation for point, each in zip(points, found, strict=True)}


def told(runs: Sequence[Sequence[Row]], low: float, unit: float = 1000.0) -> list[str]:
    """Write at what cost a score was reached: median, range, and in how many runs.

    A run in which it was not counts as dearer than any in which it was; ``>`` says so.
    """
    found = [next((s for _, s, score, _ in rows if score <= low), None) for rows in runs]
    ends = sorted((s is None, s or rows[-1][1]) for s, rows in zip(found, runs, strict=True))
    some = (ends[(len(ends) - 1) // 2], ends[0], ends[-1])
    median, least, most = (f"{'> ' * beyond}{steps / unit:.1f}" for beyond, steps in some)
    return [median, f"{least} to {most}", f"{len(runs) - found.count(None)} of {len(runs)}"]


def after(runs: Sequence[Sequence[Row]], candidates: int) -> str:
    """Write the median over runs of the incumbent's score after so many candidates."""
    last = [[x for n, _, x, _ in rows if n <= candidates] for rows in runs]
    return f"{statistics.median(scores[-1] if scores else math.inf for scores in last):.3f}"


def tabled(name: str, place: Place, runs: dict[str, list[list[Row]]]) -> Table:
    """Give the table of a cell."""
    steps, points = place.solved
    incumbents = {point for some in runs.values() for rows in some for *_, point in rows}
    fresh = place.fresh(sorted({place.start, points[0], *incumbents}))
    best = sorted((fresh[point] for point in incumbents), key=lambda e: e.score)[:BEST]
    low = best[0].score + math.sqrt(statistics.fmean(e.spread**2 for e in best))
    again = {
        way: [[(n, at, fresh[point].score, point) for n, at, _, point in rows] for rows in some]
        for way, some in runs.items()
    }
    ends = f"start {fresh[place.start].score:.3f}, solver {fresh[points[0]].score:.3f}"
    about = f"best known {best[0].score:.3f}, reached at {low:.3f}; solver takes {steps}; {ends}"
    table = Table(title=f"{name}: {about}")
    heads = ["way", "thousand member-steps", "range", "reached", "x shipped", "in the end"]
    for head in heads + [f"after {n}" for n in AFTER]:
        table.add_column(head, justify="left" if head == "way" else "right")
    shipped = told(again[SHIPPED], low, 1.0)[0] if SHIPPED in again else ">"
    for way, some in again.items():
        times = "-" if ">" in shipped else told(some, low, float(shipped))[0]
        final = f"{statistics.median(rows[-1][2] for rows in some):.3f}"
        table.add_row(way, *told(some, low), times, final, *(after(some, n) for n in AFTER))
    return table


def main() -> None:
    """Run what is asked for and not there yet, and print the tables of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cells", nargs="*", help="starts of names; default: all")
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=USUAL, metavar="WAY")
    parser.add_argument("--seeds", type=int, default=3, help="of the samplers")
    parser.add_argument("--out", type=Path, default=Path("runs/samplers"))
    asked = parser.parse_args()
    for name in CELLS:
        if asked.cells and not any(name.startswith(start) for start in asked.cells):
            continue
        folder: Path = asked.out / name.replace(" ", "-")
        folder.mkdir(parents=True, exist_ok=True)
        place = Place(name, folder)
        runs: dict[str, list[list[Row]]] = {}
        for seed, way in product(range(asked.seeds), asked.ways):
            path = folder / f"{way.replace(' ', '')}-{seed}.json"
            if not path.exists():
                print(f"{name}, {way}, seed {seed} ...", file=sys.stderr)
                path.write_text(json.dumps(place.search(way, seed)))
            rows = [(*row, tuple(point)) for *row, point in json.loads(path.read_text())]
            runs.setdefault(way, []).append(rows)
        Console(width=150).print(tabled(name, place, runs))


if __name__ == "__main__":
    main()
