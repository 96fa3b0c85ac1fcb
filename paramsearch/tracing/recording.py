"""What one recorded step of a model leaves behind: nodes of its dataflow, uses of its tensors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MATRIX_OPS = ("embedding", "linear", "conv")
"""Ops that sum over a dimension of their parameter: these give a fan-in."""


@dataclass(frozen=True, slots=True)
class Node:
    """One point of the dataflow: a parameter at work, a merge, the input or the loss.

    Attributes:
        kind: ``input``, ``parameter``, ``add``, ``mul`` or ``loss``.
        name: The parameter's name; empty for other kinds.
        op: What happens here: ``linear``, ``norm``, ... or the aten op of a merge.
        module: Path of the innermost running module; empty for the model itself.
        source: ``file:line`` of the user's code.
        parents: Indices of the nodes whose outputs enter, in order.
        same_shape: A merge by addition whose operands have one shape: a stream and a branch.
    """

    kind: str
    name: str = ""
    op: str = ""
    module: str = ""
    source: str = ""
    parents: tuple[int, ...] = ()
    same_shape: bool = False


@dataclass(frozen=True, slots=True)
class Use:
    """One consumption of a parameter tensor by an op; dimensions count in the parameter's shape.

    Attributes:
        op: ``linear``, ``embedding``, ``conv``, ``norm``, ``add``, ``mul``, ...
        summed: Dimensions that the op sums over; their sizes multiply to the fan-in.
        kept: Dimensions that become dimensions of the output.
        copies: Dimensions that only number independent tensors (experts, heads).
        fan_in: Size of the sum; 1 where nothing is summed.
        fan_out: Size of the output.
    """

    op: str
    summed: frozenset[int]
    kept: frozenset[int]
    copies: frozenset[int]
    fan_in: int
    fan_out: int


@dataclass(frozen=True, slots=True)
class Recording:
    """The dataflow of one forward pass and loss.

    Attributes:
        nodes: Every node, parents before children.
        uses: Parameter name -> its uses, in the order of the forward pass.
    """

    nodes: Sequence[Node]
    uses: Mapping[str, Sequence[Use]]


def main_use(uses: Sequence[Use]) -> tuple[str, Use]:
    """Choose the use that decides the role of a tensor, and the name of its op.

    Args:
        uses: At least one use.

    Returns:
        The op and the use. A sum decides over a norm, a norm over other elementwise ops. A tensor
        summed over in two different ways (an embedding that is also the readout) has op ``tied``
        and the role that it has as an embedding, or else at its first use.

    Example:
        >>> rows = Use("embedding", frozenset({0}), frozenset({1}), frozenset(), 65, 32)
        >>> readout = Use("linear", frozenset({1}), frozenset({0}), frozenset(), 32, 65)
        >>> op, use = main_use([readout, rows])
        >>> op, use.fan_in
        ('tied', 65)
    """
    matrix = [use for use in uses if use.op in MATRIX_OPS]
    if not matrix:
        use = next((use for use in uses if use.op == "norm"), uses[0])
        return use.op, use
    use = next((use for use in matrix if use.op == "embedding"), matrix[0])
    ways = {(use.op, use.summed) for use in matrix}
    return ("tied" if len(ways) > 1 else use.op), use
