"""What ``test_products.py`` runs: products of many small matrices against dense ones in float64."""

from itertools import product

import pytest
import torch
from test_execution import Execution, Recipe, assert_same, trained, workload

from paramsearch.train import compiled, products

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # where torch builds
SIZES = [
    *product((1, 13, 30), (1, 17, 300), (1, 8, 16, 17, 33, 70)),
    *((25, 512, 32), (128, 257, 96), (64, 64, 10)),
]


def layouts(rows, columns, count):
    """Give random matrices in one piece, transposed, spread out in memory, and shared by all."""
    draw = torch.Generator().manual_seed(rows + 1000 * columns)
    return [
        torch.randn(count, rows, columns, generator=draw),
        torch.randn(count, columns, rows, generator=draw).mT,
        torch.randn(count, 2 * rows, 3 * columns, generator=draw)[:, ::2, 1::3],
        torch.randn(rows, columns, generator=draw).expand(count, rows, columns),
    ]


@pytest.mark.parametrize(("m", "k", "n"), SIZES)
def test_equals_dense_products(m, k, n):
    for left, right in product(layouts(m, k, 3), layouts(k, n, 3)):
        exact = left.double() @ right.double()
        bound = 1e-6 * (left.double().abs() @ right.double().abs())
        assert ((products.bmm(left, right) - exact).abs() <= bound).all()


def test_writes_nothing_beside_the_result():
    left, right = torch.randn(5, 13, 9), torch.randn(5, 9, 21)
    around = torch.full((5, 15, 40), 7.0)
    products.bmm(left, right, out=around[:, 1:14, 3:24])
    torch.testing.assert_close(around[:, 1:14, 3:24], left @ right)
    around[:, 1:14, 3:24] = 7.0
    assert (around == 7).all()


def test_nothing_to_sum():
    out = torch.full((2, 3, 4), torch.nan)
    assert (products.bmm(torch.ones(2, 3, 0), torch.ones(2, 0, 4), out=out) == 0).all()
    assert products.bmm(torch.ones(0, 3, 2), torch.ones(0, 2, 4)).shape == (0, 3, 4)
    assert products.bmm(torch.ones(2, 0, 2), torch.ones(2, 2, 4)).shape == (2, 0, 4)


def test_what_is_not_a_number_stays_where_it_is():
    left, right = torch.randn(3, 20, 6), torch.randn(3, 6, 20)
    left[0, 3, 2], right[1, 0, 5], left[2, 1, 1] = torch.nan, torch.inf, -torch.inf
    torch.testing.assert_close(products.bmm(left, right), left @ right, equal_nan=True)


def test_same_bits_for_any_threads_and_beside_any_others():
    left, right = torch.randn(7, 50, 300), torch.randn(7, 300, 40)
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(products.bmm(left, right))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(each, found[0]) for each in found)
    alone = torch.cat([products.bmm(a[None], b[None]) for a, b in zip(left, right, strict=True)])
    assert torch.equal(alone, found[0])


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_compiled_steps_use_them(optimizer, monkeypatch):
    monkeypatch.setattr(compiled, "_compile", lambda graph, *_: graph)  # not by torch's
    work = workload("mlp", 16, torch.float32)
    library, calls = products._products(), []
    found = {}
    for used in (True, False):
        monkeypatch.setattr(products, "worthwhile", lambda used=used: used)
        monkeypatch.setattr(products, "_products", lambda: calls.append(1) or library)
        work.kept.clear()
        calls.clear()
        found[used] = trained(work, Recipe(optimizer, 4), Execution(compile=True, chunk=4))
        assert bool(calls) is used
    assert_same(found[True], found[False], rtol=1e-3, atol=1e-5)
