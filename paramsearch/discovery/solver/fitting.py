"""Which published rules the slopes cannot tell from a solution."""

from collections.abc import Mapping

import numpy as np

from paramsearch.discovery.solver.certainty import distances
from paramsearch.discovery.solver.simple import rise_by_chance
from paramsearch.discovery.solver.solve import Solution
from paramsearch.rules.encoding import Encoding
from paramsearch.rules.rule import Rule


def fitting(
    solution: Solution, encoding: Encoding, published: Mapping[str, Rule]
) -> dict[str, float]:
    """Give the published rules that fit the slopes as well as chance allows.

    Args:
        solution: What was solved along its axis.
        encoding: The free exponents of all axes.
        published: Name -> rule that speaks of this axis alone.

    Returns:
        Name -> rise of the misfit F over its minimum, the best first; rules that the space cannot
        tell, or whose exponents lie beyond its bounds, are left out.
    """
    axis, model = solution.axis, solution.certainty.model
    along = encoding.along(axis)
    bounds = distances(solution.bend.values, solution.variables)
    least = model.misfit(model.best(bounds))
    rises: dict[str, float] = {}
    for name, rule in published.items():
        values = along.values(rule)
        if values is None:
            continue
        d = np.array(values) - np.array(solution.bend.values)
        if (d >= bounds[0] - 1e-9).all() and (d <= bounds[1] + 1e-9).all():
            rises[name] = max(model.misfit(d) - least, 0.0)
    allowed = rise_by_chance(len(solution.variables))
    return dict(sorted((item for item in rises.items() if item[1] <= allowed), key=lambda i: i[1]))
