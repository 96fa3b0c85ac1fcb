"""A tensor argument of an op that is recorded: a constant, made of parameters, or an activation."""

from typing import NamedTuple

from paramsearch.tracing.dims import Pure

Value = int | dict[str, tuple[frozenset[int], ...]]
"""Index of the node that made an activation, or the dimensions of a function of parameters."""


class Operand(NamedTuple):
    """A tensor argument: what it is (None for a constant) and its shape."""

    value: Value | None
    shape: tuple[int, ...]

    @property
    def pure(self) -> Pure | None:
        """Its dimensions, if it is a function of parameters alone."""
        return self.value if isinstance(self.value, dict) else None


def any_active(*operands: Operand) -> bool:
    """Say whether an activation is among the operands."""
    return any(isinstance(operand.value, int) for operand in operands)


def chosen(stack: Operand, indexed: int, rank: int) -> Value:
    """Give what is chosen of a stack of matrices, such as those of experts.

    Args:
        stack: A function of parameters.
        indexed: How many of its first dimensions are looked up.
        rank: Number of dimensions of the result: new ones that number matrices, then the rest.

    Returns:
        Its dimensions; what was looked up lies along the new ones.

    Example:
        >>> experts = Operand({"w": (frozenset({0}), frozenset({1}), frozenset({2}))}, (4, 8, 16))
        >>> [sorted(lying) for lying in chosen(experts, 1, 4)["w"]]
        [[0], [0], [1], [2]]
    """
    result: dict[str, tuple[frozenset[int], ...]] = {}
    for name, dims in (stack.pure or {}).items():
        rest = dims[indexed:]
        numbers = frozenset[int]().union(*dims[:indexed])
        result[name] = (*(numbers for _ in range(rank - len(rest))), *rest)
    return result
