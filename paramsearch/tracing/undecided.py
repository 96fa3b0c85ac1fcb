"""What tracing could not decide, said in a sentence each."""

from collections.abc import Iterable, Mapping, Sequence

import networkx as nx

from paramsearch.tracing.groups import UNUSED
from paramsearch.tracing.names import starred, without_numbers
from paramsearch.tracing.recording import MATRIX_OPS
from paramsearch.tracing.tensor import TensorInfo

_SITES = {"branch": "residual branch", "logits": "attention logits", "readout": "tied readout"}
_HALVES = 2  # powers are multiples of 1 / this where a dimension grows as a product of axes


def undecided(
    tensors: Sequence[TensorInfo],
    graph: "nx.DiGraph[str]",
    modules: Mapping[str, str],
    axes: Sequence[str],
) -> tuple[str, ...]:
    """Say what tracing could not decide about a model.

    Args:
        tensors: Its tensors.
        graph: The graph of tensors.
        modules: Tensor name -> name of its group by module.
        axes: The axes along which it was traced.

    Returns:
        A sentence each; none if everything is clear.

    Example:
        >>> from paramsearch.tracing.trace import trace
        >>> trace("mlp").undecided
        ()
    """
    told = _roles(tensors, axes), _uses(tensors, graph), _factors(graph, modules), _sites(tensors)
    return tuple(sentence for sentences in told for sentence in sentences)


def _roles(tensors: Sequence[TensorInfo], axes: Sequence[str]) -> list[str]:
    """Tensors whose role does not follow from growth."""
    if not axes:
        return [
            "no axis is declared, so nothing grows and every role is scalar; name one by --axis"
        ]
    matrices = [t for t in tensors if t.op in (*MATRIX_OPS, "tied") and t.fan_in > 1]
    still = [t.name for t in matrices if t.role == "scalar"]
    found: list[str] = []
    if still:
        more = "; declare an axis of width too, as in --set axis:width=hidden_size"
        found.append(
            f"{_listed(still)}: a matrix of which no dimension grows along {' or '.join(axes)}, so "
            f"its role is scalar{more if len(still) == len(matrices) else ''}"
        )
    for axis in axes:
        odd = {t.name: p for t in tensors for p in t.growth.get(axis, ()) if p * _HALVES % 1}
        if odd:
            found.append(
                f"{_listed(odd)}: a dimension grows as {axis}^{next(iter(odd.values())):g}, which "
                "may be rounding; trace at a larger scale"
            )
    return found


def _uses(tensors: Sequence[TensorInfo], graph: "nx.DiGraph[str]") -> list[str]:
    """Tensors whose work was not seen, or seen in two ways."""
    unused = [t.name for t in tensors if t.op == UNUSED]
    unseen = [t.name for t in tensors if t.op != UNUSED and t.name not in graph]
    tied = [t for t in tensors if t.op == "tied"]
    return [
        *[f"{_listed(unused)}: no gradient was seen, so what it does is not known"] * bool(unused),
        *[
            f"{_listed(unseen)}: no op was seen to use it, so the type of its module decided, or a "
            "tensor like it in another block"
        ]
        * bool(unseen),
        *[
            f"{t.name}: used in two ways, as {' and '.join((t.name, *t.tied))}; its role is that "
            f"of an embedding, {t.role}"
            for t in tied
        ],
    ]


def _factors(graph: "nx.DiGraph[str]", modules: Mapping[str, str]) -> list[str]:
    """Tensors that feed both sides of one product and yet are alike, such as query and key."""
    found: dict[str, list[str]] = {}
    for node in graph:
        if graph.nodes[node]["kind"] != "mul":
            continue
        alike: dict[str, list[str]] = {}
        for factor in graph.predecessors(node):
            if factor in modules:
                alike.setdefault(modules[factor], []).append(factor)
        for group, names in alike.items():
            if len(names) > 1:
                found.setdefault(group, []).extend(names)
    return [
        f"{_listed(names)}: two factors of one product, such as query and key, with names that "
        f"differ in a number alone; group '{group}' by module holds both"
        for group, names in found.items()
    ]


def _sites(tensors: Sequence[TensorInfo]) -> list[str]:
    """Sites whose multiplier no tensor can take."""
    found: dict[tuple[str, str], list[str]] = {}
    for tensor in tensors:
        for fold in tensor.sites:
            if fold.refusal:
                reason = " ".join(map(without_numbers, fold.refusal.split()))
                found.setdefault((fold.kind, reason), []).append(fold.module or "the model")
    return [
        f"{_listed(dict.fromkeys(places))}: no tensor can take the multiplier of its "
        f"{_SITES[kind]}: {reason}"
        for (kind, reason), places in found.items()
    ]


def _listed(names: Iterable[str]) -> str:
    """List names, those of repeated blocks as one.

    Example:
        >>> _listed(["h.0.fc.weight", "h.1.fc.weight", "head.weight"])
        'h.*.fc.weight, head.weight'
    """
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(without_numbers(name), []).append(name)
    return ", ".join(starred(same[0], ()) if len(same) > 1 else same[0] for same in alike.values())
