"""Residual branches of a recorded step: where each leaves its stream, ends, and joins it again."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import networkx as nx

from paramsearch.tracing.recording import Node, Recording


@dataclass(frozen=True, slots=True)
class Branch:
    """A residual branch; nodes are given by their index in the recording.

    Attributes:
        start: The node whose output is the stream where the branch leaves it.
        end: The last node of the branch.
        join: The sum of stream and branch.
        inside: All nodes of the branch, the end among them.
    """

    start: int
    end: int
    join: int
    inside: frozenset[int]


def call_graph(nodes: Sequence[Node]) -> "nx.DiGraph[int]":
    """Make the acyclic graph of a recording: one node per call, so a shared tensor has several."""
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(len(nodes)))
    graph.add_edges_from((p, i) for i, node in enumerate(nodes) for p in node.parents)
    return graph


def ancestors(graph: "nx.DiGraph[int]", node: int) -> set[int]:
    """Give all nodes that lead to a node."""
    return nx.ancestors(graph, node)  # pyright: ignore[reportUnknownMemberType]


def residual_branches(recording: Recording) -> tuple[Branch, ...]:
    """Find the residual branches.

    A sum of two activations of one shape, one of which (the stream) is an ancestor of the other
    (the end of the branch), closes a residual branch: everything strictly between the two. Where
    the stream is itself such a sum, the branch may also have left it before: the two branches of
    ``(x + f(x)) + g(x)`` are parallel.

    Args:
        recording: The recorded step.

    Returns:
        The branches, in the order of their sums.
    """
    graph = call_graph(recording.nodes)

    @cache
    def later(node: int) -> frozenset[int]:
        return frozenset(nx.descendants(graph, node))  # pyright: ignore[reportUnknownMemberType]

    found: list[Branch] = []
    before: dict[int, int] = {}  # a sum that carries a stream -> where the stream was before it
    for index, node in enumerate(recording.nodes):
        if not node.same_shape:
            continue
        for stream in node.parents:
            starts = _upstream(stream, before)
            for end in node.parents:
                start = next((s for s in starts if end != stream and end in later(s)), None)
                if start is None:
                    continue
                found.append(
                    Branch(start, end, index, (later(start) & ancestors(graph, end)) | {end})
                )
                before.setdefault(index, start)
    return tuple(found)


def _upstream(stream: int, before: dict[int, int]) -> list[int]:
    """List the nodes that carry a stream, from one of them back to where it starts."""
    nodes = [stream]
    while nodes[-1] in before:
        nodes.append(before[nodes[-1]])
    return nodes


def in_series(recording: Recording, branches: Sequence[Branch]) -> dict[Branch, int]:
    """Count the branches that are in series along a stream.

    Branches b_1, b_2, ... are in series where the sum that closes one leads to the start of the
    next without passing through a branch. Branches inside other branches are counted on their own
    stream, and branches that leave it at one place count once.

    Args:
        recording: The recorded step.
        branches: Its residual branches.

    Returns:
        Branch -> the number of branches in the longest series through it, itself included.
    """
    levels: dict[frozenset[Branch], list[Branch]] = {}
    for branch in branches:
        around = frozenset(other for other in branches if branch.join in other.inside)
        levels.setdefault(around, []).append(branch)
    counts: dict[Branch, int] = {}
    for level in levels.values():
        counts |= _chains(recording.nodes, level)
    return counts


def _chains(nodes: Sequence[Node], branches: Sequence[Branch]) -> dict[Branch, int]:
    """Give branch -> length of the longest chain through it, of branches beside each other."""
    inside = frozenset[int]().union(*(branch.inside for branch in branches))
    spine = [
        () if index in inside else tuple(p for p in node.parents if p not in inside)
        for index, node in enumerate(nodes)
    ]
    before, after = [0] * len(nodes), [0] * len(nodes)
    for index, parents in enumerate(spine):
        closed = [1 + before[b.start] for b in branches if b.join == index]
        before[index] = max([*(before[p] for p in parents), *closed], default=0)
    for index in reversed(range(len(nodes))):
        opened = [1 + after[b.join] for b in branches if b.start == index]
        after[index] = max([after[index], *opened])
        for parent in spine[index]:
            after[parent] = max(after[parent], after[index])
    return {b: before[b.start] + 1 + after[b.join] for b in branches}
