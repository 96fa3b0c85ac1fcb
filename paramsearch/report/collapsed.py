"""The graph of tensors as it is drawn: a layer is one node, repeated blocks stand once."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import networkx as nx

from paramsearch.tracing.names import without_numbers
from paramsearch.tracing.trace import Trace

Block = tuple[str, int | None]
"""Path of repeated blocks and the index of one of them; ``("", None)`` outside of blocks."""

Edge = tuple[int, int]

_OUTSIDE: Block = ("", None)


@dataclass(frozen=True, slots=True)
class Frame:
    """What is drawn once and stands for several blocks.

    Attributes:
        name: Path of the blocks, such as ``layers``.
        count: How many there are.
        nodes: The nodes inside.
    """

    name: str
    count: int
    nodes: frozenset[int]


@dataclass(frozen=True, slots=True)
class Sketch:
    """What is drawn; nodes are numbered in the order in which they first run.

    Attributes:
        members: Node -> what it stands for in the traced graph, of the first block alone.
        edges: Edges to a later node.
        back: Edges to an earlier node: weights that are used again, as in a loop over time.
        frames: The repeated blocks.
    """

    members: Mapping[int, tuple[str, ...]]
    edges: tuple[Edge, ...]
    back: tuple[Edge, ...]
    frames: tuple[Frame, ...]


def collapsed(trace: Trace) -> Sketch:
    """Collapse the graph of a trace: layers, repeated blocks, and repeated calls of a block.

    Args:
        trace: The trace.

    Returns:
        What is drawn.

    Example:
        >>> from paramsearch.tracing.trace import trace
        >>> sketch = collapsed(trace("resmlp"))
        >>> [(frame.name, frame.count) for frame in sketch.frames], len(sketch.members)
        ([('blocks', 4)], 9)
    """
    graph, blocks = trace.graph, _blocks(trace)
    keys = _keys(trace, blocks)
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys.values()))}
    node = {name: numbers[key] for name, key in keys.items()}
    stacks: nx.Graph[str] = nx.Graph()
    stacks.add_nodes_from(stack for stack, _ in blocks.values() if stack)
    edges: dict[Edge, None] = {}
    for start, end in graph.edges:
        pair, (before, here), (after, there) = (node[start], node[end]), blocks[start], blocks[end]
        follows = here is not None and there == here + 1 and pair[0] > pair[1]
        if follows:
            stacks.add_edge(before, after)
        if pair[0] != pair[1] and not follows and not (before == after and here != there):
            edges[pair] = None
    kept = _without_ends(list(edges), node["loss"])
    members: dict[int, list[str]] = {}
    for name in graph:
        held = members.setdefault(node[name], [])
        held += [name] if not held or blocks[held[0]] == blocks[name] else []
    drawn = {number for pair in kept for number in pair}
    frames = (_frame(joined, blocks, node, drawn) for joined in nx.connected_components(stacks))
    return Sketch(
        {number: tuple(names) for number, names in members.items() if number in drawn},
        tuple(pair for pair in kept if pair[0] < pair[1]),
        tuple(pair for pair in kept if pair[0] > pair[1]),
        tuple(frames),
    )


def _without_ends(edges: list[Edge], loss: int) -> list[Edge]:
    """Take out merges from which nothing leads on but back, such as those of later rounds."""
    while True:
        ends = {b for _, b in edges} - {a for a, b in edges if a < b} - {loss}
        if not ends:
            return edges
        end = max(ends)
        into = [a for a, b in edges if b == end and a != end]
        onto = [b for a, b in edges if a == end and b != end]
        rest = [pair for pair in edges if end not in pair]
        edges = list(dict.fromkeys([*rest, *((a, b) for a in into for b in onto if a != b)]))


def _frame(
    stacks: set[str], blocks: Mapping[str, Block], node: Mapping[str, int], drawn: set[int]
) -> Frame:
    """Make the frame of blocks that take turns, such as ``norms`` and ``mixers``."""
    inside = {name: index for name, (stack, index) in blocks.items() if stack in stacks}
    name = ", ".join(dict.fromkeys(blocks[name][0].removesuffix(".*") for name in inside))
    count = len(set(inside.values()))
    return Frame(name, count, frozenset(node[name] for name in inside) & drawn)


def _blocks(trace: Trace) -> dict[str, Block]:
    """Find the block of every node; that of a merge is its module's, or that of what it merges."""
    graph = trace.graph
    blocks: dict[str, Block] = {
        name: (where.stack, where.block) for name, where in trace.series.items() if name in graph
    }
    modules: dict[str, Block] = {}
    for name, block in blocks.items():
        if block != _OUTSIDE:
            parts = name.split(".")[: block[0].count(".") + 1]
            modules[".".join(parts)] = block
    for name in graph:
        if name in blocks:
            continue
        path = graph.nodes[name]["module"].split(".")
        prefixes = (".".join(path[:end]) for end in range(len(path), 0, -1))
        found = next((modules[prefix] for prefix in prefixes if prefix in modules), None)
        merged = {blocks[p] for p in _merged(name, graph) if p in blocks}
        blocks[name] = found or (merged.pop() if len(merged) == 1 else _OUTSIDE)
    return blocks


def _keys(trace: Trace, blocks: Mapping[str, Block]) -> dict[str, Hashable]:
    """Give every node a key that is the same for nodes which are drawn as one."""
    graph = trace.graph
    labels = {t.name: label for label, ts in trace.groups("module").items() for t in ts}
    keys: dict[str, Hashable] = {}
    for name in graph:
        layer = [p for p in graph.predecessors(name) if p in keys and _one_layer(p, name, graph)]
        if name in labels:
            keys[name] = keys[layer[0]] if layer else ("tensors", labels[name])
        else:
            data = graph.nodes[name]
            here = blocks[name][0], data["kind"], data["op"], without_numbers(data["module"])
            seen = (
                keys[p] if p in labels and p in keys else graph.nodes[p]["kind"]
                for p in _merged(name, graph)
            )
            keys[name] = (*here, frozenset(seen)) if blocks[name] != _OUTSIDE else name
    return keys


def _merged(name: str, graph: "nx.DiGraph[str]") -> list[str]:
    """List what a merge adds to a stream, or all that it merges where there is none."""
    parents = list(graph.predecessors(name))
    return [p for p in parents if not graph.nodes[p]["stream"]] or parents


def _one_layer(before: str, name: str, graph: "nx.DiGraph[str]") -> bool:
    """Say whether a tensor acts right after another of its module, as a bias does."""
    owner = name.rpartition(".")[0]
    kinds = {graph.nodes[before]["kind"], graph.nodes[name]["kind"]}
    together = owner and before.rpartition(".")[0] == owner
    return bool(together) and kinds == {"parameter"} and len(graph.succ[before]) == 1
