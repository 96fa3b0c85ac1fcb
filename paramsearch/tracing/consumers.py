"""The table of aten ops: which arguments are factors, weights and biases, and the op's name."""

from typing import Any, NamedTuple


class Product(NamedTuple):
    """A matrix product: positions of both factors and of the term added to the product."""

    left: int
    right: int
    added: int | None = None


class Layer(NamedTuple):
    """A whole layer in one op: its name, the position of the weight, and of the bias."""

    op: str
    weight: int
    bias: int | None = None


PRODUCTS = {
    "mm": Product(0, 1),
    "addmm": Product(1, 2, 0),
    "bmm": Product(0, 1),
    "baddbmm": Product(1, 2, 0),
    "mv": Product(0, 1),
    "addmv": Product(1, 2, 0),
    "dot": Product(0, 1),
    "vdot": Product(0, 1),
    "_grouped_mm": Product(0, 1),
}

LAYERS = {
    "linear": Layer("linear", 1, 2),
    "convolution": Layer("conv", 1, 2),
    "mkldnn_convolution": Layer("conv", 1, 2),
    "embedding": Layer("embedding", 0),
    "_embedding_bag": Layer("embedding", 0),
    "_embedding_bag_forward_only": Layer("embedding", 0),
    "index": Layer("embedding", 0),
    "index_select": Layer("embedding", 0),
    "gather": Layer("embedding", 0),
}

OURS = ("aten", "prims", "c10d", "profiler")
"""Namespaces of ops whose names this table knows; any other op is a stranger."""

_CALLED = {"sub": "add", "rsub": "add", "div": "mul", "_prelu_kernel": "prelu"}
_ADDING = (
    *("add", "sub", "rsub", "lerp", "maximum", "minimum", "where", "cat", "stack", "copy"),
    *("constant_pad_nd", "masked_fill", "masked_scatter", "scatter", "scatter_add"),
    *("index_put", "index_add", "index_copy", "slice_scatter", "select_scatter"),
)
_FRESH = ("_like", "new_")
_RECURRENT = ("rnn", "lstm", "gru")


def called(op: str) -> str:
    """Name the op that consumes a parameter without summing over it.

    Example:
        >>> called("div"), called("native_layer_norm"), called("mkldnn_rnn_layer")
        ('mul', 'norm', 'linear')
    """
    if is_recurrent(op):
        return "linear"
    if "norm" in op:
        return "norm"
    return _CALLED.get(op, op)


def is_recurrent(op: str) -> bool:
    """Say whether the op is a whole recurrent layer, whose matrices are (fan_out, fan_in)."""
    return any(part in op for part in _RECURRENT)


def is_fresh(op: str) -> bool:
    """Say whether the result does not depend on the values of the operands."""
    return op.endswith(_FRESH[0]) or op.startswith(_FRESH[1])


def norms_channels(op: str) -> bool:
    """Say whether the op is a norm whose gain and bias lie along the second dimension.

    Example:
        >>> norms_channels("native_batch_norm"), norms_channels("native_layer_norm")
        (True, False)
    """
    return any(norm in op for norm in ("batch_norm", "group_norm", "instance_norm"))


def merge_kind(op: str) -> str:
    """Say how an op joins two activations: ``add`` (either may dominate) or ``mul``."""
    return "add" if op in _ADDING else "mul"


def summed_by_layer(op: str, args: tuple[Any, ...], rank: int) -> frozenset[int]:
    """Give the dimensions of the weight that a layer op sums over.

    Args:
        op: A key of ``LAYERS``.
        args: The arguments of the op.
        rank: Number of dimensions of the weight.

    Returns:
        Dimensions of the weight as the op receives it.
    """
    if op == "linear":
        return frozenset({rank - 1})
    if op == "convolution" and args[6]:  # transposed: (in, out / groups, kernel...)
        return frozenset({0, *range(2, rank)})
    if LAYERS[op].op == "conv":
        return frozenset(range(1, rank))
    if op == "index":
        return indexed(args)
    if op in ("index_select", "gather"):
        return frozenset({args[1] % rank})
    return frozenset({0})


def indexed(args: tuple[Any, ...]) -> frozenset[int]:
    """Give the dimensions that the op ``index`` looks up by tensors of indices."""
    return frozenset(i for i, index in enumerate(args[1]) if index is not None)


def chooses(op: str, args: tuple[Any, ...], shape: tuple[int, ...]) -> bool:
    """Say whether an op chooses whole matrices of a stack, such as those of experts.

    A lookup of vectors is an embedding; the matrices that are chosen are yet to be used.
    """
    if op != "index":
        return False
    found = indexed(args)
    return found == frozenset(range(len(found))) and len(shape) - len(found) > 1


def guessed_sum(
    shape: tuple[int, ...], entering: tuple[int, ...], out: tuple[int, ...]
) -> frozenset[int]:
    """Guess what an op that torch does not define sums over, from the shapes that meet in it.

    Args:
        shape: Shape of the parameter.
        entering: Shape of the activation.
        out: Shape of the result.

    Returns:
        The dimension of a matrix (or stack of matrices) that fits the last of the activation, where
        the other fits the last of the result; a square matrix counts as (out, in). None otherwise.

    Example:
        >>> sorted(guessed_sum((64, 32), (8, 32), (8, 64)))
        [1]
        >>> sorted(guessed_sum((32, 64), (8, 32), (8, 64)))
        [0]
    """
    if len(shape) < 2 or not entering or not out:
        return frozenset()
    sizes, last = (entering[-1], out[-1]), len(shape) - 1
    if (shape[last], shape[last - 1]) == sizes:
        return frozenset({last})
    return frozenset({last - 1}) if (shape[last - 1], shape[last]) == sizes else frozenset()
