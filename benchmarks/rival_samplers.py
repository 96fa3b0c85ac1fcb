"""Samplers that the search does not use, for ``benchmarks/samplers.py`` to compare with."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from paramsearch.discovery.encoding import Point


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
