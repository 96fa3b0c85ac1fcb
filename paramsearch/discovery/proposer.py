"""Which candidates to try next: nevergrad's ask and tell, by generations, reproducible from a seed.

A run is resumed by building the same proposer again and telling it the stored scores, so nothing
of nevergrad's state is ever written to disk.
"""

import difflib
import random
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from paramsearch.discovery.encoding import Choices, Point
from paramsearch.errors import ParamsearchError

# Continue identically when re-told, take generations in parallel, and did well on stand-ins of
# this problem; every other name of nevergrad's registry is accepted too.
SAMPLERS = (
    "LargeDiagCMA",
    "DiscreteLenglerOnePlusOne",
    "DiagonalCMA",
    "CMA",
    "RandomSearch",
    "SmoothLognormalDiscreteOnePlusOne",
    "SplitCMA",
    "TBPSA",
    "TwoPointsDE",
)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How candidates are proposed.

    Attributes:
        sampler: A name of nevergrad's registry of optimizers.
        seed: Of every draw of the sampler.
        generation: Candidates asked at a time.
        budget: Candidates asked in all; some samplers plan with it.
    """

    sampler: str = "LargeDiagCMA"
    seed: int = 0
    generation: int = 16
    budget: int = 96


class Proposer:
    """Proposes grid points; the same scores told give the same points asked."""

    def __init__(self, counts: Sequence[int], start: Point, sampling: Sampling):
        """Make the sampler, its distribution centred on the start.

        Args:
            counts: Grid sizes of the free exponents.
            start: Where the search begins; the first point asked.
            sampling: Sampler, seed and sizes.

        Raises:
            ParamsearchError: Nothing is free, or the sampler does not exist or cannot propose
                several candidates at a time.

        Example:
            >>> proposer = Proposer((5, 9), (2, 4), Sampling("RandomSearch", generation=2))
            >>> proposer.ask(2)[0]
            (2, 4)
            >>> proposer.tell([0.3, 0.2])
        """
        if not counts or max(counts) < 2:
            raise ParamsearchError(
                "the space leaves no exponent free, so there is nothing to search"
            )
        self._choices = Choices(tuple(counts))
        self._streams = _Streams(sampling.seed)
        with self._streams.in_place():
            self._sampler = _make(self._choices, start, sampling)
        self._asked: list[Any] = []
        self._first = [start]

    def enqueue(self, points: Sequence[Point]) -> None:
        """Ask these points next, in this order, right after the start; before the first ``ask``."""
        self._first += [tuple(point) for point in points if tuple(point) not in self._first]

    def ask(self, count: int) -> list[Point]:
        """Give the next candidates; every one is told before the next call.

        Args:
            count: How many.
        """
        assert not self._asked, "the last generation was not told"
        # suggestions are a stack: the last one suggested is the first one asked
        for point in reversed(self._first[:count]):
            self._sampler.suggest(_padded(self._choices.choices(point)))
        self._first = self._first[count:]
        with self._streams.in_place():
            self._asked = [self._sampler.ask() for _ in range(count)]
        return [self._choices.point(candidate.value) for candidate in self._asked]

    def tell(self, scores: Sequence[float]) -> None:
        """Tell the scores of the candidates last asked.

        Args:
            scores: One finite number per candidate, lower is better.
        """
        with self._streams.in_place():
            for candidate, score in zip(self._asked, scores, strict=True):
                self._sampler.tell(candidate, score)
        self._asked = []


class _Streams:
    """The global random streams of numpy and Python, from which some samplers draw.

    They are put in place while the sampler works and taken out again, so that what else draws
    from them neither disturbs the sampler nor notices it.
    """

    def __init__(self, seed: int):
        import numpy

        self._state: Any = (
            numpy.random.RandomState(seed).get_state(),
            random.Random(seed).getstate(),
        )

    @contextmanager
    def in_place(self) -> Generator[None, None, None]:
        import numpy

        outside: Any = (numpy.random.get_state(), random.getstate())
        numpy.random.set_state(self._state[0])
        random.setstate(self._state[1])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of a sampler's own arithmetic; nobody can act
                yield
        finally:
            self._state = (numpy.random.get_state(), random.getstate())
            numpy.random.set_state(outside[0])
            random.setstate(outside[1])


def _padded(choices: Point) -> Point:
    # One dimension makes nevergrad's CMA ask for a package that we do not have; a second variable
    # is added and ignored.
    return choices if len(choices) > 1 else (*choices, 0)


def _make(choices: Choices, start: Point, sampling: Sampling) -> Any:
    # slow to import, and untyped
    import nevergrad
    import numpy

    ng = cast(Any, nevergrad)
    registry = ng.optimizers.registry
    if sampling.sampler not in registry:
        known = {name.lower(): name for name in registry}
        near = difflib.get_close_matches(sampling.sampler.lower(), known, n=1, cutoff=0.5)
        hint = f"; did you mean '{known[near[0]]}'?" if near else ""
        raise ParamsearchError(
            f"unknown sampler '{sampling.sampler}'{hint} (well tried: {', '.join(SAMPLERS)})"
        )
    make = registry[sampling.sampler]
    if getattr(make, "no_parallelization", False) or getattr(make, "recast", False):
        raise ParamsearchError(
            f"sampler '{sampling.sampler}' cannot propose several candidates at a time; "
            f"use one of {', '.join(SAMPLERS)}"
        )
    first = _padded(choices.choices(start))
    space = ng.p.TransitionChoice(range(choices.size), repetitions=len(first))
    space.value = first
    space.random_state = numpy.random.RandomState(sampling.seed)
    try:
        return make(space, budget=sampling.budget, num_workers=sampling.generation)
    except (ImportError, ValueError, TypeError, AssertionError) as error:
        raise ParamsearchError(f"sampler '{sampling.sampler}' cannot be used: {error}") from error
