"""Quantities: labels tell the role, and what counts and may fall is one table for all."""

import numpy as np
import pytest

from paramsearch.probes.quantities import counted_slopes, ends_branch, label_of, role_of
from paramsearch.tracing.trace import GRANULARITIES, trace

PROBES = ("update_share", "feature_change", "signal", "first_share")
BOTH, GROWTH, NEITHER = (-0.5, 0.5), (0.0, 0.5), None
END = ", ends of branches"
# label: what counts of slopes (-0.5, 0.5) of update share, feature change and signal
COUNTS = {
    "input": (BOTH, BOTH, BOTH),
    "hidden": (BOTH, BOTH, BOTH),
    "hidden.linear.residual": (BOTH, BOTH, BOTH),
    "hidden" + END: (BOTH, BOTH, GROWTH),
    "hidden.mlp.down" + END: (BOTH, BOTH, GROWTH),
    "output": (BOTH, BOTH, GROWTH),
    "output.readout": (BOTH, BOTH, GROWTH),
    "vector.norm": (BOTH, NEITHER, NEITHER),
    "scalar": (NEITHER, NEITHER, NEITHER),
    "unused": (NEITHER, NEITHER, NEITHER),
    "logits": (BOTH, BOTH, GROWTH),
}


@pytest.mark.parametrize("label", COUNTS)
def test_what_counts_of_a_slope(label):
    slopes = {f"{probe}/{label}": np.array(BOTH) for probe in PROBES}
    found = counted_slopes(slopes)
    for probe, expected in zip(PROBES, (*COUNTS[label], NEITHER), strict=True):
        value = found.get(f"{probe}/{label}")
        assert expected == (None if value is None else tuple(value))


SHARES = [  # slopes of the share of the first step and of the mean over the run; what counts
    (0.1, -0.4, 0.1),  # it falls as training goes on
    (-1.0, 0.0, 0.0),  # the first step is that of a readout which starts at 0
    (1.0, 0.1, 1.0),
    (-0.5, -0.3, -0.3),
    (-4.0, 0.2, 0.2),  # it is not positive
    (0.1, -4.0, -4.0),  # the updates do harm, or vanish
]


@pytest.mark.parametrize("label", ["input", "hidden" + END, "output", "vector.norm"])
@pytest.mark.parametrize(("first", "mean", "counted"), SHARES)
def test_of_an_update_share_the_steeper_slope_counts(label, first, mean, counted):
    slopes = {f"first_share/{label}": np.array([first]), f"update_share/{label}": np.array([mean])}
    assert {name: value.item() for name, value in counted_slopes(slopes).items()} == {
        f"update_share/{label}": counted
    }


@pytest.mark.parametrize("by", GRANULARITIES)
@pytest.mark.parametrize("arch", ["mlp", "resmlp", "gpt", "convnet"])
def test_a_label_tells_the_role_and_its_group(arch, by):
    traced, seen = trace(arch), {}
    plain = {tensor.name: tensor for tensor in traced.tensors}
    for group, tensors in traced.groups(by).items():
        for tensor in tensors:
            label = label_of(plain[tensor.name], group)
            assert role_of(f"signal/{label}") == tensor.role
            ends = ends_branch(tensor) and tensor.role != "vector"
            assert seen.setdefault(label, (group, ends)) == (group, ends)
