"""Names of groups: by role, or by place in the graph of tensors."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import networkx as nx

UNUSED = "unused"
"""Op and group of a tensor that receives no gradient."""


_MATRICES = ("input", "hidden", "output")


class Kind(NamedTuple):
    """What decides the group of a tensor by role."""

    role: str
    op: str
    residual: bool


def role_groups(kinds: Mapping[str, Kind]) -> dict[str, str]:
    """Name the group of every tensor by its role, and by what else is needed to tell groups apart.

    The name is the role; with the op (``vector.norm``) if tensors with that role have several ops;
    with ``.residual`` for tensors in residual branches if others like them are not.

    Args:
        kinds: Tensor name -> role, op and whether it sits in a residual branch.

    Returns:
        Tensor name -> name of its group.

    Example:
        >>> role_groups({"a": Kind("hidden", "linear", False), "b": Kind("hidden", "conv", False)})
        {'a': 'hidden.linear', 'b': 'hidden.conv'}
    """
    result: dict[str, str] = {}
    for name, kind in kinds.items():
        if kind.op == UNUSED:
            result[name] = UNUSED
            continue
        ops = {k.op for k in kinds.values() if k.role == kind.role} - {UNUSED}
        alike = {k.residual for k in kinds.values() if k[:2] == kind[:2]}
        parts = [kind.role]
        parts += [kind.op] if len(ops) > 1 else []
        parts += ["residual"] if kind.residual and len(alike) > 1 else []
        result[name] = ".".join(parts)
    return result


def place_groups(groups: Mapping[str, str], graph: "nx.DiGraph[str]") -> dict[str, str]:
    """Refine groups by place in the graph, so that repeated blocks fall together.

    Weisfeiler-Lehman refinement to its fixed point over *sets* of neighbours, inside residual
    branches: a branch sees the stream it leaves and joins, but not what comes before or after
    it, so every repetition of a block looks alike.

    Args:
        groups: Tensor name -> name of its group by role.
        graph: The graph of tensors (see `tensor_graph`).

    Returns:
        Tensor name -> name of its group: ``hidden`` where a group stays whole, else ``hidden.1``,
        ``hidden.2``, ... in the order of the tensors; a bias is named after its weight's group as
        well (``vector.hidden``).
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
            return _numbered(groups, colour)


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


def _numbered(groups: Mapping[str, str], colour: Mapping[str, object]) -> dict[str, str]:
    """Turn colours into names."""
    colours: dict[str, list[object]] = {}
    for name, group in groups.items():
        found = colours.setdefault(group, [])
        if colour[name] not in found:
            found.append(colour[name])
    return {name: _name(group, colours[group], colour[name]) for name, group in groups.items()}


def _name(group: str, colours: Sequence[object], colour: object) -> str:
    return group if len(colours) == 1 else f"{group}.{colours.index(colour) + 1}"
