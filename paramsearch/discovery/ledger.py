"""Evaluate each candidate once: what the store knows is read, what it lacks is trained and kept."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from paramsearch.discovery.evaluation import Evaluation
from paramsearch.discovery.files import plain
from paramsearch.discovery.store import Store, Trial
from paramsearch.rules.encoding import Encoding
from paramsearch.rules.group import Group
from paramsearch.rules.rule import Rule
from paramsearch.score.stage import Stage
from paramsearch.train.runs import Runs


class Evaluates(Protocol):
    """What trains candidates; ``paramsearch.discovery.evaluate.Evaluator`` is the one in use.

    Attributes:
        member_steps: Updates of all runs made so far.
    """

    member_steps: int

    def base(self) -> Any:
        """Give the learning-rate curve of the base scale, where all rules agree."""
        ...

    def evaluate(
        self,
        rules: Sequence[Rule],
        seeds: Sequence[int],
        stage: Stage | None = None,
        known: Sequence[Sequence[Evaluation]] = (),
    ) -> list[Evaluation]:
        """Train the candidates as far as a stage asks, and give their evaluations in order.

        ``known`` holds what was measured of each at other stages, on the same seeds.
        """
        ...

    def solve(self, encoding: Encoding, seeds: Sequence[int]) -> dict[str, Any]:
        """Give the exponents at which the slopes of the update probes vanish."""
        ...

    def valleys(self, rules: Mapping[str, Rule], seeds: Sequence[int]) -> dict[str, Any]:
        """Measure learning-rate curves of rules, and give what ``Valleys`` holds as JSON."""
        ...

    def longer(self, rules: Mapping[str, Rule], seeds: Sequence[int]) -> dict[str, Any] | None:
        """Train rules longer, and give what ``Longer`` holds as JSON; None where that fails."""
        ...


def key_of(rule: Rule, seeds: Sequence[int], stage: Stage | None = None) -> str:
    """Give the canonical JSON of a candidate: equal for rules that are equal up to gauge.

    Args:
        rule: The candidate.
        seeds: The seeds it is trained with.
        stage: What is measured of it; everything by default.

    Example:
        >>> a = Rule.load("mup")
        >>> key_of(a, [0]) == key_of(a.regauge("unit-init"), [0])
        True
    """
    groups = [
        {"match": group.match.model_dump(exclude_none=True), **_nonzero(group)}
        for group in rule.canonical().groups
    ]
    content: dict[str, Any] = {"groups": groups, "optimizer": rule.optimizer, "seeds": list(seeds)}
    if stage is not None:
        content["stage"] = stage.name
    if rule.sites:
        content["sites"] = [site.model_dump() for site in rule.sites]
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def _at_any_stage(key: str) -> str:
    """Give the key of a candidate and its seeds, whatever the stage."""
    content = json.loads(key)
    content.pop("stage", None)
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def _nonzero(group: Group) -> dict[str, dict[str, float]]:
    """Give the exponents to 9 digits, so that sums taken in another order give the same key."""
    return {
        quantity: {axis: round(value, 9) for axis, value in by_axis.items()}
        for quantity, by_axis in group.stated().items()
    }


@dataclass(frozen=True, slots=True)
class Measurement:
    """One evaluated candidate with its place in the record.

    Attributes:
        trial: Number of the trial in the store.
        evaluation: What training it gave.
    """

    trial: int
    evaluation: Evaluation


class Ledger:
    """Evaluations by canonical key, in memory and in the store."""

    def __init__(self, evaluator: Evaluates, store: Store):
        """Read what the store knows.

        Args:
            evaluator: Trains what the store lacks.
            store: Of this run, locked by this process.
        """
        self._evaluator = evaluator
        self._store = store
        self._known: dict[str, Trial] = {}
        self._stages: dict[str, list[Trial]] = {}
        self._used: dict[str, Evaluation] = {}
        self._read(store.trials())
        self._base: dict[str, Any] | None = store.get("base")
        self._beside: dict[str, int] = {}

    def base(self) -> dict[str, Any]:
        """Give the base curve as JSON holds it; trained once per run folder."""
        if self._base is None:
            self._base = asdict(self._evaluator.base())
            self._store.put("base", self._base)
        return self._base

    def solution(self, encoding: Encoding, seeds: Sequence[int]) -> dict[str, Any]:
        """Give what the solver found; solved once per run folder."""
        return self._once("solution", lambda: self._evaluator.solve(encoding, seeds))

    def valleys(self, rules: Mapping[str, Rule], seeds: Sequence[int]) -> dict[str, Any]:
        """Give learning-rate curves of rules; measured once per run folder."""
        return self._once("valleys", lambda: self._evaluator.valleys(rules, seeds))

    def longer(self, rules: Mapping[str, Rule], seeds: Sequence[int]) -> dict[str, Any] | None:
        """Give what longer runs say; made once per run folder."""
        return self._once("longer", lambda: self._evaluator.longer(rules, seeds))

    def _once(self, name: str, make: Callable[[], dict[str, Any] | None]) -> Any:
        kept = self._store.get(name)
        if kept is None:
            before = self._evaluator.member_steps
            found = plain(make())
            kept = {"found": found, "member_steps": self._evaluator.member_steps - before}
            self._store.put(name, kept)
        self._beside[name] = kept["member_steps"]
        return kept["found"]

    @property
    def beside(self) -> int:
        """Updates of all runs that this run has asked for beside those of candidates."""
        return sum(self._beside.values())

    @property
    def trials(self) -> int:
        """Number of evaluations this run has asked for, none of them twice."""
        return len(self._used)

    def runs(self) -> dict[int, Runs]:
        """Count the training runs behind all that this run has asked for, whenever they were made.

        The base scale is the same for every candidate: its curve counts once per set of seeds.

        Returns:
            Scale -> runs.
        """
        base = self.base()
        made = _size(base["losses"])
        found = {base["scale"]: Runs(made, base["failed"], base["failure"])}
        shared: set[tuple[int, ...]] = set()
        for key, evaluation in self._used.items():
            seeds = tuple(json.loads(key)["seeds"])
            for curve in evaluation.curves[seeds in shared :]:
                found[curve["scale"]] = found.get(curve["scale"], Runs()) + Runs.from_json(curve)
            shared.add(seeds)
        return found

    def members(self, lengthened: bool = False) -> int:
        """Count all these runs.

        Args:
            lengthened: Whether a run at ratio m counts as m, as it makes m times the steps.
        """
        base = self.base()["scale"]
        counts = {scale: runs.made for scale, runs in self.runs().items()}
        return sum(n * (round(scale / base) if lengthened else 1) for scale, n in counts.items())

    def worked(self) -> set[int]:
        """Give the scales at which some run in the store has not failed."""
        curves = [curve for trial in self._known.values() for curve in trial.result["curves"]]
        found = {curve["scale"] for curve in curves if curve["failed"] < curve["trained"]}
        return found if self._base is None else found | {self._base["scale"]}

    def measure(
        self,
        rules: Sequence[Rule],
        seeds: Sequence[int],
        why: str,
        generation: int,
        stage: Stage | None = None,
    ) -> list[Measurement]:
        """Give the evaluations of candidates, training those the store lacks as one batch.

        Args:
            rules: Candidates; those equal up to gauge are trained once.
            seeds: Seeds of each.
            why: Why they are evaluated.
            generation: Generation or round.
            stage: Which part of the objective is measured; everything by default.

        Returns:
            One measurement per rule, in order.
        """
        keys = [key_of(rule, seeds, stage) for rule in rules]
        missing = {k: rule for k, rule in zip(keys, rules, strict=True) if k not in self._known}
        if missing:
            self._train(missing, seeds, why, generation, stage)
        measurements: list[Measurement] = []
        for key in keys:
            trial = self._known[key]
            evaluation = Evaluation.from_json(trial.result)
            measurements.append(Measurement(trial.id, evaluation))
            self._used[key] = evaluation
        return measurements

    def _train(
        self,
        missing: dict[str, Rule],
        seeds: Sequence[int],
        why: str,
        generation: int,
        stage: Stage | None,
    ) -> None:
        keys = list(missing)
        self._store.begin(generation, why, keys)
        earlier = [self._stages.get(_at_any_stage(key), []) for key in keys]
        known = [[Evaluation.from_json(trial.result) for trial in trials] for trials in earlier]
        evaluations = self._evaluator.evaluate(list(missing.values()), seeds, stage, known)
        scores = [float(evaluation.score) for evaluation in evaluations]
        assert all(map(math.isfinite, scores)), "the evaluator promises finite scores"
        self._store.finish(keys, scores, [evaluation.to_json() for evaluation in evaluations])
        last = max((trial.id for trial in self._known.values()), default=0)
        self._read(self._store.trials(after=last))

    def _read(self, trials: Sequence[Trial]) -> None:
        for trial in trials:
            self._known[trial.key] = trial
            self._stages.setdefault(_at_any_stage(trial.key), []).append(trial)


def _size(losses: Sequence[Sequence[float]]) -> int:
    return sum(map(len, losses))
