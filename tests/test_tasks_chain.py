"""Markov chains, walks and their entropy rates, against dense linear algebra and counting."""

import numpy as np
import pytest
import torch

from paramsearch.tasks.bigram import bigram_chain
from paramsearch.tasks.catalog import load_task
from paramsearch.tasks.chain import Chain
from paramsearch.tasks.random_walk import walk_chain
from paramsearch.tasks.streams import generator
from paramsearch.tasks.text import standard_library
from paramsearch.tasks.walks import walks

CHAINS = {
    "er": lambda: walk_chain("er", 40, 80, 0.0),
    "er biased": lambda: walk_chain("er", 40, 80, 1.0),
    "er in pieces": lambda: walk_chain("er", 40, 30, 0.5),
    "ba": lambda: walk_chain("ba", 40, 120, 0.0),
    "ba tree, periodic": lambda: walk_chain("ba", 20, 20, 2.0),
    "bigram": lambda: bigram_chain(standard_library(2)[0][:5000]),
}


def dense(chain: Chain) -> np.ndarray:
    """P[i, j], for the states that occur."""
    table = np.zeros((chain.states, chain.states))
    table[chain.source, chain.target] = chain.probability
    kept = np.flatnonzero(table.sum(axis=1))
    return table[np.ix_(kept, kept)]


@pytest.fixture(params=CHAINS, scope="module")
def chain(request) -> Chain:
    return CHAINS[request.param]()


def test_probabilities_sum_to_one(chain):
    np.testing.assert_allclose(dense(chain).sum(axis=1), 1, atol=1e-12)


def test_stationary_distribution_is_the_left_eigenvector(chain):
    values, vectors = np.linalg.eig(dense(chain).T)
    pi = np.real(vectors[:, np.argmin(abs(values - 1))])
    found = chain.stationary[chain.stationary > 0].numpy()
    np.testing.assert_allclose(found, pi / pi.sum(), atol=1e-10)


def test_entropy_rate_is_that_of_the_dense_chain(chain):
    table = dense(chain)
    pi = np.linalg.matrix_power((table + np.eye(len(table))) / 2, 2**20)[0]
    rows = -np.where(table > 0, table * np.log(np.where(table > 0, table, 1)), 0).sum(axis=1)
    assert chain.entropy_rate() == pytest.approx(pi @ rows, abs=1e-9)


def test_walks_use_the_transitions_as_often_as_they_should(chain):
    paths = walks(chain, 9)(20_000, generator("walks")).numpy()
    counts = np.zeros((chain.states, chain.states))
    np.add.at(counts, (paths[:, :-1].ravel(), paths[:, 1:].ravel()), 1)
    expected = np.zeros_like(counts)
    flow = chain.stationary[chain.source] * chain.probability
    expected[chain.source, chain.target] = flow.numpy() * counts.sum()
    assert (counts[expected == 0] == 0).all(), "no impossible step"
    # Steps of one walk are correlated, hence ten standard deviations of a Poisson count.
    assert (abs(counts - expected) <= 10 * np.sqrt(expected + 1)).all()


def test_every_position_is_stationary(chain):
    paths = walks(chain, 6)(20_000, generator("positions"))
    for column in paths.T:
        found = torch.bincount(column, minlength=chain.states) / len(paths)
        assert (found - chain.stationary).abs().max() < 0.02


def test_unbiased_walks_follow_the_degrees():
    chain = walk_chain("er", 100, 500, 0.0)
    degrees = torch.bincount(chain.source)
    torch.testing.assert_close(chain.stationary, degrees / degrees.sum().double())
    mean_log = (degrees * degrees.double().log()).sum() / degrees.sum()
    assert chain.entropy_rate() == pytest.approx(mean_log.item(), rel=1e-12)


def test_bias_is_a_power_of_a_random_rank():
    chain = walk_chain("ba", 30, 60, 2.0)
    for state in range(chain.states):
        mine = chain.probability[chain.source == state].sort(descending=True).values
        ranks = torch.arange(1, len(mine) + 1, dtype=torch.float64)
        torch.testing.assert_close(mine / mine[0], ranks**-2.0)


def test_bias_lowers_the_entropy_rate():
    rates = [walk_chain("er", 200, 1000, kappa).entropy_rate() for kappa in (0.0, 0.5, 1.0, 2.0)]
    assert rates == sorted(rates, reverse=True) and rates[-1] < 0.6 * rates[0]


def test_the_graph_is_the_same_for_every_seed():
    a, b = load_task("random_walk:nodes=50", seed=0), load_task("random_walk:nodes=50", seed=1)
    assert a.loss_floor == b.loss_floor


def test_bigram_has_the_frequencies_of_the_text():
    text = standard_library(2)[0]
    chain = bigram_chain(text)
    found = torch.bincount(text.long(), minlength=chain.states) / len(text)
    torch.testing.assert_close(chain.stationary, found.double(), atol=1e-6, rtol=0)


def test_the_true_probabilities_reach_the_loss_floor():
    task, chain = load_task("random_walk:nodes=50,batch=500"), walk_chain("er", 50, 250, 0.0)
    table = torch.zeros(chain.states, chain.states, dtype=torch.float64)
    table[chain.source, chain.target] = chain.probability
    inputs, target = task.batch(0)
    assert task.loss(table.log()[inputs], target).item() == pytest.approx(task.loss_floor, abs=0.02)
