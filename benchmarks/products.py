"""Products of many small matrices: ours against ``torch.bmm``, at the shapes of compiled steps.

For every shape both run in turns; prints the best rate of each and the median over rounds of the
ratio of their times (above 1 ours is the faster), the largest difference between the results, and
whether compiled steps use ours on this machine.

Run: ``python benchmarks/products.py [--threads 1]``
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from paramsearch.train import products

SHAPES = [  # what, count, m, k, n, whether the left and the right matrices are transposed
    ("mlp 64, forward", 128, 64, 64, 64, False, True),
    ("mlp 64, gradient by input", 128, 64, 64, 64, False, False),
    ("mlp 64, gradient by weight", 128, 64, 64, 64, True, False),
    ("mlp 64, readout", 128, 64, 64, 10, False, True),
    ("mlp 256, forward", 8, 64, 256, 256, False, True),
    ("mlp 256, gradient by weight", 8, 256, 64, 256, True, False),
    ("gpt 32, block", 8, 512, 32, 128, False, True),
    ("gpt 32, block, back", 8, 512, 128, 32, False, False),
    ("gpt 32, gradient by weight", 8, 128, 512, 32, True, False),
    ("gpt 32, attention", 256, 32, 16, 32, False, True),
    ("gpt 32, values", 256, 32, 32, 16, False, False),
    ("gpt 128, block", 8, 512, 128, 512, False, True),
    ("gpt 128, gradient by weight", 8, 512, 512, 128, True, False),
]
ROUNDS = 25


def matrices(count: int, rows: int, columns: int, transposed: bool) -> torch.Tensor:
    """Draw matrices, in memory as they are or transposed."""
    shape = (count, columns, rows) if transposed else (count, rows, columns)
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return drawn.mT if transposed else drawn


def seconds(run: Callable[[], object]) -> float:
    """Time a call."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def measure(what: str, count: int, m: int, k: int, n: int, left: bool, right: bool) -> None:
    """Measure one shape and print its line."""
    a, b = matrices(count, m, k, left), matrices(count, k, n, right)
    theirs, ours = torch.empty(count, m, n), torch.empty(count, m, n)
    rounds = [
        (
            seconds(lambda: torch.bmm(a, b, out=theirs)),
            seconds(lambda: products.bmm(a, b, out=ours)),
        )
        for _ in range(ROUNDS)
    ]
    flops = 2e-9 * count * m * k * n
    rates = [flops / min(times) for times in zip(*rounds, strict=True)]
    ratio = statistics.median(one / other for one, other in rounds)
    gap = float((theirs - ours).abs().max())
    sizes = f"{count} x ({m}, {k}, {n})"
    print(f"{what:28s}{sizes:22s}{rates[0]:8.0f}{rates[1]:8.0f}{ratio:8.2f}x{gap:12.1e}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    torch.set_num_threads(parser.parse_args().threads)
    if torch.backends.cpu.get_cpu_capability() != "AVX512":
        raise SystemExit("ours needs registers of sixteen floats (AVX-512)")
    used = "used" if products.worthwhile() else "not used"
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; ours is {used} here")
    print(f"{'':28s}{'':22s}{'torch':>8s}{'ours':>8s}{'ratio':>9s}{'difference':>12s}")
    print(f"{'':28s}{'count x (m, k, n)':22s}{'GFLOP/s':>8s}{'GFLOP/s':>8s}")
    for shape in SHAPES:
        measure(*shape)


if __name__ == "__main__":
    main()
