"""Layout of a graph in layers: a spine from top to bottom, residual branches to its right."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

Point = tuple[float, float]
Edge = tuple[int, int]

GAP = 0.28
"""Free room between neighbours of a layer, in inches."""

_LANE = 0.12  # width of an edge that passes through a layer


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is, in inches; y grows downwards.

    Attributes:
        at: Node -> its middle.
        lanes: Long edge -> the points that it passes through.
    """

    at: Mapping[int, Point]
    lanes: Mapping[Edge, tuple[Point, ...]]


@dataclass(frozen=True, slots=True)
class _Slot:
    """A node in its layer, or the lane of a long edge."""

    key: int | Edge
    width: float
    desired: float


def layered(
    widths: Mapping[int, float], edges: Sequence[Edge], spine: Collection[int], step: float
) -> Layout:
    """Lay out a graph.

    A node of a branch stands one layer below the last of its predecessors, one of the spine one
    layer above the first of its successors; each as near to below its predecessors as its
    neighbours let it.

    Args:
        widths: Node -> its width; nodes are numbered so that edges lead to higher numbers.
        edges: The edges.
        spine: Nodes of the spine; the others stand to its right.
        step: Height of a layer.

    Returns:
        The layout; the spine is around x = 0.

    Example:
        >>> layout = layered({0: 1, 1: 1, 2: 1}, [(0, 1), (1, 2), (0, 2)], [0, 2], step=1)
        >>> layout.at[0], layout.at[2], layout.at[1][0] > 1
        ((0.0, 0), (0.0, 2), True)
    """
    layer = _layers(list(widths), edges, spine)
    rows: list[list[int]] = [[] for _ in range(1 + max(layer.values()))]
    for node, row in layer.items():
        rows[row].append(node)
    beside = max((widths[node] for node in spine), default=0.0) / 2 + 2 * GAP
    room = max((_room([widths[n] for n in row if n not in spine]) for row in rows), default=0.0)
    middle = beside + room / 2
    x: dict[int, float] = {}
    lanes: dict[Edge, list[Point]] = {}
    for number, row in enumerate(rows):
        for side in (True, False):
            here = [
                _Slot(node, widths[node], _desired(node, edges, x, spine, 0.0 if side else middle))
                for node in row
                if (node in spine) == side
            ]
            x |= {slot.key: at for slot, at in _spread(here) if isinstance(slot.key, int)}
        passing = [
            (a, b)
            for a, b in edges
            if layer[a] < number < layer[b] and not (a in spine and b in spine)
        ]
        taken = [(x[node], widths[node]) for node in row]
        for edge in passing:
            before = lanes.get(edge, [(x[edge[0]], 0.0)])[-1][0]
            at = _free(before if edge[0] not in spine else middle, taken)
            taken.append((at, _LANE))
            lanes.setdefault(edge, []).append((at, number * step))
    at = {node: (x[node], layer[node] * step) for node in widths}
    return Layout(at, {edge: tuple(points) for edge, points in lanes.items()})


def _layers(nodes: Sequence[int], edges: Sequence[Edge], spine: Collection[int]) -> dict[int, int]:
    """Give every node its layer; what stands by the spine goes as far down as it can."""
    first, *rest = sorted(nodes)
    layer: dict[int, int] = {}
    for node in (first, *rest):
        layer[node] = max((layer[a] + 1 for a, b in edges if b == node), default=0)
    for node in reversed(rest):
        below = [layer[b] for a, b in edges if a == node]
        if below and (node in spine or not any(b == node for _, b in edges)):
            layer[node] = min(below) - 1
    return layer


def _desired(
    node: int, edges: Sequence[Edge], x: Mapping[int, float], spine: Collection[int], middle: float
) -> float:
    """Give the mean of the predecessors on the same side, or the middle of the side."""
    side = node in spine
    above = [x[a] for a, b in edges if b == node and (a in spine) == side and a in x]
    return sum(above) / len(above) if above else middle


def _room(widths: Sequence[float]) -> float:
    return sum(widths) + GAP * max(len(widths) - 1, 0)


def _spread(slots: Sequence[_Slot]) -> list[tuple[_Slot, float]]:
    """Place neighbours side by side, around the mean of where they want to be."""
    if not slots:
        return []
    order = sorted(slots, key=lambda slot: slot.desired)
    left = sum(slot.desired for slot in slots) / len(slots) - _room([s.width for s in order]) / 2
    placed: list[tuple[_Slot, float]] = []
    for slot in order:
        placed.append((slot, left + slot.width / 2))
        left += slot.width + GAP
    return placed


def _free(wanted: float, taken: Sequence[tuple[float, float]]) -> float:
    """Find the place nearest to the wanted one at which nothing stands."""
    ends = [at + sign * (width / 2 + _LANE + 0.06) for at, width in taken for sign in (-1, 1)]
    choices = [
        place
        for place in (wanted, *ends)
        if all(abs(place - at) >= width / 2 + _LANE - 1e-9 for at, width in taken)
    ]
    return min(choices, key=lambda place: abs(place - wanted))
