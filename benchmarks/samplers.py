"""How many member-steps each way of searching takes to come as low as the best score known.

``search`` is what ``paramsearch search`` does up to the end of its climb: solve, climb, keep the
end if it holds on other seeds, ask the sampler until its patience ends, climb again. The other ways
ask one sampler until their member-steps are spent (nevergrad's, uniform random points, Optuna's
tree-structured Parzen estimator), from the start of the space or from what the solver found
(``solve +``), whose own updates count. All else is the same: space, objective, the race with its
stages, and in each repetition the seeds of the models. What a way asks for counts, also where
another asked before: a candidate is trained once and kept in ``--out``, with every finished run,
for later calls.

Every incumbent, the best candidate of a way so far, is scored again on sixty-four other seeds, on
which nothing was chosen: on those of the search, the lowest of many scores is a lucky one. The best
score known is the lowest there of all incumbents of all ways. A score is as low where it is within
the seed spread: the root mean square of the standard errors, over seeds, of the five best.

    python benchmarks/samplers.py                # all cells, usual ways; needs optuna for tpe
    python benchmarks/samplers.py mlp --ways random search
"""

import argparse
import json
import math
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rival_samplers import Parzen, Uniform

from paramsearch.discovery.driver import Driver
from paramsearch.discovery.encoding import Point
from paramsearch.discovery.evaluate import Evaluator
from paramsearch.discovery.evaluation import Evaluation
from paramsearch.discovery.ledger import Ledger
from paramsearch.discovery.progress import Progress
from paramsearch.discovery.proposer import Proposer, Sampling
from paramsearch.discovery.race import Race
from paramsearch.discovery.settings import SearchSettings
from paramsearch.discovery.store import Store
from paramsearch.jobs.prepare import prepare
from paramsearch.score.objective import Objective
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
SHIPPED = "search"
JUDGES = range(900, 964)
"""Seeds on which incumbents are judged; a repetition uses the first of its own thousand."""
WAYS = (SHIPPED, *(WARM + name for name in (*NEVERGRAD, "tpe")), *NEVERGRAD, "random", "tpe")
ENDS = 160_000
"""Member-steps that a sampler may spend alone; the last generation may go beyond."""

WARM_ENDS = 25_000
"""The same behind the solver."""

USUAL = (SHIPPED, "LargeDiagCMA", "random", "tpe")
Row = tuple[int, int, float, Point]
"""After a generation: candidates, member-steps, the score of the incumbent, and its point."""


OTHERS: dict[str, type[Uniform] | type[Parzen]] = {"random": Uniform, "tpe": Parzen}


class Place:
    """A cell that is ready to be searched."""

    def __init__(self, cell: str, folder: Path) -> None:
        arch, optimizer, task, axis = cell.split()
        where = (arch, axis, optimizer, task, axis, "transfer")
        options = tuple(f"{name}={value}" for name, value in CELLS[cell].items())
        seeds = Objective.load("transfer").fidelity.seeds
        self.settings = SearchSettings(*where, options=options, compile=False, seeds=seeds)
        setting, _, self.encoding = prepare(self.settings, load_arch(arch, CELLS[cell]))
        fidelity = setting.objective.fidelity
        fidelity = fidelity.model_copy(update={"lr": fidelity.lr.model_copy(update=GRID)})
        self.objective = setting.objective.model_copy(update={"fidelity": fidelity})
        self.start: Point = tuple(self.encoding.start_indices)
        setting = replace(setting, objective=self.objective)
        self.evaluator = Evaluator(setting, start=self.encoding.rule(self.start, "start"))
        self._folder = folder

    def repeat(self, seed: int) -> "Repetition":
        """Give a repetition: seeds of models and sampler, with what was evaluated on them."""
        store = Store(self._folder / f"store-{seed}.sqlite")
        return Repetition(self, replace(self.settings, seed=seed), store)

    def judge(self, points: Sequence[Point]) -> dict[Point, Evaluation]:
        """Evaluate points on seeds that no way has seen, on which nothing was chosen."""
        ledger = Ledger(self.evaluator, Store(self._folder / "judged.sqlite"))
        rules = [self.encoding.rule(point, "judged") for point in points]
        found = ledger.measure(rules, list(JUDGES), "judged", 0)
        return {point: each.evaluation for point, each in zip(points, found, strict=True)}


