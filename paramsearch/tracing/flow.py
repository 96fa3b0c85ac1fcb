"""The graph of tensors: parameters and merges, and which parameters sit in residual branches."""

from typing import Any

import networkx as nx

from paramsearch.tracing.branches import ancestors, call_graph, residual_branches
from paramsearch.tracing.recording import Recording

_FIELDS = ("kind", "op", "module", "source")


def branches(recording: Recording) -> tuple[frozenset[int], frozenset[int]]:
    """Find the nodes of residual streams and branches.

    Args:
        recording: The recorded step.

    Returns:
        Indices of nodes inside branches, and of nodes that carry a stream (both ends of a branch).
    """
    found = residual_branches(recording)
    inside = frozenset[int]().union(*(branch.inside for branch in found))
    return inside, frozenset(node for branch in found for node in (branch.start, branch.join))


def residual_names(recording: Recording) -> frozenset[str]:
    """List the parameters that sit in a residual branch, at any of their calls."""
    inside, _ = branches(recording)
    return frozenset(recording.nodes[i].name for i in inside) - {""}


def tensor_graph(recording: Recording) -> "nx.DiGraph[str]":
    """Make the graph shown to users: a parameter is one node, however often it is called.

    Args:
        recording: The recorded step.

    Returns:
        A directed graph (cyclic if tensors are shared between calls) whose nodes are parameter
        names, ``add:1``, ``mul:1``, ..., ``input`` and ``loss``, with attributes ``kind``, ``op``,
        ``module``, ``source`` (file:line) and ``stream`` (whether it carries a residual stream).
    """
    inside, streams = branches(recording)
    useful = _leading_to_loss(recording)
    graph: nx.DiGraph[str] = nx.DiGraph()
    labels: dict[int, str] = {}
    counts = {"add": 0, "mul": 0}
    for index, node in enumerate(recording.nodes):
        if index not in useful:
            continue
        if node.kind in counts:
            counts[node.kind] += 1
        label = f"{node.kind}:{counts[node.kind]}" if node.kind in counts else node.name
        labels[index] = label = label or node.kind
        if label not in graph:
            fields: dict[str, Any] = {field: getattr(node, field) for field in _FIELDS}
            graph.add_node(label, **fields, stream=False, branch=False)
        graph.nodes[label]["stream"] |= index in streams
        graph.nodes[label]["branch"] |= index in inside
        graph.add_edges_from((labels[p], label) for p in node.parents)
    return graph


def _leading_to_loss(recording: Recording) -> set[int]:
    """List the nodes on which the loss depends, and the input."""
    graph = call_graph(recording.nodes)
    last = len(recording.nodes) - 1
    return {0, last} | ancestors(graph, last)
