"""Read the update probes of rules: one population of short runs per scale."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from paramsearch.discovery.curves import shaped, train_members, workload_at
from paramsearch.discovery.progress import Watch
from paramsearch.discovery.setting import Setting
from paramsearch.discovery.solver.gauss_newton import Values
from paramsearch.discovery.solver.readings import Readings
from paramsearch.probes.quantities import counts, label_of, may_fall, update_probes
from paramsearch.rules.encoding import Encoding
from paramsearch.rules.rule import Rule
from paramsearch.tracing.tensor import TensorInfo
from paramsearch.train.population import Member

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Probing:
    """How probes are taken.

    Attributes:
        ratios: Scales relative to the base, the base included.
        lr: Learning rate at the base.
        seeds: Seeds of the initial parameters.
    """

    ratios: tuple[int, ...]
    lr: float
    seeds: tuple[int, ...]

    @property
    def nearest(self) -> "Probing":
        """The two smallest scales, half of the seeds and a quarter of the learning rate.

        That is cheap, and there the slopes of a bad rule go most nearly as its exponents.
        """
        half = (len(self.seeds) + 1) // 2
        return Probing(self.ratios[:2], self.lr / 4, self.seeds[:half])


class Prober:
    """Reads the quantities that should keep their size, of the groups of the free exponents.

    Args:
        setting: Model, task, axis, optimizer, number of steps and engine.
        encoding: The free exponents.
        watch: Told about progress.
    """

    def __init__(self, setting: Setting, encoding: Encoding, watch: Watch) -> None:
        self._setting = setting
        self._encoding = encoding
        self._watch = watch
        self._labels: dict[str, str] = {}
        self._at_base: dict[Probing, dict[str, Array]] = {}

    def read(self, values: Sequence[Values], how: Probing) -> Readings:
        """Train rules at every scale and seed, with the probes on.

        Args:
            values: The rules, each by its exponents.
            how: Scales, learning rate and seeds.

        Returns:
            The readings of all rules.
        """
        rules = [self._encoding.rule_at(value, "trial") for value in values]
        found = [self._at(ratio, rules, how) for ratio in how.ratios]
        names = tuple(sorted(name for name in found[0] if counts(name)))
        values_of = np.stack([np.stack([f[name] for name in names], axis=1) for f in found], axis=2)
        positive = np.isfinite(values_of) & (values_of > 0)
        logs = np.where(positive, np.log2(np.where(positive, values_of, 1.0)), np.nan)
        one_sided = np.array([may_fall(name) for name in names])
        return Readings(names, one_sided, np.asarray(how.ratios, dtype=float), logs)

    def _at(self, ratio: int, rules: Sequence[Rule], how: Probing) -> dict[str, Array]:
        """Give every probe at one scale, (rules, seeds); at the base one rule stands for all."""
        if ratio != 1:
            return self._trained(ratio, rules, how)
        alike = replace(how, ratios=(1,))
        if alike not in self._at_base:
            self._at_base[alike] = self._trained(1, rules[:1], how)
        shape = (len(rules), len(how.seeds))
        return {name: np.broadcast_to(v, shape) for name, v in self._at_base[alike].items()}

    def _trained(self, ratio: int, rules: Sequence[Rule], how: Probing) -> dict[str, Array]:
        probes = update_probes(self._label)
        members = [Member(rule, how.lr, s) for rule in range(len(rules)) for s in how.seeds]
        place = workload_at(self._setting, self._setting.base_scale * ratio)
        outcome = train_members(self._setting, place, rules, members, self._watch, probes)
        shape = (len(rules), len(how.seeds))
        return {name: shaped(v, *shape) for name, v in outcome.probes.items()}

    def _label(self, tensor: TensorInfo) -> str:
        """Name the group of a tensor, at any scale."""
        if tensor.name not in self._labels:
            place = next(
                place
                for place in self._encoding.places
                if any(match.matches(tensor) for match in place.matches)
            )
            self._labels[tensor.name] = label_of(tensor, place.group)
        return self._labels[tensor.name]
