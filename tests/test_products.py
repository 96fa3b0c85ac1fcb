"""Products of many small matrices: where they are used, and what ``product_checks.py`` finds."""

from pathlib import Path

import pytest
import torch
from own_process import assert_passes

from paramsearch.train import products

CHECKS = Path(__file__).with_name("product_checks.py")
wide = pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() != "AVX512", reason="needs registers of 16 floats"
)


@wide
def test_they_are_those_of_dense_matrices():
    """In a process of their own: the compiler minds which distutils was imported."""
    assert_passes(CHECKS)


def test_torch_is_used_where_it_is_as_fast(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    for maker, faster in (("GenuineIntel", False), ("AuthenticAMD", True)):
        info = tmp_path / maker
        info.write_text(f"processor : 0\nvendor_id : {maker}\n")
        monkeypatch.setattr(products, "_CPUINFO", info)
        assert products.worthwhile.__wrapped__() is faster
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert not products.worthwhile.__wrapped__()
    monkeypatch.setattr(products, "worthwhile", lambda: False)
    assert products.decompositions(torch.device("cpu")) == {}
    assert products.decompositions(torch.device("meta")) == {}
