"""Places in the graph of tensors: tensors at one place do the same, in every repeated block."""

from collections.abc import Iterable, Mapping

import networkx as nx

_MATRICES = ("input", "hidden", "output")


def places(groups: Mapping[str, str], graph: "nx.DiGraph[str]") -> dict[str, tuple[str, int]]:
    """Find the place of every tensor in the graph, so that repeated blocks fall together.

    Weisfeiler-Lehman refinement to its fixed point over *sets* of neighbours, inside residual
    branches: a branch sees the stream it leaves and joins, but not what comes before or after
    it, so every repetition of a block looks alike.

    Args:
        groups: Tensor name -> name of its group by role.
        graph: The graph of tensors (see `tensor_graph`).

    Returns:
        Tensor name -> its place: the group by role, of a bias with that of its weight
        (``vector.hidden``), and a number that differs between places of the graph.
    """
    groups = {name: _with_weight(name, groups, graph) for name in groups}
    colour: dict[str, object] = {node: _first_colour(node, groups, graph) for node in graph}
    for name in groups:
        colour.setdefault(name, groups[name])
    while True:
        refined: dict[str, object] = {
            node: (
                colour[node],
                frozenset(_neighbours(node, graph.predecessors(node), colour, graph)),
                frozenset(_neighbours(node, graph.successors(node), colour, graph)),
            )
            for node in graph
        }
        numbers = {value: i for i, value in enumerate(dict.fromkeys(refined.values()))}
        stable = len(numbers) == len({colour[node] for node in graph})
        colour |= {node: ("refined", numbers[value]) for node, value in refined.items()}
        if stable:
            order = list(dict.fromkeys(colour[name] for name in groups))
            return {name: (group, order.index(colour[name])) for name, group in groups.items()}


def _first_colour(node: str, groups: Mapping[str, str], graph: "nx.DiGraph[str]") -> object:
    data = graph.nodes[node]
    shift = any(_same_layer(before, node, graph) for before in graph.predecessors(node))
    return groups.get(node, data["kind"]), data["stream"], shift


def _with_weight(name: str, groups: Mapping[str, str], graph: "nx.DiGraph[str]") -> str:
    """Name the group of a bias after that of its weight, which consumes the same input."""
    before: str | None = name if name in graph else None
    seen: set[str] = set()
    while before and not groups[before].startswith(_MATRICES):
        seen.add(before)  # a tensor used twice can precede itself
        layer = (p for p in graph.predecessors(before) if _same_layer(p, name, graph))
        before = next((p for p in layer if p not in seen), None)
    return f"{groups[name]}.{groups[before]}" if before and before != name else groups[name]


def _same_layer(one: str, other: str, graph: "nx.DiGraph[str]") -> bool:
    """Say whether two neighbours are tensors of one module."""
    kinds = {graph.nodes[node]["kind"] for node in (one, other)}
    owners = {node.rpartition(".")[0] for node in (one, other)}
    return kinds == {"parameter"} and len(owners) == 1


def _neighbours(
    node: str, others: Iterable[str], colour: Mapping[str, object], graph: "nx.DiGraph[str]"
) -> list[object]:
    """List what a node sees: its own branch in colour, a stream as such, nothing beyond."""
    seen: list[object] = []
    for other in others:
        if graph.nodes[other]["stream"]:
            seen.append("stream")
        elif graph.nodes[node]["branch"] and graph.nodes[other]["branch"]:
            seen.append(colour[other])
    return seen
