"""Read the update probes of rules: one population of short runs per scale."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paramsearch.discovery.curves import shaped, train_members, workload_at
from paramsearch.discovery.progress import Watch
from paramsearch.discovery.setting import Setting
from paramsearch.discovery.solver.gauss_newton import Values
from paramsearch.discovery.solver.readings import Readings
from paramsearch.probes.features import Features
from paramsearch.probes.update_share import UpdateShare
from paramsearch.rules.encoding import Encoding
from paramsearch.tracing.tensor import TensorInfo
from paramsearch.train.population import Member

Array = NDArray[np.float64]

_MATRICES = ("input", "hidden", "output")
_END = ", ends of branches"


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


class Prober:
    """Reads update share, feature change and signal of every group.

    Groups are those of the free exponents, and within them tensors that end a residual branch
    apart from the others. Of a group that ends branches, what adds up over the stream counts: the
    sum of its outputs over all blocks in series.

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
        self._roles: dict[str, str] = {}

    def read(self, values: Sequence[Values], how: Probing) -> Readings:
        """Train rules at every scale and seed, with the probes on.

        Args:
            values: The rules, each by its exponents.
            how: Scales, learning rate and seeds.

        Returns:
            The readings of all rules.
        """
        rules = [self._encoding.rule_at(value, "trial") for value in values]
        members = [Member(rule, how.lr, s) for rule in range(len(rules)) for s in how.seeds]
        found: list[dict[str, Array]] = []
        for ratio in how.ratios:
            probes = [UpdateShare(self._label), Features(self._label, _ends_branch)]
            place = workload_at(self._setting, self._setting.base_scale * ratio)
            outcome = train_members(self._setting, place, rules, members, self._watch, probes)
            shape = (len(rules), len(how.seeds))
            found.append({name: shaped(v, *shape) for name, v in outcome.probes.items()})
        names = tuple(sorted(name for name in found[0] if self._counts(name)))
        values_of = np.stack([np.stack([f[name] for name in names], axis=1) for f in found], axis=2)
        positive = np.isfinite(values_of) & (values_of > 0)
        logs = np.where(positive, np.log2(np.where(positive, values_of, 1.0)), np.nan)
        one_sided = np.array([self._may_fall(name) for name in names])
        return Readings(names, one_sided, np.asarray(how.ratios, dtype=float), logs)

    def _label(self, tensor: TensorInfo) -> str:
        """Name the group of a tensor, at any scale."""
        if tensor.name not in self._labels:
            place = next(
                place
                for place in self._encoding.places
                if any(match.matches(tensor) for match in place.matches)
            )
            ends = _ends_branch(tensor) and tensor.role != "vector"
            self._labels[tensor.name] = label = place.group + _END * ends
            self._roles[label] = place.tensors[0].role
        return self._labels[tensor.name]

    def _counts(self, name: str) -> bool:
        """Say whether a quantity should keep its size under a good rule.

        Biases and gains share the output of their layer's weight, which is counted there. Tensors
        that do not grow are not the rule's to scale.
        """
        probe, label = name.split("/", 1)
        role = self._roles[label]
        return role in _MATRICES or (role == "vector" and probe == "update_share")

    def _may_fall(self, name: str) -> bool:
        """Say whether a quantity only must not grow.

        These are what the readout says at initialization, which falls under muP, and what residual
        branches add to the stream there, which falls under CompleteP.
        """
        probe, label = name.split("/", 1)
        return probe == "signal" and (self._roles[label] == "output" or label.endswith(_END))


def _ends_branch(tensor: TensorInfo) -> bool:
    return any(fold.kind == "branch" for fold in tensor.sites)
