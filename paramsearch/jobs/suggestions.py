"""Rules that a user wants a search to try first, as points of its grid."""

from collections.abc import Sequence

from paramsearch.discovery.encoding import Point
from paramsearch.errors import ParamsearchError
from paramsearch.jobs.checks import from_file
from paramsearch.rules.encoding import Encoding
from paramsearch.rules.rule import Rule

_NEAR = 1e-6


def suggested(encoding: Encoding, names: Sequence[str], blind: bool) -> list[Point]:
    """Read the suggestions of a search.

    Args:
        encoding: The free exponents; a suggestion between two points of their grid is moved to
            the nearer one.
        names: Rules, by name or path.
        blind: Whether the search is to see no rule.

    Returns:
        One grid point per suggestion.

    Raises:
        ParamsearchError: A rule does not exist, speaks of what the space fixes, or lies beyond its
            bounds; or the search is blind.

    Example:
        >>> from paramsearch.rules.space import Space
        >>> from paramsearch.tracing.trace import trace
        >>> free = Space.load("width").encode(trace("uv").groups(), "adam")
        >>> suggested(free, ["mup"], blind=True)
        Traceback (most recent call last):
        paramsearch.errors.ParamsearchError: a blind search sees no rule; received --suggest mup; \
leave out --suggest or --blind
    """
    if blind and names:
        raise ParamsearchError(
            f"a blind search sees no rule; received --suggest {names[0]}; leave out --suggest or "
            "--blind"
        )
    return [_point(encoding, name) for name in names]


def _point(encoding: Encoding, name: str) -> Point:
    rule = Rule.load(name, optimizer=encoding.optimizer)
    alone = encoding.axes[0] if len(encoding.axes) == 1 else ""
    with from_file(name):
        values = encoding.values(rule.along(alone) if alone in rule.axes else rule)
        if values is None:
            raise ParamsearchError(
                f"suggestion '{rule.name}' lies outside the space: it sets what the space fixes, "
                f"parts what it ties, or is for other axes than {', '.join(encoding.axes)}; free "
                f"are {', '.join(variable.label for variable in encoding.variables)}"
            )
        for variable, value in zip(encoding.variables, values, strict=True):
            if not variable.low - _NEAR <= value <= variable.high + _NEAR:
                raise ParamsearchError(
                    f"suggestion '{rule.name}' lies outside the space: {variable.label} is "
                    f"{value:g}; allowed: {variable.low:g} to {variable.high:g}"
                )
    return tuple(v.nearest(value) for v, value in zip(encoding.variables, values, strict=True))
