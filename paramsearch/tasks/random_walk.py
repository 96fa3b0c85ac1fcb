"""Task ``random_walk``: predict the next node of a walk on a random graph.

After Barkeshli, Alfarano & Gromov 2026 (arXiv 2601.10684): data without any power law in it, whose
irreducible loss is known exactly.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import Any, cast

import networkx as nx
import numpy as np
import torch
from torch import Tensor

from paramsearch.errors import ParamsearchError, unknown_name
from paramsearch.tasks.arrays import tensor
from paramsearch.tasks.chain import Chain, make_chain
from paramsearch.tasks.sequences import BATCH, CONTEXT, EVALUATION, Sequences
from paramsearch.tasks.streams import generator
from paramsearch.tasks.walks import walks

EDGES_PER_NODE = 5
_TRIES, _EXTRA = 24, 8  # numbers of nodes, and of edges, to hit the size of a component


def _erdos_renyi(nodes: int, edges: int, seed: int) -> "nx.Graph[int]":
    return cast(Any, nx).gnm_random_graph(nodes, edges, seed=seed)


def _barabasi_albert(nodes: int, edges: int, seed: int) -> "nx.Graph[int]":
    return cast(Any, nx).barabasi_albert_graph(nodes, max(1, round(edges / nodes)), seed=seed)


GRAPHS: dict[str, Callable[[int, int, int], "nx.Graph[int]"]] = {
    "er": _erdos_renyi,
    "ba": _barabasi_albert,
}


def random_walk(
    device: str | torch.device = "cpu",
    seed: int = 0,
    *,
    graph: str = "er",
    nodes: int = 1000,
    edges: int | None = None,
    kappa: float = 0.0,
    context: int = CONTEXT,
    batch: int = BATCH,
) -> Sequences:
    """Predict the next node of a walk on a random graph whose entropy rate is known exactly.

    The nodes of the graph's giant component are the tokens. The neighbours of every node are put
    in a random order r = 1, 2, ... and the walk moves with ``P(r) ~ r ** -kappa``: 0 is the
    unbiased walk, 1 Zipf's law. Graph and order are fixed by the options; the seed chooses walks.

    Args:
        device: Where walks are made.
        seed: Chooses the training walks.
        graph: ``er`` (Erdos-Renyi, a given number of edges) or ``ba`` (Barabasi-Albert, where
            every new node brings edges / nodes edges).
        nodes: Nodes before the giant component is taken.
        edges: Undirected edges; by default five per node.
        kappa: Bias of the walk.
        context: Nodes that enter the model.
        batch: Walks in a batch.

    Returns:
        The task; the loss floor is the entropy rate.

    Raises:
        ParamsearchError: No such graph.

    Example:
        >>> task = random_walk(nodes=50, context=8)
        >>> tuple(task.batch(0)[0].shape), 1.5 < task.loss_floor < 2.5
        ((16, 8), True)
    """
    chain = walk_chain(graph, nodes, EDGES_PER_NODE * nodes if edges is None else edges, kappa)
    sample = walks(chain, context + 1, device)
    held_out = sample(EVALUATION, generator("random_walk", "evaluation"))
    density = EDGES_PER_NODE if edges is None else edges / nodes

    def resized(vocabulary: int) -> Sequences:
        enough, links = graph_for(vocabulary, graph, density)
        return random_walk(
            device,
            seed,
            graph=graph,
            nodes=enough,
            edges=links,
            kappa=kappa,
            context=context,
            batch=batch,
        )

    return Sequences(
        "random_walk",
        seed,
        sample,
        held_out,
        chain.states,
        batch=batch,
        loss_floor=chain.entropy_rate(),
        resized=resized,
    )


def walk_chain(graph: str, nodes: int, edges: int, kappa: float) -> Chain:
    """Make the chain of the walk on the giant component of a random graph.

    Args:
        graph: ``"er"`` or ``"ba"``.
        nodes: Nodes of the graph, at least 2.
        edges: Undirected edges.
        kappa: Bias of the walk.

    Returns:
        The chain; its states are the nodes of the giant component, renumbered from 0.

    Raises:
        ParamsearchError: No such graph, or it cannot have so many edges, or has none.

    Example:
        >>> walk_chain("ba", nodes=100, edges=200, kappa=1.0).states
        100
    """
    if graph not in GRAPHS:
        raise unknown_name("graph", graph, GRAPHS)
    most = nodes * (nodes - 1) // 2 if graph == "er" else nodes * (nodes - 1)
    if not 1 <= edges <= most:
        raise ParamsearchError(
            f"task 'random_walk': received edges={edges} for nodes={nodes} of graph '{graph}'; "
            f"allowed: 1 to {most}"
        )
    key = f"random_walk/{graph}/{nodes}/{edges}".encode()
    seed = int.from_bytes(blake2b(key, digest_size=4).digest(), "little")
    made = GRAPHS[graph](nodes, edges, seed)
    kept = np.array(sorted(max(nx.connected_components(made), key=len)))
    pairs = np.array(made.edges, dtype=np.int64)
    pairs = pairs[np.isin(pairs[:, 0], kept)]  # an edge lies in one component
    pairs = np.searchsorted(kept, pairs)
    source, target = tensor(np.concatenate([pairs, pairs[:, ::-1]]).T.copy())
    return _biased(source, target, kappa, np.random.default_rng(seed))


def graph_for(vocabulary: int, graph: str, density: float) -> tuple[int, int]:
    """Find a graph whose giant component has a given size.

    Args:
        vocabulary: Nodes of the giant component.
        graph: ``"er"`` or ``"ba"``.
        density: Edges per node; a sparse graph may get a few edges more.

    Returns:
        Nodes and edges of the graph.

    Raises:
        ParamsearchError: None was found near that size, or the graph cannot have so many edges.

    Example:
        >>> graph_for(64, "ba", 5)
        (64, 320)
    """
    for extra in range(_EXTRA):
        nodes, tried = vocabulary, set[int]()
        while len(tried) < _TRIES:
            edges = round(density * nodes) + extra
            lacking = vocabulary - walk_chain(graph, nodes, edges, 0.0).states
            if not lacking:
                return nodes, edges
            tried.add(nodes)
            nodes = max(nodes + lacking, vocabulary)
            while nodes in tried:  # sizes scatter, so that one may lead back to another
                nodes += 1
    raise ParamsearchError(
        f"task 'random_walk': no graph '{graph}' with {density:g} edges per node and a giant "
        f"component of {vocabulary} nodes was found; allowed: more edges, or another vocabulary"
    )


def _biased(source: Tensor, target: Tensor, kappa: float, rng: np.random.Generator) -> Chain:
    """Order every node's neighbours at random and weigh the one of rank r by ``r ** -kappa``."""
    order = tensor(rng.permutation(len(source)))
    order = order[source[order].argsort(stable=True)]
    source, target = source[order], target[order]
    first = torch.searchsorted(source, source)  # place of each node's first transition
    rank = torch.arange(len(source)) - first + 1
    return make_chain(source, target, rank.double() ** -kappa)
