"""Show a trace on the terminal: the tensors and their groups, then the graph as lines of text."""

import re
from collections.abc import Iterator, Sequence

import networkx as nx
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from paramsearch.tracing.names import without_numbers
from paramsearch.tracing.tensor import TensorInfo
from paramsearch.tracing.trace import Trace

_STYLES = {"input": "green", "hidden": "cyan", "output": "magenta", "vector": "yellow"}


def render_trace(trace: Trace, by: str = "role") -> RenderableType:
    """Lay out a trace for a rich console.

    Args:
        trace: The trace.
        by: How finely tensors are grouped: ``role``, ``module`` or ``tensor``.

    Returns:
        A table of tensors and their groups, the graph of tensors, and what could not be decided,
        below each other.

    Example:
        >>> from rich.console import Console
        >>> from paramsearch.tracing.trace import trace
        >>> console = Console(width=100, quiet=True)
        >>> console.print(render_trace(trace("mlp")))
    """
    scale = ", ".join(f"{axis} {size}" for axis, size in trace.scale.items())
    groups = len(trace.groups(by))
    title = Text(f"{trace.arch} on {trace.task}" + (f" at {scale}" if scale else ""), style="bold")
    title.append(f": {len(trace.tensors)} tensors in {groups} groups", style="not bold")
    styles = {tensor.name: _style(tensor) for tensor in trace.tensors}
    parts: list[RenderableType] = [
        title,
        *map(Text, _blocks(trace)),
        "",
        _tensor_table(trace, by),
        "",
    ]
    parts += [Padding(_coloured(line, styles), (0, 0, 0, 1)) for line in graph_lines(trace.graph)]
    if trace.undecided:
        parts.append(Text("\nnot decided", style="bold"))
        parts += [Padding(Text(line), (0, 0, 0, 1)) for line in trace.undecided]
    return Group(*parts)


def _tensor_table(trace: Trace, by: str) -> Table:
    """Tensors under the group whose exponents they share."""
    table = Table(box=None, header_style="bold")
    table.add_column("group, tensor", overflow="ellipsis")
    table.add_column("shape", no_wrap=True)
    table.add_column("grows")
    table.add_column("op", no_wrap=True)
    table.add_column("fan in → out", no_wrap=True)
    modules = {t.name: name for name, ts in trace.groups("module").items() for t in ts}
    for group, tensors in trace.groups(by).items():
        if by != "tensor":
            table.add_row(Text(group, style=f"bold {_style(tensors[0])}"))
        for same in _repeated(tensors, modules):
            tensor = same[0]
            names = " = ".join((_span([t.name for t in same]), *tensor.tied))
            table.add_row(
                Text(names, style=_style(tensor)) if by == "tensor" else f"  {names}",
                _shape(tensor),
                _growing(tensor),
                tensor.op,
                f"{tensor.fan_in} → {tensor.fan_out}",
            )
    return table


def _blocks(trace: Trace) -> list[str]:
    """Say how many blocks there are, and how many residual branches in series."""
    found: dict[tuple[str, int], set[int | None]] = {}
    for where in trace.series.values():
        if where.stack or where.branches:
            found.setdefault((where.stack, where.branches), set()).add(where.block)
    lines: list[str] = []
    for (stack, branches), blocks in found.items():
        of = f"{stack}: {len(blocks)} block{'s' * (len(blocks) > 1)}" if stack else "other tensors"
        lines.append(of + (f", {branches} residual branches in series" if branches else ""))
    return lines


def _shape(tensor: TensorInfo) -> str:
    return " x ".join(map(str, tensor.shape)) or "1"


def _style(tensor: TensorInfo) -> str:
    return _STYLES.get(tensor.role, "dim")


def _repeated(tensors: Sequence[TensorInfo], modules: dict[str, str]) -> list[list[TensorInfo]]:
    """Put together what is alike in repeated blocks: name but for numbers, shape and module."""
    alike: dict[object, list[TensorInfo]] = {}
    for tensor in tensors:
        key = (without_numbers(tensor.name), tensor.shape, modules[tensor.name])
        alike.setdefault(key, []).append(tensor)
    return list(alike.values())


def _span(names: Sequence[str]) -> str:
    """Write names that differ in one number as one: ``blocks.0-3.up.weight``.

    Example:
        >>> _span(["blocks.0.up", "blocks.1.up", "blocks.2.up"])
        'blocks.0-2.up'
    """
    rows = [re.split(r"(\d+)", name) for name in names]
    changing = [k for k, parts in enumerate(zip(*rows, strict=True)) if len(set(parts)) > 1]
    first, last = rows[0], rows[-1]
    for k in changing:
        first[k] = f"{first[k]}-{last[k]}"
    return "".join(first)


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

    A line that begins with ``→`` goes on from where the last one ended, and one that begins with
    ``+`` is a residual branch: it leaves there and is added to what it left.

    Args:
        graph: The graph of a trace.

    Returns:
        One line per chain between merges and forks, the tensors of one module as the module.

    Example:
        >>> from paramsearch.tracing.trace import trace
        >>> graph_lines(trace("mlp", scale={"depth": 3}).graph)
        ['input → input.weight,bias → hidden.0.weight,bias → readout.weight,bias → loss']
        >>> for line in graph_lines(trace("resmlp").graph):
        ...     print(line[:40])
        input → input.weight,bias
        + blocks.0.norm.weight,bias → blocks.0.u
        → norm.weight,bias → readout.weight,bias
    """
    chains = list(_chains(graph))
    skips = {(chain[0], chain[-1]) for chain in chains if len(chain) == 2}
    branches = {(c[0], c[-1]) for c in chains if len(c) > 2 and c[-1].startswith("add:")} & skips
    lines: dict[str, list[str]] = {}
    end = ""
    for chain in chains:
        ends = (chain[0], chain[-1])
        if ends in branches and len(chain) == 2:
            continue
        if chain[0] != end:
            line = " → ".join(_merged(chain))
        elif ends in branches:
            line = "+ " + " → ".join(_merged(chain[1:-1]))
        else:
            line = "→ " + " → ".join(_merged(chain[1:]))
        end = chain[-1]
        lines.setdefault(re.sub(r"\d+", "#", line), []).append(line)
    return [same[0] + (f"   (x {len(same)})" if len(same) > 1 else "") for same in lines.values()]


def _coloured(line: str, styles: dict[str, str]) -> Text:
    text = Text(line, overflow="fold")
    for name, style in styles.items():
        text.highlight_regex(rf"(?<![\w.]){re.escape(name)}(?![\w.])\S*", style)
    text.highlight_regex(r"(^[+→] |\(x \d+\)$)", "bold")
    return text


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
