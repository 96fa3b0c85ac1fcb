"""Which dimensions of which tensors grow along which axis: compare two builds by their shapes."""

from collections.abc import Collection, Mapping
from math import log2

from paramsearch.errors import ParamsearchError

Shapes = Mapping[str, tuple[int, ...]]
Powers = tuple[float, ...]

_STEP = 0.5
_SLACK = 0.1


def power(size: int, base: int, octaves: float = 1.0) -> float:
    """Give the power of the axis with which a dimension grows.

    The power is log2(size / base) / octaves; within 0.1 of a multiple of 1/2 it is that multiple,
    so that a dimension of ``width + 1`` or of ``8 / 3 * width`` rounded still grows as the width.

    Args:
        size: Size of the dimension in the larger model.
        base: Size in the smaller model.
        octaves: log2 of the ratio of the axis between the two models.

    Returns:
        The power; 0 where the dimension stays.

    Example:
        >>> power(64, 32), power(129, 65), power(256, 64), power(10, 10)
        (1.0, 1.0, 2.0, 0.0)
    """
    if size == base or not size or not base:
        return 0.0
    exact = log2(size / base) / octaves
    near = round(exact / _STEP) * _STEP
    return near if near and abs(exact - near) <= _SLACK else round(exact, 3)


def growth(base: Shapes, grown: Mapping[str, Shapes]) -> dict[str, dict[str, Powers]]:
    """Compare the shapes of a model with those of the model doubled along each axis alone.

    Args:
        base: Tensor name -> shape.
        grown: Axis -> shapes of the model doubled along it; tensors that the doubled model adds
            are ignored.

    Returns:
        Tensor name -> axis -> power of each dimension.

    Raises:
        ParamsearchError: Doubling an axis removes a tensor or changes its number of dimensions.

    Example:
        >>> growth({"w": (10, 4)}, {"width": {"w": (10, 8)}})
        {'w': {'width': (0.0, 1.0)}}
    """
    result: dict[str, dict[str, Powers]] = {name: {} for name in base}
    for axis, shapes in grown.items():
        for name, shape in base.items():
            wide = shapes.get(name)
            if wide is None or len(wide) != len(shape):
                raise ParamsearchError(
                    f"doubling axis '{axis}' must keep every tensor of the model; '{name}' with "
                    f"shape {shape} became {wide or 'absent'}"
                )
            result[name][axis] = tuple(power(b, a) for a, b in zip(shape, wide, strict=True))
    return result


def alone(
    powers: Mapping[str, Mapping[str, Powers]], axes: Collection[str]
) -> dict[str, dict[str, Powers]]:
    """Give the growth along some of the axes alone.

    Example:
        >>> alone({"w": {"width": (1.0,), "vocabulary": (0.0,)}}, ["width"])
        {'w': {'width': (1.0,)}}
    """
    return {
        name: {axis: dims for axis, dims in by_axis.items() if axis in axes}
        for name, by_axis in powers.items()
    }


def scales(base: Shapes, grown: Shapes) -> bool:
    """Say whether an axis scales anything: a dimension, or the set of tensors.

    Example:
        >>> scales({"w": (4,)}, {"w": (4,)}), scales({"w": (4,)}, {"w": (4,), "v": (4,)})
        (False, True)
    """
    return dict(base) != dict(grown)
