"""Groups of tensors that share exponents: by role, or by module and place in the graph."""

from collections.abc import Mapping
from typing import NamedTuple

import networkx as nx

from paramsearch.tracing.labels import Member, labels
from paramsearch.tracing.names import without_numbers
from paramsearch.tracing.places import places

UNUSED = "unused"
"""Op and group of a tensor that receives no gradient."""


class Kind(NamedTuple):
    """What decides the group of a tensor by role."""

    role: str
    op: str
    residual: bool


def role_groups(kinds: Mapping[str, Kind]) -> dict[str, str]:
    """Name the group of every tensor by its role, and by what else is needed to tell groups apart.

    The name is the role; with the op (``vector.norm``) if tensors with that role have several ops;
    with ``.residual`` for tensors in residual branches if others like them are not.

    Args:
        kinds: Tensor name -> role, op and whether it sits in a residual branch.

    Returns:
        Tensor name -> name of its group.

    Example:
        >>> role_groups({"a": Kind("hidden", "linear", False), "b": Kind("hidden", "conv", False)})
        {'a': 'hidden.linear', 'b': 'hidden.conv'}
    """
    result: dict[str, str] = {}
    for name, kind in kinds.items():
        if kind.op == UNUSED:
            result[name] = UNUSED
            continue
        ops = {k.op for k in kinds.values() if k.role == kind.role} - {UNUSED}
        alike = {k.residual for k in kinds.values() if k[:2] == kind[:2]}
        parts = [kind.role]
        parts += [kind.op] if len(ops) > 1 else []
        parts += ["residual"] if kind.residual and len(alike) > 1 else []
        result[name] = ".".join(parts)
    return result


def module_groups(groups: Mapping[str, str], graph: "nx.DiGraph[str]") -> dict[str, str]:
    """Group tensors by module: what a block holds apart, the same in every repeated block.

    Tensors are together if they stand at one place in the graph and if their names differ in
    nothing but the numbers of blocks.

    Args:
        groups: Tensor name -> name of its group by role.
        graph: The graph of tensors (see `tensor_graph`).

    Returns:
        Tensor name -> name of its group: the path of the module inside its block, without
        ``.weight``, such as ``attention.query``.

    Example:
        >>> roles = {"embed.weight": "input", "h.0.up.weight": "hidden", "h.1.up.weight": "hidden"}
        >>> module_groups(roles, nx.DiGraph())
        {'embed.weight': 'embed', 'h.0.up.weight': 'up', 'h.1.up.weight': 'up'}
    """
    members: dict[Member, list[str]] = {}
    for name, (group, place) in places(groups, graph).items():
        members.setdefault(Member(without_numbers(name), group, place), []).append(name)
    named = labels(members)
    return {name: named[member] for member, names in members.items() for name in names}
