"""What torch's compiler need not do for a step, which saves a quarter of its time.

- It looks for hundreds of patterns (attention, convolutions with what follows them, ...) of which a
  traced step on the CPU has none that it would compute faster.
- It lays out images with channels last, whose members, side by side as channels, each kernel then
  has to pick out: steps of a convnet take 1.3 to 2.1 times as long.
- It finds the stride of an index ``c_1 v_1 + ... + c_n v_n`` along a variable by simplifying a
  difference, where the stride is a coefficient.
- It fills its one table of the types that operations give anew for every operation, works out again
  what shapes they give, which the trace says, and looks for parts to record for a GPU.
- Python looks for garbage among the millions of objects that it makes.

One thing is done for the step itself: products that are to lie end to end are written there, where
the compiler would write each by itself and then copy it.
"""

import gc
import warnings
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, cast

import sympy
import torch

_NEEDLESS = (
    "pattern_matcher",
    "joint_graph_constant_folding",
    "layout_optimization",
    "graph_partition",
)


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
    known = [name for name in _NEEDLESS if hasattr(inductor.config, name)]
    with ExitStack() as stack:
        stack.enter_context(inductor.config.patch(dict.fromkeys(known, False)))
        for shortcut in (_linear_strides, _types_once, _shapes_known, _end_to_end, _uncollected):
            stack.enter_context(shortcut())
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
def _replaced(owner: Any, name: str, other: Callable[[Any], Any]) -> Generator[None, None, None]:
    """Replace what a module or class calls by this name, unless another torch has none."""
    if name not in vars(owner):
        yield
        return
    kept, before = cast(Any, vars(owner)[name]), getattr(owner, name)
    setattr(owner, name, other(before))
    try:
        yield
    finally:
        setattr(owner, name, kept)


def _types_once() -> AbstractContextManager[None]:
    from torch._inductor import dtype_propagation, lowering

    del lowering  # with it come the rules for types
    handler: Any = getattr(dtype_propagation, "DtypePropagationOpsHandler", None)
    if handler is None or handler() is not handler():  # another torch
        return nullcontext()
    return _replaced(handler, "__init__", lambda _: _filled)


def _filled(self: object) -> None:
    """Leave a table as it is."""


def _shapes_known() -> AbstractContextManager[None]:
    from torch._guards import detect_fake_mode

    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # torch's of torch
        from torch._inductor import compile_fx

    def read(slow: Any) -> Any:
        def shapes(graph: Any, inputs: Any, *others: Any, **named: Any) -> Any:
            mode = detect_fake_mode(inputs)
            computed = (node for node in graph.graph.nodes if node.op != "output")
            if mode is None or not all("val" in node.meta for node in computed):
                return slow(graph, inputs, *others, **named)
            return mode

        return shapes

    return _replaced(compile_fx, "fake_tensor_prop", read)


def _end_to_end() -> AbstractContextManager[None]:
    from torch._inductor import ir

    def widened(before: Any) -> Any:
        def possible(source: Any, target: Any = None) -> bool:
            return before(source, target) or _writes_into(source, target)

        return possible

    return _replaced(ir.ConcatKernel, "can_realize_into_without_copy", widened)


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


def _linear_strides() -> AbstractContextManager[None]:
    from torch._inductor.codegen import cpp

    def read(slow: Any) -> Any:
        def stride(index: Any, variable: Any, vec_length: int | None = None) -> Any:
            found = coefficient(sympy.sympify(index), variable)
            return slow(index, variable, vec_length) if found is None else found

        return stride

    return _replaced(cpp, "stride_at_vec_range", read)


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
