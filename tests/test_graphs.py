"""The task ``graphs`` keeps the contract of ``Task`` and needs the edges."""

import pytest
import torch
from torch import Tensor

from paramsearch.tasks.graphs import Graphs
from paramsearch.tracing.arch import load_arch
from paramsearch.tracing.run import seeded

TASK = Graphs()


def split(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Edges (graphs, nodes, nodes) and features (graphs, nodes, features)."""
    nodes = TASK.dims["nodes"]
    rows = inputs.unflatten(-1, (nodes, -1))
    return rows[..., :nodes], rows[..., nodes:]


def test_batches_fit_the_dims():
    for count, (inputs, target) in [(64, TASK.batch(0)), (512, TASK.evaluation())]:
        assert inputs.shape == (count, TASK.dims["inputs"])
        assert target.shape == (count, TASK.dims["outputs"])
    assert len(Graphs(batch=5).batch(0)[1]) == 5


def test_a_batch_depends_on_seed_and_step_alone():
    later, again = TASK.batch(5)[0], Graphs().batch(5)[0]
    assert torch.equal(later, again)
    assert not torch.equal(later, TASK.batch(6)[0])
    assert not torch.equal(later, Graphs(seed=1).batch(5)[0])
    assert torch.equal(TASK.evaluation()[1], Graphs(seed=1).evaluation()[1])


def test_graphs_are_simple_and_have_a_quarter_of_all_edges():
    edges, features = split(torch.cat([TASK.batch(step)[0] for step in range(50)]))
    nodes = TASK.dims["nodes"]
    assert torch.equal(edges, edges.mT) and set(edges.unique().tolist()) == {0.0, 1.0}
    assert not edges.diagonal(dim1=-2, dim2=-1).any()
    assert edges.sum() / len(edges) == pytest.approx(nodes * (nodes - 1) / 4, rel=0.02)
    assert features.std() == pytest.approx(1, abs=0.02)


def test_targets_are_standardized():
    target = torch.cat([TASK.batch(step)[1] for step in range(100)])
    torch.testing.assert_close(target.mean(dim=0), torch.zeros(4), rtol=0, atol=0.05)
    torch.testing.assert_close(target.std(dim=0), torch.ones(4), rtol=0, atol=0.05)


def test_targets_do_not_depend_on_the_order_of_the_nodes():
    edges, features = split(TASK.batch(0)[0])
    order = torch.randperm(edges.shape[-1], generator=torch.Generator().manual_seed(0))
    shuffled = TASK.answer(edges[:, order][:, :, order], features[:, order])
    torch.testing.assert_close(shuffled, TASK.batch(0)[1], rtol=0, atol=1e-5)


def test_targets_are_hard_for_a_linear_model():
    inputs, target = TASK.evaluation()
    means = split(inputs)[1].mean(dim=1)
    linear = torch.linalg.lstsq(means, target).solution
    assert TASK.loss(means @ linear, target) > 0.5


def after_training(blind: bool) -> float:
    """Loss of the default architecture after 150 steps, with every edge hidden if blind."""

    def seen(inputs: Tensor) -> Tensor:
        edges, features = split(inputs)
        return torch.cat([edges * (not blind), features], dim=-1).flatten(1)

    with seeded():
        model = load_arch("gnn").model(TASK.dims)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(150):
        inputs, target = TASK.batch(step)
        optimizer.zero_grad()
        TASK.loss(model(seen(inputs)), target).backward()
        optimizer.step()
    inputs, target = TASK.evaluation()
    return TASK.loss(model(seen(inputs)), target).item()


def test_a_graph_network_learns_from_the_edges():
    assert after_training(blind=False) < 0.35 < 0.42 < after_training(blind=True)
