"""Scales and ratios: where a model stands along each axis, relative to its base."""

from collections.abc import Mapping

from paramsearch.errors import ParamsearchError

Scale = Mapping[str, int]
"""Axis name -> size of the model along it, for instance ``{"width": 128}``."""


def ratios(scale: Scale, base: Scale) -> dict[str, float]:
    """Give the ratio m = scale / base along every axis of the base.

    Args:
        scale: Sizes of the model; an axis left out stands at its base.
        base: Sizes of the base model, all positive.

    Returns:
        Axis name -> ratio.

    Raises:
        ParamsearchError: The scale names an axis that the base does not have.

    Example:
        >>> ratios({"width": 128}, {"width": 32, "depth": 3})
        {'width': 4.0, 'depth': 1.0}
    """
    unknown = sorted(set(scale) - set(base))
    if unknown:
        raise ParamsearchError(
            f"the scale names axis '{unknown[0]}'; the architecture has {', '.join(sorted(base))}"
        )
    return {axis: scale.get(axis, size) / size for axis, size in base.items()}
