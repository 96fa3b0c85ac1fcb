"""The shape of what the figures read: parts of ``summary.json`` and ``certificate.json``.

Every list of losses is (LRs, seeds) and every list of sharpness (steps, seeds); ``None`` stands for
a run that diverged.
"""

from collections.abc import Mapping
from typing import Any, TypedDict

Seeds = list[float | None]


class ScaleCurves(TypedDict):
    """What one rule did at one scale of a search."""

    scale: int
    lrs: list[float]
    losses: list[Seeds]
    sharpness_steps: list[int]
    sharpness: list[Seeds]


class Candidate(TypedDict):
    """The score of a rule, and the last stage of the objective at which it was measured."""

    stage: str
    score: float


class StartAndFound(TypedDict):
    """The curves of the rule that a search started from and of the one it ended with."""

    start: list[ScaleCurves]
    found: list[ScaleCurves]


class Base(TypedDict):
    """The tuned base model; ``optimum`` is its learning rate."""

    optimum: float


class SearchSummary(TypedDict):
    """What is drawn of ``summary.json``."""

    arch: str
    task: str
    axis: str
    optimizer: str
    curves: StartAndFound
    candidates: list[Candidate]
    polished: list[Candidate]
    solution: dict[str, object] | None
    base: Base


class ScaleEvidence(TypedDict):
    """What one rule did at one scale of a verification; ``None`` where it cannot be told."""

    lrs: list[float]
    losses: list[Seeds]
    optimum: float | None
    best_loss: float | None
    transferred_loss: float | None
    regret: float | None


class RuleEvidence(TypedDict):
    """One rule on every scale (keys are scales, as text: JSON has no other keys)."""

    scales: dict[str, ScaleEvidence]
    drift_octaves: float | None
    drift_per_decade: float | None


class Verdict(TypedDict):
    """What the certificate says in the end."""

    passed: bool
    sentence: str


class Certificate(TypedDict):
    """The part of ``certificate.json`` that is drawn."""

    axis: str
    base_scale: int
    base_lr: float
    rules: dict[str, RuleEvidence]
    verdict: Verdict


def by_axis(summary: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Give what a summary says of each axis; all of it for a search along one.

    Args:
        summary: As in ``summary.json``.

    Example:
        >>> list(by_axis({"axis": "width", "score": {}}))
        ['width']
        >>> list(by_axis({"axis": "width,depth", "along": {"width": {}, "depth": {}}}))
        ['width', 'depth']
    """
    return summary["along"] if "along" in summary else {summary["axis"]: summary}
