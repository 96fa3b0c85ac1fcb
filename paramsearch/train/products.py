"""Products of many small matrices, where torch uses half of what the processor can do.

Torch multiplies by Intel's library, which on other makers' processors keeps to registers of eight
floats. Where they have registers of sixteen, ``products.cpp`` takes less than half of the time.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

_SOURCE = Path(__file__).with_name("products.cpp")
_CPUINFO = Path("/proc/cpuinfo")
_NAME = "paramsearch_bmm"  # for generated code
_torch: Any = torch


@cache
def worthwhile() -> bool:
    """Say whether products of float32 matrices are computed faster here than by torch."""
    if torch.backends.cpu.get_cpu_capability() != "AVX512" or not _CPUINFO.exists():
        return False
    return "GenuineIntel" not in _CPUINFO.read_text()


def bmm(left: Tensor, right: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Multiply matrices pairwise, called as ``torch.bmm``.

    Args:
        left: (count, m, k), float32, in any layout.
        right: (count, k, n), likewise.
        out: Where to write the products, (count, m, n), the entries of a row side by side.

    Returns:
        The products, each entry summed in the order of k.
    """
    count, m, k = left.shape
    n = right.shape[2]
    if out is None:
        out = left.new_empty(count, m, n)
    each, row, column = out.stride()
    assert column == 1 or n == 1, "the entries of a row lie side by side"
    _products()(
        torch.get_num_threads(),
        *(count, m, k, n),
        *(left, *left.stride()),
        *(right, *right.stride()),
        *(out, each, row),
    )
    return out


def decompositions(device: torch.device) -> dict[Any, Callable[..., Any]]:
    """Give products in terms of ``bmm`` above, for a trace that torch's compiler will be given.

    Args:
        device: Of the tensors of the trace.

    Returns:
        By operation of torch; empty where torch is as fast.
    """
    if device.type != "cpu" or not worthwhile():
        return {}
    try:
        _declare()
    except (AttributeError, ImportError, TypeError):  # another torch
        return {}
    _begun()  # to be built, if it is not, while the step is traced

    def plain(left: Tensor, right: Tensor) -> Any:
        if left.dtype != torch.float32:
            return NotImplemented
        return _torch.ops.paramsearch.bmm(left, right)

    def added(x: Tensor, left: Tensor, right: Tensor, *, beta: float = 1, alpha: float = 1) -> Any:
        return beta * x + alpha * torch.bmm(left, right)

    aten = _torch.ops.aten
    return {aten.bmm.default: plain, aten.baddbmm.default: added}


@cache
def _products() -> Any:
    return _begun().result()


@cache
def _begun() -> Future[Any]:
    """Begin to build the library; torch's compiler keeps what it built on disk."""
    from torch._inductor.codecache import CppPythonBindingsCodeCache  # takes a second

    matrix, size = ["float*", *["int64_t"] * 3], "int64_t"
    types = [*[size] * 5, *matrix, *matrix, *matrix[:3]]
    build: Any = CppPythonBindingsCodeCache.load_pybinding
    return ThreadPoolExecutor(1).submit(build, types, _SOURCE.read_text())


@cache
def _declare() -> Any:
    """Tell torch and its compiler about the operation, for as long as what is returned lives."""
    from torch._inductor import lowering, select_algorithm  # these take a second
    from torch._inductor.kernel import mm_common

    compiler, algorithms, common = (cast(Any, m) for m in (lowering, select_algorithm, mm_common))

    library = _torch.library.Library("paramsearch", "DEF")
    library.define("bmm(Tensor left, Tensor right) -> Tensor")
    library.impl("bmm", bmm, "CPU")
    library.impl("bmm", torch.bmm, "Meta")
    choice = algorithms.ExternKernelChoice(bmm, name=_NAME)

    def lower(left: Any, right: Any) -> Any:
        _, _, _, layout, *matrices = common.mm_args(left, right)
        return choice.bind(matrices, layout).output_node()

    operation = _torch.ops.paramsearch.bmm.default
    compiler.register_lowering(operation, type_promotion_kind=None)(lower)
    return library
