"""Role of a tensor: from what its consuming op sums over, and which dimensions grow."""

from collections.abc import Mapping

from paramsearch.tracing.recording import MATRIX_OPS, Use


def role(op: str, use: Use, growth: Mapping[str, tuple[float, ...]]) -> str:
    """Derive the role of a tensor.

    | fan-in grows | fan-out grows | role      |
    | ------------ | ------------- | --------- |
    | no           | yes           | input     |
    | yes          | yes           | hidden    |
    | yes          | no            | output    |
    | no           | no            | scalar    |

    A tensor whose op sums over nothing is a ``vector`` if a dimension grows, else a ``scalar``.

    Args:
        op: Name of the op.
        use: The use that decides.
        growth: Axis -> power of each dimension; a dimension grows if it does along any axis.

    Returns:
        One of ``ROLES``.

    Example:
        >>> linear = Use("linear", frozenset({1}), frozenset({0}), frozenset(), 64, 32)
        >>> role("linear", linear, {"width": (1.0, 0.0)})
        'input'
    """
    grows = {d for powers in growth.values() for d, power in enumerate(powers) if power > 0}
    if op not in (*MATRIX_OPS, "tied") or not use.summed:
        return "vector" if grows else "scalar"
    inside = bool(grows & use.summed)
    outside = bool(grows & (use.kept | use.copies))
    if inside:
        return "hidden" if outside else "output"
    return "input" if outside else "scalar"