@dataclass
class Repetition:
    """One repetition of a cell, searched in all ways."""

    place: Place
    settings: SearchSettings
    store: Store

    @property
    def solved(self) -> tuple[int, list[Point]]:
        """Member-steps of the solver, and the points where it arrived: simple, and measured."""
        evaluator, free = self.place.evaluator, self.place.encoding.variables
        if (steps := self.store.get("solver")) is None:
            evaluator.base()
            before = evaluator.member_steps
            self._solution()
            self.store.put("solver", steps := evaluator.member_steps - before)
        found = self._solution()
        rows = [found["values"], found["measured"]]
        return steps, [tuple(v.nearest(x) for v, x in zip(free, row, strict=True)) for row in rows]

    def _solution(self) -> dict[str, Any]:
        ledger = Ledger(self.place.evaluator, self.store)
        return ledger.solution(self.place.encoding, self.settings.solve_seeds())

    def run(self, way: str, ends: float) -> list[Row]:
        """Search in one way; a sampler may spend so many member-steps."""
        return self._shipped() if way == SHIPPED else self._sampled(way, ends)

    def _shipped(self) -> list[Row]:
        """Search as ``paramsearch search`` does, up to the end of its last climb."""
        (solving, _), rows = self.solved, list[Row]()
        place, ledger = self.place, Ledger(self.place.evaluator, self.store)

        def add(point: Point) -> None:
            steps = solving + ledger.members() * place.objective.fidelity.steps
            rows.append((ledger.trials, steps, 0.0, point))

        def listen(_: Progress) -> None:
            if driver.incumbent is not None:
                add(driver.incumbent)

        parts = (self.settings, place.encoding, ledger, {}, listen)
        driver = Driver(*parts, objective=place.objective)
        add(driver.optimum()[0])
        return rows

    def _sampled(self, way: str, ends: float) -> list[Row]:
        """Ask one sampler for candidates until the member-steps are spent."""
        place, settings = self.place, self.settings
        solving, points = self.solved if way.startswith(WARM) else (0, [])
        first, name = list(dict.fromkeys([place.start, *points])), way.removeprefix(WARM)
        counts = [len(variable.values) for variable in place.encoding.variables]
        if name in OTHERS:
            proposer = OTHERS[name](counts, first, settings.seed)
        else:
            center = points[0] if points else place.start
            proposer = Proposer(counts, center, Sampling(name, settings.seed, GENERATION))
            proposer.enqueue(first)
        ledger = Ledger(place.evaluator, self.store)
        race = Race(ledger, place.objective.stages, settings.search_seeds())
        rows, seen = list[Row](), set[Point]()
        best, steps, stale = (math.inf, place.start), 0, 0
        while stale < STALE and steps < (WARM_ENDS if way.startswith(WARM) else ends):
            asked = proposer.ask(GENERATION)
            heats = race.run([place.encoding.rule(point, way) for point in asked], len(rows))
            proposer.tell([heat.told for heat in heats])
            scored = zip(heats, asked, strict=True)
            best = min([best, *((h.evaluation.score, p) for h, p in scored if h.whole)])
            stale = 0 if set(asked) - seen else stale + 1
            seen |= set(asked)
            steps = solving + ledger.members() * place.objective.fidelity.steps
            rows.append((len(seen), steps, *best))
        return rows


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
    incumbents = {point for some in runs.values() for rows in some for *_, point in rows}
    fresh = place.judge(sorted({place.start, *incumbents}))
    best = sorted((fresh[point] for point in incumbents), key=lambda e: e.score)[:BEST]
    low = best[0].score + math.sqrt(statistics.fmean(e.spread**2 for e in best))
    again = {
        way: [[(n, at, fresh[point].score, point) for n, at, _, point in rows] for rows in some]
        for way, some in runs.items()
    }
    about = f"best known {best[0].score:.3f}, reached at {low:.3f}"
    table = Table(title=f"{name}: {about}; start {fresh[place.start].score:.3f}")
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
    parser.add_argument("--seeds", type=int, default=3, help="repetitions")
    parser.add_argument("--ends", type=float, default=ENDS, help="member-steps of a sampler alone")
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
                path.write_text(json.dumps(place.repeat(seed).run(way, asked.ends)))
            rows = [(*row, tuple(point)) for *row, point in json.loads(path.read_text())]
            runs.setdefault(way, []).append(rows)
        Console(width=150).print(tabled(name, place, runs))


if __name__ == "__main__":
    main()
