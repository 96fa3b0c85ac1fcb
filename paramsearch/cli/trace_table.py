"""Show a trace on the terminal: the tensors, their groups, and the graph as lines of text."""

import re
from collections.abc import Iterator

import networkx as nx
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from paramsearch.tracing.tensor import TensorInfo
from paramsearch.tracing.trace import Trace


def render_trace(trace: Trace) -> RenderableType:
    """Lay out a trace for a rich console.

    Args:
        trace: The trace.

    Returns:
        A table of tensors, a table of groups, and the graph of tensors, below each other.

    Example:
        >>> from rich.console import Console
        >>> from paramsearch.tracing.trace import trace
        >>> console = Console(width=100, quiet=True)
        >>> console.print(render_trace(trace("mlp")))
    """
    scale = ", ".join(f"{axis} {size}" for axis, size in trace.scale.items())
    lines = [Text(line, overflow="fold") for line in graph_lines(trace.graph)]
    parts: list[RenderableType] = [
        _tensor_table(trace, f"{trace.arch} on {trace.task} at {scale}"),
        _group_table(trace),
        Text("\ngraph of tensors", style="italic"),
        *lines,
    ]
    if trace.unused:
        parts.append(Text(f"no gradient: {', '.join(trace.unused)}", style="yellow"))
    return Group(*parts)


def _tensor_table(trace: Trace, title: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="bold")
    for header in ("tensor", "shape", "grows", "op", "role", "fan in", "fan out", "group"):
        table.add_column(header, justify="right" if header.startswith("fan") else "left")
    for tensor in trace.tensors:
        table.add_row(
            " = ".join((tensor.name, *tensor.tied)),
            " x ".join(map(str, tensor.shape)) or "1",
            _growing(tensor),
            tensor.op,
            tensor.role,
            str(tensor.fan_in),
            str(tensor.fan_out),
            tensor.group,
        )
    return table


def _group_table(trace: Trace) -> Table:
    table = Table(title="\ngroups", title_justify="left", box=None, header_style="bold")
    for header in ("group", "place", "tensors"):
        table.add_column(header)
    groups = {tensor.name: tensor.group for tensor in trace.tensors}
    for place, tensors in trace.groups("place").items():
        group = next(groups[tensor.name] for tensor in tensors)
        patterns = dict.fromkeys(re.sub(r"\.\d+\.", ".*.", tensor.name) for tensor in tensors)
        count = f" ({len(tensors)})" if len(tensors) > 1 else ""
        table.add_row(group, place, ", ".join(patterns) + count)
    return table


def _growing(tensor: TensorInfo) -> str:
    """Write for each dimension the axes with which it grows: ``width x ·``."""
    cells: list[str] = []
    for dim in range(len(tensor.shape)):
        powers = {axis: powers[dim] for axis, powers in tensor.growth.items() if powers[dim]}
        factors = [axis if p == 1 else f"{axis}^{p:g}" for axis, p in powers.items()]
        cells.append(" ".join(factors) or "·")
    return " x ".join(cells) or "·"


def graph_lines(graph: "nx.DiGraph[str]") -> list[str]:
    """Write the graph of tensors as chains; repetitions of a block are one line with a count.

    Args:
        graph: The graph of a trace.

    Returns:
        One line per chain between merges and forks, the tensors of one module as the module.

    Example:
        >>> from paramsearch.tracing.trace import trace
        >>> graph_lines(trace("mlp", scale={"depth": 3}).graph)
        ['input → input.weight,bias → hidden.0.weight,bias → readout.weight,bias → loss']
    """
    lines: dict[str, list[str]] = {}
    for chain in _chains(graph):
        line = " → ".join(_merged(chain))
        lines.setdefault(re.sub(r"\d+", "#", line), []).append(line)
    return [same[0] + (f"   (x {len(same)})" if len(same) > 1 else "") for same in lines.values()]


def _chains(graph: "nx.DiGraph[str]") -> Iterator[list[str]]:
    """Split the graph at every node that does not have one way in and one way out."""
    for start in graph:
        if _passes(graph, start):
            continue
        for step in graph.successors(start):
            chain = [start, step]
            while _passes(graph, chain[-1]):
                chain += graph.successors(chain[-1])
            yield chain


def _passes(graph: "nx.DiGraph[str]", node: str) -> bool:
    return len(graph.pred[node]) == 1 and len(graph.succ[node]) == 1


def _merged(chain: list[str]) -> list[str]:
    """Join consecutive tensors of one module into ``module.weight,bias``."""
    result = [chain[0]]
    for node in chain[1:]:
        owner, dot, leaf = node.rpartition(".")
        together = dot and result[-1].rpartition(".")[0] == owner
        if together:
            result[-1] += f",{leaf}"
        else:
            result.append(node)
    return result
