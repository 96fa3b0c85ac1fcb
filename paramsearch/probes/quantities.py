"""The quantities by which update probes judge a rule: what each is, whether it counts, and how.

A quantity is named ``<probe>/<label>``, and a label says what it is of: the role first, as in
``hidden``, ``vector.norm`` or ``hidden.attention.query``, then whether it is of the tensors that
end residual branches; ``logits`` are those of attention. Under a good rule, a quantity that counts
keeps its size as the model grows:

- ``update_share``, ``feature_change`` and ``signal`` of matrices, and ``update_share`` of vectors.
  Biases and gains share the output of their layer's weight, which is counted there. Tensors that
  do not grow are not the rule's to scale.
- Of tensors that end residual branches, what adds up over the stream: the sum of their outputs over
  all blocks in series. What one of them gives falls with depth, as it should.
- Three may fall, and must not grow: the signal of the readout, which falls under muP; that of the
  ends of branches, which falls under CompleteP; and that of attention logits, which falls with 1/d.
- Of a share of updates, the mean over the run or that of the first step, whichever grows more: it
  may fall as learning goes on, or be small behind a readout that starts at 0, but not grow at all.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from paramsearch.probes.attention import LOGITS, AttentionLogits
from paramsearch.probes.features import Features
from paramsearch.probes.first_share import FirstShare
from paramsearch.probes.labels import Label
from paramsearch.probes.update_share import UpdateShare
from paramsearch.tracing.groups import UNUSED
from paramsearch.tracing.tensor import TensorInfo
from paramsearch.train.probe import Probe

Array = NDArray[np.float64]

WORST_SLOPE = 4.0
"""Where slopes are cut off; what vanishes or is negative at some scale has minus that."""

_MATRICES = ("input", "hidden", "output")
_ENDS = ", ends of branches"


def label_of(tensor: TensorInfo, group: str | None = None) -> str:
    """Give the label of a tensor's quantities.

    Args:
        tensor: The tensor.
        group: Name of its group, where groups are not those by role.

    Example:
        >>> from paramsearch.tracing.tensor import Fold
        >>> kind, folds = ("linear", "hidden", 8, 8, {}, True, "hidden"), (Fold("branch", "h.0"),)
        >>> end = TensorInfo("w", (8, 8), *kind, sites=folds)
        >>> label_of(end), label_of(end, "mlp.down")
        ('hidden, ends of branches', 'hidden.mlp.down, ends of branches')
    """
    if tensor.op == UNUSED:
        return UNUSED
    plain = tensor.group if group in (None, tensor.group) else f"{tensor.role}.{group}"
    return plain + _ENDS * (ends_branch(tensor) and tensor.role != "vector")


def ends_branch(tensor: TensorInfo) -> bool:
    """Say whether a tensor makes what a residual branch adds to its stream."""
    return any(fold.kind == "branch" for fold in tensor.sites)


def role_of(name: str) -> str:
    """Give the role of what a quantity is of.

    Example:
        >>> role_of("signal/hidden, ends of branches"), role_of("update_share/vector.norm")
        ('hidden', 'vector')
    """
    label = name.split("/", 1)[1]
    return label.removesuffix(_ENDS).split(".")[0]


def counts(name: str) -> bool:
    """Say whether a quantity should keep its size under a good rule.

    Example:
        >>> counts("signal/hidden"), counts("signal/vector"), counts("update_share/vector")
        (True, False, True)
    """
    probe, role = name.split("/", 1)[0], role_of(name)
    if probe == "first_share":  # counts with the mean over the run
        return False
    return role in (*_MATRICES, LOGITS) or (probe, role) == ("update_share", "vector")


def may_fall(name: str) -> bool:
    """Say whether a quantity may fall as the model grows, and only must not grow.

    Example:
        >>> may_fall("signal/output"), may_fall("signal/logits"), may_fall("feature_change/logits")
        (True, True, False)
    """
    harmless = role_of(name) in ("output", LOGITS) or name.endswith(_ENDS)
    return name.startswith("signal/") and harmless


def counted_slopes(slopes: Mapping[str, Array]) -> dict[str, Array]:
    """Select what is wrong with the slopes of log quantities against the log ratio.

    Args:
        slopes: Quantity -> slopes of any shape.

    Returns:
        Those that count, all zero under a good rule; of a quantity that may fall, only its growth.

    Example:
        >>> counted_slopes({"signal/output": np.array([-1.0, 0.5]), "signal/scalar": np.ones(2)})
        {'signal/output': array([0. , 0.5])}
    """
    whole = {name: _grown(name, slope, slopes) for name, slope in slopes.items() if counts(name)}
    return {
        name: np.maximum(slope, 0.0) if may_fall(name) else slope for name, slope in whole.items()
    }


def _grown(name: str, slope: Array, slopes: Mapping[str, Array]) -> Array:
    """Give the steeper of a share's slopes, that of the run's mean and that of the first step."""
    probe, label = name.split("/", 1)
    first = slopes.get(f"first_share/{label}")
    if probe != "update_share" or first is None:
        return slope
    return np.where(slope > -WORST_SLOPE, np.maximum(slope, first), slope)


def update_probes(label: Label = label_of, gain: float = 1.0) -> list[Probe]:
    """Give the probes that measure all quantities.

    Args:
        label: Gives the label of a tensor.
        gain: How much larger an update becomes under a gradient that stays; no slope depends on it.
    """
    shares: list[Probe] = [UpdateShare(label), FirstShare(label, gain)]
    return [*shares, Features(label, ends_branch), AttentionLogits()]
