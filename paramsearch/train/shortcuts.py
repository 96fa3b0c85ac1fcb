"""What torch's compiler need not do for a step, which saves a quarter of its time.

- It looks for hundreds of patterns (attention, convolutions with what follows them, ...) of which a
  traced step on the CPU has none that it would compute faster.
- It lays out images with channels last, whose members, side by side as channels, each kernel then
  has to pick out: steps of a convnet take 1.3 to 2.1 times as long.
- It finds the stride of an index ``c_1 v_1 + ... + c_n v_n`` along a variable by simplifying a
  difference, where the stride is a coefficient.
- Python looks for garbage among the millions of objects that it makes.

One thing is done for the step itself: products that are to lie end to end are written there, where
the compiler would write each by itself and then copy it.
"""

import gc
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import sympy
import torch


@contextmanager
def shortcuts(device: torch.device) -> Generator[None, None, None]:
    """Take them meanwhile, on the CPU; none of them changes what a step computes.

    Args:
        device: Of the tensors of the step.
    """
    if device.type != "cpu":
        yield
        return
    import torch._inductor  # takes a second

    inductor = cast(Any, torch._inductor)
    needless = ("pattern_matcher", "joint_graph_constant_folding", "layout_optimization")
    spared = inductor.config.patch(dict.fromkeys(needless, False))
    with spared, _linear_strides(), _uncollected(), _laid_end_to_end():
        yield


@contextmanager
def _uncollected() -> Generator[None, None, None]:
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


@contextmanager
def _laid_end_to_end() -> Generator[None, None, None]:
    from torch._inductor import ir

    kernel: Any = ir.ConcatKernel
    name = "can_realize_into_without_copy"
    before = getattr(kernel, name, None)
    if before is None:  # another torch
        yield
        return

    def possible(source: Any, target: Any = None) -> bool:
        return before(source, target) or _writes_into(source, target)

    setattr(kernel, name, possible)
    try:
        yield
    finally:
        setattr(kernel, name, classmethod(before.__func__))


def _writes_into(source: Any, target: Any) -> bool:
    """Say whether what an operation of torch gives can be written into part of a larger tensor."""
    from torch._inductor import ir

    buffer = getattr(source, "data", None)
    layout: Any = getattr(buffer, "layout", None)
    if not isinstance(buffer, ir.ExternKernelOut):
        return False
    if type(layout) is not ir.FixedLayout or layout.offset != 0:
        return False
    return target is None or list(target.get_stride()) == list(layout.stride)


@contextmanager
def _linear_strides() -> Generator[None, None, None]:
    from torch._inductor.codegen import cpp

    module: Any = cpp
    slow = getattr(module, "stride_at_vec_range", None)
    if slow is None:  # another torch
        yield
        return

    def stride(index: Any, variable: Any, vec_length: int | None = None) -> Any:
        found = coefficient(sympy.sympify(index), variable)
        return slow(index, variable, vec_length) if found is None else found

    module.stride_at_vec_range = stride
    try:
        yield
    finally:
        module.stride_at_vec_range = slow


def coefficient(index: Any, variable: Any) -> Any:
    """Give the coefficient of a variable in a linear combination; None if it is none.

    Args:
        index: A sympy expression.
        variable: A sympy symbol.

    Example:
        >>> x, y = sympy.symbols("x y")
        >>> coefficient(3 * x + y + 1, x), coefficient(y, x), coefficient(x * y, x)
        (3, 0, None)
    """
    found = sympy.Integer(0)
    for term in sympy.Add.make_args(index):
        factor, rest = term.as_coeff_Mul()
        if not factor.is_Integer or not (rest.is_Symbol or rest.is_Integer):
            return None
        if rest == variable:
            found += factor
    return found
